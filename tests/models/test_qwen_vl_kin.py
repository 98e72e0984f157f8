"""GME and LamRA: their prompts, pooled positions and filters, on every backbone they come with."""

import json
from pathlib import Path

import pytest
import torch

from smart_train import ScoringConfig, SmartModel
from smart_train.errors import ModelError
from smart_train.models import detect_family
from smart_train.types import ModelInput
from tests.models.vision_folders import SMALL_PAGES, vision_folder

VISION = "<|vision_start|><|image_pad|><|vision_end|>"
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
FIND = "Find a document image that matches the given query."
FAMILIES = {
    "gme": "qwen2_vl",
    "lamra": "qwen2_vl",
    "lamra_qwen2_5_vl": "qwen2_5_vl",
    "lamra_qwen3_vl": "qwen3_vl",
}


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


@pytest.mark.parametrize(("name", "least", "most"), [("lamra", 4, 300), ("lamra_qwen2_5_vl", 4, 300)])
def test_lamra_sees_images_at_the_sizes_it_was_trained_with(make, name, least, most):
    family = make(name, prompts=None).family
    assert family.visual_tokens([(5, 5)]) == least
    assert least < family.visual_tokens([(200, 300)]) == 7 * 11
    assert 0.9 * most < family.visual_tokens([(1240, 1754)]) <= most, "a page at 150 dpi"


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


@pytest.mark.parametrize("trust", [False, True])
def test_gmes_newer_folder_is_read_without_its_code(make, tmp_path, mixed, trust):
    """It names a wrapper class whose code refuses transformers from 4.52 on."""
    plain = make("gme")
    plain.save_pretrained(tmp_path / "gme")
    (tmp_path / "gme" / "smart_config.json").unlink()
    (tmp_path / "gme" / "modeling_gme_qwen2vl.py").write_text("raise SystemExit('the folder ran its own code')")
    path = tmp_path / "gme" / "config.json"
    values = json.loads(path.read_text()) | {"architectures": ["GmeQwen2VL"]}
    values["auto_map"] = {name: f"modeling_gme_qwen2vl.{name}" for name in ("AutoConfig", "AutoModel")}
    path.write_text(json.dumps(values))
    model = SmartModel.from_pretrained(tmp_path / "gme", prompts=SMALL_PAGES, trust_remote_code=trust)
    assert model.family.name == "gme"
    assert torch.equal(model.encode_document(mixed).packed, plain.encode_document(mixed).packed)
    model.save_pretrained(tmp_path / "saved")
    saved = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert saved["architectures"] == ["Qwen2VLForConditionalGeneration"] and "auto_map" not in saved


def test_files_tell_the_families_of_one_backbone_apart(tmp_path):
    folder = vision_folder(tmp_path / "qwen2", "qwen2_vl")
    with pytest.raises(ModelError, match="used by gme, vlm2vec, unime_v2, lamra.*set model.family"):
        detect_family("qwen2_vl", folder)
    (folder / "gme_inference.py").write_text("")
    assert detect_family("qwen2_vl", folder).name == "gme"
    with_emb = vision_folder(tmp_path / "lamra", "qwen3_vl")
    assert detect_family("qwen3_vl", with_emb).name == "qwen3_vl_embedding"
    Path(with_emb, "added_tokens.json").write_text(json.dumps({"<emb>": 2048}))
    assert detect_family("qwen3_vl", with_emb).name == "lamra_qwen3_vl"
