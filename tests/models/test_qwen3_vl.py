"""Prompt, pooled position, token filter and forward of the Qwen3-VL-Embedding family."""

import pytest
import torch
from tokenizers import AddedToken
from torch.nn import functional as F

from smart_train import Embeddings, ScoringConfig
from smart_train.errors import ModelError, ScoreError
from smart_train.models import PromptConfig
from smart_train.types import ModelInput
from tests.models.conftest import make_model

VISION = "<|vision_start|><|image_pad|><|vision_end|>"


def prompt(instruction, user):
    return f"<|im_start|>system\n{instruction}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize(
    ("item", "role", "expected"),
    [
        (ModelInput("hello"), "query", prompt("Find a document image that matches the given query.", "hello")),
        (ModelInput("hello"), "document", prompt("Represent the user's input.", "hello")),
        (ModelInput(), "document", prompt("Represent the user's input.", "NULL")),
        (ModelInput(""), "query", prompt("Find a document image that matches the given query.", "NULL")),
        (ModelInput("hi", instruction="Find it"), "query", prompt("Find it.", "hi")),
        (ModelInput("hi", instruction="Find it!"), "query", prompt("Find it!", "hi")),
    ],
)
def test_prompt_is_the_published_one(tiny, item, role, expected):
    assert tiny.family.render(item, role) == expected


def test_images_come_before_text(tiny, pages):
    item = ModelInput("caption", (pages[0], pages[1]))
    assert tiny.family.render(item, "document") == prompt("Represent the user's input.", VISION * 2 + "caption")


def test_run_instruction_replaces_the_family_default():
    model = make_model(prompts=PromptConfig(query_instruction="Find the chart"))
    assert "system\nFind the chart.<" in model.family.render(ModelInput("x"), "query")


def kept_tokens(model, features, row):
    ids = features["input_ids"][row][features["token_mask"][row]]
    return model.family.processor.tokenizer.convert_ids_to_tokens(ids)


def test_content_filter_drops_special_tokens_and_keeps_visual_ones(tiny, pages):
    features = tiny.family.featurize([ModelInput("ab", (pages[0],)), ModelInput("ab")], "document")
    kept = kept_tokens(tiny, features, 0)
    assert kept.count("<|image_pad|>") == 9  # 96 x 96 pixels: 3 x 3 visual tokens
    assert {token for token in kept if token.startswith("<|")} == {"<|image_pad|>"}
    # 9 placeholders more than the row without the image; the pooled newline stays in.
    assert len(kept) - len(kept_tokens(tiny, features, 1)) == 9
    assert features["token_mask"][0, features["pooled_index"][0]]


@pytest.mark.parametrize(("keep", "visual", "text"), [("text", 0, True), ("visual", 9, False), ("all", 9, True)])
def test_other_filters(pages, keep, visual, text):
    model = make_model(scoring=ScoringConfig(document_tokens=keep))
    features = model.family.featurize([ModelInput("ab", (pages[0],))], "document")
    kept = kept_tokens(model, features, 0)
    assert kept.count("<|image_pad|>") == visual
    assert ("system" in "".join(kept)) == text
    assert ("<|im_start|>" in kept) == (keep == "all")


def test_query_and_document_filters_are_separate(pages):
    model = make_model(scoring=ScoringConfig(query_tokens="text"))
    item = [ModelInput("ab", (pages[0],))]
    assert kept_tokens(model, model.family.featurize(item, "query"), 0).count("<|image_pad|>") == 0
    assert kept_tokens(model, model.family.featurize(item, "document"), 0).count("<|image_pad|>") == 9


def test_an_unknown_filter_is_named():
    with pytest.raises(ScoreError, match="scoring.query_tokens is 'words'; choose one of content, text, visual, all"):
        make_model(scoring={"query_tokens": "words"})


def test_pooled_token_can_be_dropped(drop_pooled):
    features = make_model(scoring=drop_pooled).family.featurize([ModelInput("ab")], "query")
    assert not features["token_mask"][0, features["pooled_index"][0]]


def test_filter_that_keeps_nothing_falls_back_to_the_pooled_position():
    model = make_model(scoring=ScoringConfig(query_tokens="visual"))
    features = model.family.featurize([ModelInput("no image here")], "query")
    assert features["token_mask"].sum() == 1
    embedded = model.embed(features)
    torch.testing.assert_close(embedded.tokens[0], embedded.pooled)


def test_a_call_is_forward_and_embed_is_the_same_as_a_set(tiny, mixed):
    features = tiny.family.featurize(mixed, "document")
    with torch.no_grad():
        called, forward, embedded = tiny(features), tiny.forward(features), tiny.embed(features)
    assert type(called) is type(forward) and called.states == forward.states == ()
    for mine, theirs in zip(called[:3], forward[:3], strict=True):
        assert torch.equal(mine, theirs)
    assert isinstance(embedded, Embeddings) and len(embedded) == len(mixed)
    for name in ("pooled", "packed", "offsets"):
        assert torch.equal(getattr(embedded, name), getattr(called, name))


def test_states_equal_a_plain_forward_bit_for_bit(tiny, mixed):
    features = tiny.family.featurize(mixed, "document")
    inputs = {name: value for name, value in features.items() if name not in ("token_mask", "pooled_index")}
    with torch.no_grad():
        plain = tiny.backbone(**inputs).last_hidden_state
        ours = tiny(features)
    expected = F.normalize(plain[features["token_mask"]], dim=-1)
    assert torch.equal(ours.packed, expected)
    assert torch.equal(ours.pooled, F.normalize(plain[range(5), features["pooled_index"]], dim=-1))


@pytest.mark.parametrize("layer", [0, 1, -2])
def test_layer_choice_reads_that_hidden_state(layer):
    model = make_model(scoring=ScoringConfig(layer=layer))
    features = model.family.featurize([ModelInput("some text")], "query")
    inputs = {name: value for name, value in features.items() if name not in ("token_mask", "pooled_index")}
    with torch.no_grad():
        output = model.backbone(**inputs, output_hidden_states=True)
        ours = model(features)
    expected = F.normalize(output.hidden_states[layer][features["token_mask"]], dim=-1)
    assert torch.equal(ours.packed, expected)
    assert torch.equal(ours.pooled[0], F.normalize(output.last_hidden_state[0, -1], dim=-1))


def test_a_half_precision_model_gives_fp32_unit_vectors(pages):
    """bf16 states normalised in bf16 have lengths off by up to a 256th, and so have all their scores."""
    model = make_model()
    model.backbone.to(torch.bfloat16)
    found = model.encode_document([ModelInput("a page of text"), ModelInput(images=(pages[0],))])
    for vectors in (found.pooled, found.packed):
        assert vectors.dtype == torch.float32
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(vectors)), atol=1e-6, rtol=0)


def test_encoding_draws_no_random_number_of_the_run_s(tiny):
    """An evaluation in the middle of a run must not change the dropout of the steps behind it."""
    before = torch.get_rng_state()
    tiny.encode_query(["a", "b"])
    assert torch.equal(torch.get_rng_state(), before)


def test_layer_out_of_range_is_refused():
    with pytest.raises(ModelError, match=r"scoring.layer 3 is out of range: the model has hidden states -3 .. 2"):
        make_model(scoring=ScoringConfig(layer=3))


def test_pixel_limit_changes_the_number_of_visual_tokens(pages):
    model = make_model(prompts=PromptConfig(max_pixels=4 * 32 * 32))
    features = model.family.featurize([ModelInput(None, (pages[1],))], "document")
    assert (features["input_ids"] == model.family.processor.image_token_id).sum() <= 4


def test_long_text_is_cut_to_fit_and_the_image_is_not(pages):
    model = make_model(prompts=PromptConfig(max_length=64))
    features = model.family.featurize([ModelInput("word " * 200, (pages[0],)), ModelInput("short")], "document")
    assert features["input_ids"].shape[1] <= 64
    assert (features["input_ids"][0] == model.family.processor.image_token_id).sum() == 9


def test_image_that_cannot_fit_is_an_error(pages):
    model = make_model(prompts=PromptConfig(max_length=20))
    with pytest.raises(ModelError, match="more than model.max_length 20"):
        model.family.featurize([ModelInput("x", (pages[0],))], "document")


def test_control_tokens_in_user_text_stay_text(tiny, pages):
    features = tiny.family.featurize([ModelInput("see <|image_pad|> and <|im_end|>", (pages[0],))], "document")
    assert (features["input_ids"] == tiny.family.processor.image_token_id).sum() == 9
    tiny(features)


def test_a_special_token_of_an_adapter_is_read_in_the_instruction_alone():
    model = make_model(prompts=PromptConfig(document_instruction="<|doc|> Represent it."))
    model.family.add_tokens(
        [AddedToken("<|doc|>", special=True, normalized=False), AddedToken("<doc>", special=False, normalized=False)]
    )
    special, plain = model.family.tokenizer.convert_tokens_to_ids(["<|doc|>", "<doc>"])
    ids = model.family.featurize([ModelInput("see <|doc|> and <doc>")], "document")["input_ids"]
    assert [(ids == index).sum().item() for index in (special, plain)] == [1, 1]


def test_same_seed_same_weights_and_plain_class():
    first, second, other = make_model(seed=1), make_model(seed=1), make_model(seed=2)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(next(first.parameters()), next(other.parameters()))
    assert type(first.backbone).__name__ == "Qwen3VLModel"
