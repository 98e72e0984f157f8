"""Videos in a prompt: placeholders, times, budgets, slices; and what is said where they cannot be read."""

import pytest
import torch
from PIL import Image
from transformers.utils import is_torchvision_available

from smart_train import ScoringConfig, SmartModel
from smart_train.errors import ModelError
from smart_train.inputs.video import Video
from smart_train.models import PromptConfig, processing
from smart_train.models.slicing import VIDEO_COUNTS, select_rows
from smart_train.models.video_input import frames_at_rate, prepare_video, reader_sizes, within
from smart_train.types import ModelInput
from tests.models.text_folders import encoder_folder
from tests.models.vision_folders import SMALL_PAGES, vision_folder
from tests.videos import write_clip

needs_torchvision = pytest.mark.skipif(not is_torchvision_available(), reason="video processors need torchvision")
FAMILIES = {"qwen3_vl_embedding": "qwen3_vl", "gme": "qwen2_vl", "lamra_qwen2_5_vl": "qwen2_5_vl"}


def frames(count, size=(96, 64)):
    return [Image.new("RGB", size, (index * 40, 90, 200)) for index in range(count)]


@pytest.fixture(params=FAMILIES)
def model(request, tmp_path):
    folder = vision_folder(tmp_path / "base", FAMILIES[request.param])
    return SmartModel.from_config(folder, family=request.param, init_std=0.05, prompts=SMALL_PAGES)


def listed(count, size=(96, 64)):
    return Video(tuple(frames(count, size)), tuple(range(count)), 2.0, count, listed=True)


@pytest.mark.parametrize(
    ("size", "count", "expected"),
    [
        ((96, 64), 4, (320, 448)),  # 128 tokens a pair at least
        ((3200, 1600), 2, (608, 1248)),  # 768 at most
        ((3200, 1600), 64, (320, 672)),  # 7,680 in all: 240 a pair
        ((3200, 16), 2, (64, 3200)),  # a side under half a token of twice the width
    ],
)
def test_frames_of_a_list_are_within_both_budgets(size, count, expected):
    sizes = reader_sizes(listed(count, size), 32)
    assert sizes.last == expected[::-1]
    rows, columns = expected[0] // 32, expected[1] // 32
    assert 128 <= rows * columns <= 768 and rows * columns * count / 2 <= 7680
    if count == 2:
        assert prepare_video(listed(count, size), sizes).frames.shape == (count, *expected, 3)


@pytest.mark.parametrize("max_length", [24, 100, 1024])
def test_a_video_that_leaves_no_room_is_made_smaller(max_length):
    video = listed(16, (320, 240))
    width, height = within(reader_sizes(video, 32), video, 32, max_length).last
    assert 8 * (width // 32) * (height // 32) <= max_length * 3 // 4
    assert within(reader_sizes(video, 32), video, 32, 8192) == reader_sizes(video, 32)


def test_times_survive_as_the_processors_read_them():
    metadata = prepare_video(listed(4), reader_sizes(listed(4), 32)).metadata
    assert metadata.timestamps == [0.0, 0.5, 1.0, 1.5]
    assert metadata.sampled_fps == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("seconds", "rate", "expected"),
    [
        (2.0, 10, [0, 6, 13, 19]),  # four at least
        (11.0, 10, [0, 12, 24, 36, 48, 61, 73, 85, 97, 109]),  # an even number
        (0.3, 10, [0, 2]),  # as many as there are
        (0.1, 10, [0]),
    ],
)
def test_a_file_gives_an_even_number_of_frames_and_at_least_four(seconds, rate, expected):
    assert frames_at_rate(round(seconds * rate), rate, per_second=1.0, most=64) == expected


def test_an_odd_count_ends_in_its_last_frame_twice():
    found = prepare_video(listed(3), reader_sizes(listed(3), 32))
    assert found.metadata.frames_indices == [0, 1, 2, 3]
    assert len(found.frames) == 4 and (found.frames[3] == found.frames[2]).all()


@needs_torchvision
def test_qwen3_writes_the_time_of_each_pair_and_marks_it_once(tmp_path):
    model = SmartModel.from_config(vision_folder(tmp_path / "base", "qwen3_vl"), init_std=0.05)
    features = model.family.featurize([ModelInput("a walk", video=frames(4))], "document")
    pads = "<|vision_start|>" + "<|video_pad|>" * 140 + "<|vision_end|>"
    assert model.family.processor.tokenizer.decode(features["input_ids"][0]) == (
        "<|im_start|>system\nRepresent the user's input.<|im_end|>\n<|im_start|>user\n"
        f"<0.2 seconds>{pads}<1.2 seconds>{pads}a walk<|im_end|>\n<|im_start|>assistant\n"
    )


@needs_torchvision
def test_lamra_on_qwen2_5_is_not_told_the_seconds_between_pairs(tmp_path):
    """As its own code: tests/models/official has the positions that follow."""
    folder = vision_folder(tmp_path / "base", "qwen2_5_vl")
    model = SmartModel.from_config(folder, family="lamra_qwen2_5_vl", init_std=0.05)
    features = model.family.featurize([ModelInput(video=frames(4)), ModelInput("no video")], "document")
    assert "video_grid_thw" in features and "second_per_grid_ts" not in features
    assert features["mm_token_type_ids"].any() == (not model.family.plain_positions)


@needs_torchvision
def test_kept_visual_tokens_are_the_placeholders(model):
    model.family.scoring = ScoringConfig(document_tokens="visual")
    features = model.family.featurize([ModelInput("text", video=frames(4)), ModelInput("none")], "document")
    kept = features["input_ids"][0][features["token_mask"][0]]
    _, rows, columns = (features["video_grid_thw"][0] // 2).tolist()
    assert (kept == model.family.processor.video_token_id).all() and len(kept) == 2 * rows * columns  # two pairs
    assert features["token_mask"][1].sum() == 1


@needs_torchvision
def test_a_query_of_text_tokens_keeps_none_of_its_video(model):
    model.family.scoring = ScoringConfig(query_tokens="text")
    features = model.family.featurize([ModelInput("text", video=frames(4))], "query")
    assert model.family.processor.video_token_id not in features["input_ids"][0][features["token_mask"][0]]


@needs_torchvision
def test_batch_equals_one_by_one_and_a_slice_its_rows(model, pages):
    items = [
        ModelInput("only text"),
        ModelInput(video=frames(5)),
        ModelInput("all", (pages[0], pages[1]), frames(2)),
        ModelInput(None, (pages[2],)),
        ModelInput("after", video=frames(3, (64, 128))),
    ]
    together = model.encode_document(items, batch_size=5)
    features = model.family.featurize(items, "document")
    assert features[VIDEO_COUNTS].tolist() == [0, 1, 1, 0, 1]
    for row, item in enumerate(items):
        alone = model.encode_document(item)
        torch.testing.assert_close(together.pooled[row], alone.pooled[0], atol=1e-6, rtol=0)
        torch.testing.assert_close(together.tokens[row], alone.tokens[0], atol=1e-6, rtol=0)
    for rows in ([0], [1], [4, 2], [3, 0]):
        found, expected = (
            select_rows(features, rows, model.family.visual_fields),
            model.family.featurize([items[row] for row in rows], "document"),
        )
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], value) for name, value in expected.items())


@needs_torchvision
def test_a_video_file_is_encoded(model, tmp_path):
    clip = write_clip(tmp_path / "clip.mkv", frames(6), 2)
    found = model.encode_document([{"video": str(clip)}, {"video": frames(6)}])
    assert found.pooled.isfinite().all() and len(found) == 2


@needs_torchvision
def test_a_step_trains_through_a_video(model):
    model.train()
    model(model.family.featurize([ModelInput(video=frames(4))], "document")).packed[:, 0].sum().backward()
    assert model.backbone.visual.patch_embed.proj.weight.grad.abs().max() > 0


def test_without_torchvision_it_says_what_to_install(model, monkeypatch):
    monkeypatch.setattr(processing, "is_torchvision_available", lambda: False)
    model.family.__dict__.pop("processor", None)
    with pytest.raises(ModelError, match="video input needs torchvision, the release that goes with torch: pip"):
        model.encode_document({"video": frames(2)})


def test_a_text_model_refuses_video_by_name(tmp_path):
    model = SmartModel.from_config(encoder_folder(tmp_path / "bert"), prompts=PromptConfig(max_length=16))
    with pytest.raises(ModelError, match="text_encoder reads text, but an input holds video: choose a model family"):
        model.encode_document({"video": frames(2)})
