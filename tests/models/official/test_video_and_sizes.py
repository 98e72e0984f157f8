"""Grids, frames, times and pixels are those of each model's own code, see README.md in the folder of the numbers."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.utils import is_torchvision_available

from smart_train.inputs.video import Video
from smart_train.models import PromptConfig, get_family
from smart_train.models.families.vision_language import VisionLanguageFamily
from smart_train.scoring import ScoringConfig
from smart_train.types import ModelInput
from tests.models.conftest import TINY
from tests.models.vision_folders import vision_folder
from tests.videos import write_clip

NUMBERS = Path(__file__).parent / "video_and_sizes"
BACKBONES = {
    "qwen3_vl_embedding": "qwen3_vl",
    "gme": "qwen2_vl",
    "vlm2vec": "qwen2_vl",
    "lamra": "qwen2_vl",
    "lamra_qwen2_5_vl": "qwen2_5_vl",
    "lamra_qwen3_vl": "qwen3_vl",
    "jina_v4": "qwen2_5_vl",
    "ops_mm_embedding": "qwen2_vl",
    "nomic_embed_multimodal": "qwen2_5_vl",
    "moca": "qwen2_5_vl",
}
NUMBERS_OF = {
    "lamra_qwen2_5_vl": "lamra",  # LamRA-Ret's two backbones share one reader
    "nomic_embed_multimodal": "jina_v4",  # the same processor within the same bounds
}
WITHOUT_VIDEO = {"gme", "jina_v4", "ops_mm_embedding", "nomic_embed_multimodal", "moca"}
WITH_VIDEO = [name for name in BACKBONES if name not in WITHOUT_VIDEO]
needs_torchvision = pytest.mark.skipif(not is_torchvision_available(), reason="video processors need torchvision")


def official(name: str) -> dict[str, Any]:
    return json.loads((NUMBERS / f"{NUMBERS_OF.get(name, name)}.json").read_text())


def family_of(name: str, folder: Path, **prompts: int) -> VisionLanguageFamily:
    backbone = BACKBONES[name]
    where = TINY if backbone == "qwen3_vl" else vision_folder(folder / backbone, backbone)
    made = get_family(name)(str(where), scoring=ScoringConfig(), prompts=PromptConfig(**prompts))
    assert isinstance(made, VisionLanguageFamily)
    return made


@pytest.fixture
def family(request: pytest.FixtureRequest, tmp_path: Path) -> VisionLanguageFamily:
    numbers = official(request.param)
    return family_of(request.param, tmp_path, min_pixels=numbers["min_pixels"], max_pixels=numbers["max_pixels"])


def blank(size: tuple[int, int], count: int) -> list[Image.Image]:
    return [Image.new("RGB", size, (index % 256, 90, 200)) for index in range(count)]


def noise(size: tuple[int, int], count: int) -> list[Image.Image]:
    rng = np.random.default_rng(14)
    return [Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)) for _ in range(count)]


@pytest.mark.parametrize("family", BACKBONES, indirect=True)
def test_images_have_the_official_grids(family: VisionLanguageFamily) -> None:
    rows = official(family.name)["images"]
    assert len(rows) > 100
    for width, height, *grid in rows:
        assert family.visual_tokens([(width, height)]) == math.prod(grid), (width, height)
    small = [row for row in rows if row[0] * row[1] < 40_000]
    assert len(small) > 40
    for width, height, *grid in small:
        fitted = family.fit_image(Image.new("RGB", (width, height))).size
        assert [side // family.patch for side in fitted[::-1]] == grid, (width, height)
    features = family.featurize([ModelInput(images=(Image.new("RGB", tuple(small[0][:2])),))], "document")
    assert (features["image_grid_thw"][0, 1:] // 2).tolist() == small[0][2:]


@pytest.mark.parametrize("family", WITH_VIDEO, indirect=True)
def test_of_a_list_the_official_frames_are_read_at_the_official_size(family: VisionLanguageFamily) -> None:
    for row in official(family.name)["lists"]:
        read = list(family.list_frames(row["frames"]))
        assert read == row.get("read", list(range(row["frames"])))
        video = Video(tuple(blank(row["size"], 1)) * len(read), tuple(range(len(read))), 2.0, len(read), listed=True)
        assert expected_grid(family, video) == row["grid"], row


@needs_torchvision
@pytest.mark.parametrize("family", WITH_VIDEO, indirect=True)
def test_frames_of_a_list_have_the_official_grids_and_times(family: VisionLanguageFamily) -> None:
    for row in official(family.name)["lists"]:
        if row["frames"] * math.prod(row["size"]) > 5_000_000:
            continue
        found = family.read_video(blank(row["size"], row["frames"]))
        assert grid(found.frames, family.patch) == row["grid"], row
        if "times" in row:
            seconds = found.metadata.timestamps
            means = [(first + last) / 2 for first, last in zip(seconds[::2], seconds[1::2], strict=True)]
            assert [f"{mean:.1f}" for mean in means] == row["times"], row


@pytest.mark.parametrize("family", WITH_VIDEO, indirect=True)
def test_of_a_file_the_official_frames_are_read_at_the_official_size(family: VisionLanguageFamily) -> None:
    for row in official(family.name)["files"]:
        read = list(family.file_frames(row["frames"], row["rate"]))
        assert read == row["read"], row
        video = Video(tuple(blank(row["size"], 1)) * len(read), tuple(read), row["rate"], row["frames"])
        assert expected_grid(family, video) == row["grid"], row


@needs_torchvision
@pytest.mark.parametrize("family", ["qwen3_vl_embedding", "vlm2vec"], indirect=True)
def test_a_real_file_gives_the_official_frames_and_times(family: VisionLanguageFamily, tmp_path: Path) -> None:
    for row in official(family.name)["files"]:
        if row["size"] != [64, 48] or row["frames"] > 20:
            continue
        clip = write_clip(tmp_path / f"{row['frames']}.mkv", blank(row["size"], row["frames"]), row["rate"])
        found = family.read_video(clip)
        padded = row["read"] + [row["read"][-1] + 1] * (len(row["read"]) % 2)
        assert found.metadata.frames_indices == padded and found.metadata.fps == pytest.approx(row["rate"])
        assert found.frames[: len(row["read"]), 0, 0, 0].tolist() == pytest.approx(row["read"], abs=1)
        assert grid(found.frames, family.patch) == row["grid"]


@needs_torchvision
@pytest.mark.parametrize("family", ["qwen3_vl_embedding"], indirect=True)
def test_qwen3s_prompt_says_the_official_times(family: VisionLanguageFamily) -> None:
    """An odd list: its last frame is there twice, half a second later the second time."""
    features = family.featurize([ModelInput(video=blank((96, 64), 5))], "document")
    text = family.processor.tokenizer.decode(features["input_ids"][0]).replace("<|video_pad|>", "")
    empty = "<|vision_start|><|vision_end|>"
    assert f"<0.2 seconds>{empty}<1.2 seconds>{empty}<2.2 seconds>{empty}<|im_end|>" in text


@needs_torchvision
@pytest.mark.parametrize("family", ["qwen3_vl_embedding"], indirect=True)
def test_frames_have_the_official_pixels(family: VisionLanguageFamily) -> None:
    features = family.featurize([ModelInput(video=noise((160, 96), 3))], "document")
    agree(features["pixel_values_videos"], official(family.name)["noise"], 1e-6)


@pytest.mark.parametrize("family", ["gme"], indirect=True)
def test_gmes_two_steps_give_the_official_pixels(family: VisionLanguageFamily) -> None:
    features = family.featurize([ModelInput(images=tuple(noise((217, 301), 1)))], "document")
    # Its processor works with Pillow, ours with torchvision where that is there: they differ by two of 255 levels.
    agree(features["pixel_values"], official(family.name)["noise"], 2 / 255 / 0.5)


def test_gme_has_the_grid_of_two_steps_for_every_size(tmp_path: Path) -> None:
    """By the formula written out twice: first within 4 and 16,384 tokens, then within 256 and 1,280."""
    family = family_of("gme", tmp_path)

    def step(width: int, height: int, least: int, most: int) -> tuple[int, int]:
        sides = [max(round(side / 28), 1) * 28 for side in (width, height)]
        if math.prod(sides) > most * 784:
            ratio = math.sqrt(width * height / (most * 784))
            sides = [math.floor(side / ratio / 28) * 28 for side in (width, height)]
        elif math.prod(sides) < least * 784:
            ratio = math.sqrt(least * 784 / (width * height))
            sides = [math.ceil(side * ratio / 28) * 28 for side in (width, height)]
        return sides[0], sides[1]

    rng = random.Random(3)
    once, counts = 0, []
    for _ in range(2_000):
        width, height = rng.randint(5, 3600), rng.randint(5, 3600)
        first = step(width, height, 4, 16384)
        first = min(first[0], 200 * first[1]), min(first[1], 200 * first[0])
        columns, rows = (side // 28 for side in step(*first, 256, 1280))
        assert family.visual_tokens([(width, height)]) == columns * rows, (width, height)
        counts.append(columns * rows)
        once += step(width, height, 256, 1280) != (columns * 28, rows * 28)
    assert once > 200  # one step would be seen
    assert family.visual_tokens([(1240, 1754)]) == 29 * 42  # A4 at 150 dots an inch; one step gives 30 x 42


@needs_torchvision
def test_a_video_longer_than_the_model_reads_is_made_smaller(tmp_path: Path) -> None:
    short = family_of("qwen3_vl_embedding", tmp_path, max_length=600)
    _, rows, columns = grid(short.read_video(blank((320, 240), 8)).frames, 32)
    assert columns * rows * 4 <= 450 < (columns + 1) * (rows + 1) * 4
    features = short.featurize([ModelInput("a text " * 200, video=blank((320, 240), 8))], "document")
    assert features["attention_mask"].sum() <= 600


def expected_grid(family: VisionLanguageFamily, video: Video) -> list[int]:
    sizes = family.frame_sizes(video)
    width, height = sizes.last or sizes.first or video.frames[0].size
    return [math.ceil(len(video.frames) / 2), height // family.patch, width // family.patch]


def grid(frames: np.ndarray, patch: int) -> list[int]:
    count, height, width, _ = frames.shape
    return [count // 2, height // patch, width // patch]


def agree(pixels: torch.Tensor, numbers: dict[str, Any], tolerance: float) -> None:
    pixels = pixels.double()
    assert list(pixels.shape) == numbers["shape"]
    assert pixels.mean().item() == pytest.approx(numbers["mean"], abs=tolerance / 10)
    assert pixels.square().mean().item() == pytest.approx(numbers["squares"], abs=tolerance / 10)
    assert pixels[0, :4].tolist() == pytest.approx(numbers["first"], abs=tolerance)
    assert pixels[-1, -4:].tolist() == pytest.approx(numbers["last"], abs=tolerance)
