"""GME and LamRA: their prompts, pooled positions and filters, on every backbone they come with."""

import json
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from transformers import AutoModelForImageTextToText

from smart_train import ScoringConfig, SmartModel
from smart_train.errors import ModelError
from smart_train.models import detect_family
from smart_train.models.peft import adapted_modules, add_lora
from smart_train.models.slicing import IMAGE_COUNTS, VIDEO_COUNTS
from smart_train.models.storage import load_weights
from smart_train.types import ModelInput
from tests.models.vision_folders import SMALL_PAGES, vision_folder

VISION = "<|vision_start|><|image_pad|><|vision_end|>"
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
FIND = "Find a document image that matches the given query."
READOUT = ("token_mask", "pooled_index", IMAGE_COUNTS, VIDEO_COUNTS)
FAMILIES = {
    "gme": "qwen2_vl",
    "lamra": "qwen2_vl",
    "lamra_qwen2_5_vl": "qwen2_5_vl",
    "lamra_qwen3_vl": "qwen3_vl",
}
EVERY = pytest.mark.parametrize("name", FAMILIES)


@pytest.fixture
def make(tmp_path):
    def build(name, **kwargs):
        folder = tmp_path / f"{name}{len(list(tmp_path.iterdir()))}"
        vision_folder(folder, FAMILIES[name])
        return SmartModel.from_config(folder, family=name, init_std=0.05, **{"prompts": SMALL_PAGES, **kwargs})

    return build


def kept(model, features, row):
    return model.family.processor.tokenizer.convert_ids_to_tokens(
        features["input_ids"][row][features["token_mask"][row]]
    )


def gme(instruction, user):
    return (
        f"<|im_start|>system\n{instruction}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n"
        "<|im_start|>assistant\n<|endoftext|>"
    )


def lamra(user):
    return f"<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n<emb>.<|im_end|>\n"


def test_gme_prompt(make, pages):
    render = make("gme").family.render
    assert render(ModelInput("why"), "query") == gme(FIND, "why")
    assert render(ModelInput("why", instruction="Seek."), "query") == gme("Seek.", "why")
    assert render(ModelInput("a", (pages[0],) * 2), "document") == gme("You are a helpful assistant.", VISION * 2 + "a")
    assert render(ModelInput(), "document") == gme("You are a helpful assistant.", "")


@pytest.mark.parametrize("name", ["lamra", "lamra_qwen2_5_vl", "lamra_qwen3_vl"])
def test_lamra_prompt(make, pages, name):
    render = make(name).family.render
    before = "" if name == "lamra_qwen3_vl" else SYSTEM  # the folder's own chat template says
    word = "in one word: "
    for item, role, user in (
        (ModelInput("why"), "query", f"{FIND} why\nSummarize above sentence {word}"),
        (ModelInput("a page"), "document", f"a page\nSummarize above sentence {word}"),
        (ModelInput(None, (pages[0],)), "document", f"{VISION}\nSummarize above image {word}"),
        (ModelInput("red", (pages[0],)), "document", f"{VISION}red\nSummarize above image and sentence {word}"),
        (ModelInput(), "document", f"\nSummarize above sentence {word}"),
    ):
        assert render(item, role) == before + lamra(user)


def test_gme_pools_the_closing_token_and_drops_it(make, mixed):
    model = make("gme")
    features = model.family.featurize(mixed, "document")
    end = model.family.processor.tokenizer.convert_tokens_to_ids("<|endoftext|>")
    rows = torch.arange(len(mixed))
    assert (features["pooled_index"] == features["attention_mask"].sum(1) - 1).all()
    assert (features["input_ids"][rows, features["pooled_index"]] == end).all()
    assert not features["token_mask"][rows, features["pooled_index"]].any()


@pytest.mark.parametrize("name", ["lamra", "lamra_qwen3_vl"])
def test_lamra_pools_the_state_before_emb(make, mixed, name):
    model = make(name)
    tricky = [*mixed, ModelInput("a text that says <emb> itself")]
    features = model.family.featurize(tricky, "document")
    ids, tokenizer = features["input_ids"], model.family.processor.tokenizer
    for row, index in enumerate(features["pooled_index"].tolist()):
        assert tokenizer.convert_ids_to_tokens(ids[row, index + 1].item()) == "<emb>"
        assert tokenizer.decode(ids[row, : index + 1]).endswith("assistant\n")
    assert "<emb>" in kept(model, features, 0)  # an added token, not a special one, as in the authors' filter


def test_gme_scores_the_text_of_its_queries_alone(make, pages):
    model = make("gme")
    assert model.scoring == ScoringConfig(query_tokens="text")
    item = [ModelInput("ab", (pages[0],))]
    query, document = (model.family.featurize(item, role) for role in ("query", "document"))
    assert "<|image_pad|>" not in kept(model, query, 0)
    assert kept(model, document, 0).count("<|image_pad|>") == 9  # 96 x 96 pixels, 28 to a token's side
    assert make("gme", scoring=ScoringConfig()).scoring.query_tokens == "content"


@EVERY
def test_batch_equals_one_by_one(make, mixed, name):
    model = make(name)
    together = model.encode_document(mixed, batch_size=5)
    for row, item in enumerate(mixed):
        alone = model.encode_document(item)
        torch.testing.assert_close(together.pooled[row], alone.pooled[0], atol=1e-6, rtol=0)
        torch.testing.assert_close(together.tokens[row], alone.tokens[0], atol=1e-6, rtol=0)


@EVERY
def test_states_equal_a_plain_forward_with_the_positions_the_model_was_trained_on(make, mixed, name):
    model = make(name)
    features = model.family.featurize(mixed, "document")
    inputs = {key: value for key, value in features.items() if key not in READOUT}
    if model.family.plain_positions:
        del inputs["mm_token_type_ids"]
        count = (features["attention_mask"].cumsum(1) - 1).clamp(min=0)
        inputs["position_ids"] = count.expand(3, *count.shape)
    else:
        assert inputs["mm_token_type_ids"].any()  # image tokens are told from text
    with torch.no_grad():
        plain = model.backbone(**inputs).last_hidden_state
        ours = model(features)
    torch.testing.assert_close(ours.packed, F.normalize(plain[features["token_mask"]], dim=-1), atol=1e-6, rtol=0)


@EVERY
def test_lora_touches_no_vision_weight_and_merges_exactly(make, mixed, name):
    model = make(name)
    model.backbone = add_lora(model.backbone, model.family, r=4, alpha=8, dropout=0.0)
    assert len(adapted_modules(model.backbone)) == 2 * 7
    assert all("visual" not in module for module in adapted_modules(model.backbone))
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.1)
    model(model.family.featurize(mixed, "query")).packed[:, 0].sum().backward()
    optimizer.step()
    before = model.eval().encode_document(mixed)
    model.backbone = model.backbone.merge_and_unload(safe_merge=True)
    torch.testing.assert_close(model.encode_document(mixed).packed, before.packed, atol=1e-5, rtol=0)


@EVERY
def test_saved_folder_loads_the_same(make, mixed, tmp_path, name):
    model = make(name)
    model.save_pretrained(tmp_path / "saved")
    loaded = SmartModel.from_pretrained(tmp_path / "saved")
    load_weights(model, tmp_path / "saved")
    assert loaded.family.name == name
    assert torch.equal(model.encode_document(mixed).packed, loaded.encode_document(mixed).packed)


@EVERY
def test_saved_folder_loads_in_the_class_its_config_names(make, tmp_path, name):
    make(name).save_pretrained(tmp_path / "saved")
    _, report = AutoModelForImageTextToText.from_pretrained(tmp_path / "saved", output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]


def test_files_tell_the_families_of_one_backbone_apart(tmp_path):
    folder = vision_folder(tmp_path / "qwen2", "qwen2_vl")
    with pytest.raises(ModelError, match="served by gme, vlm2vec, lamra.*set model.family"):
        detect_family("qwen2_vl", folder)
    (folder / "gme_inference.py").write_text("")
    assert detect_family("qwen2_vl", folder).name == "gme"
    with_emb = vision_folder(tmp_path / "lamra", "qwen3_vl")
    assert detect_family("qwen3_vl", with_emb).name == "qwen3_vl_embedding"
    Path(with_emb, "added_tokens.json").write_text(json.dumps({"<emb>": 2048}))
    assert detect_family("qwen3_vl", with_emb).name == "lamra_qwen3_vl"
