"""VLM2Vec: its prompt, its positions, and its LoRA checkpoints, trained on other classes, loaded and merged."""

import json
import re

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText

from smart_train import SmartModel
from smart_train.errors import ModelError
from smart_train.export import export_model
from smart_train.models import PromptConfig
from smart_train.types import ModelInput
from tests.models.vision_folders import SMALL_PAGES, vision_folder

FIND = "Find a document image that matches the given query:"
READ = "Understand the content of the provided document image."


@pytest.fixture
def base(tmp_path):
    """A plain Qwen2-VL with weights, as Qwen/Qwen2-VL-2B-Instruct is one."""
    folder = vision_folder(tmp_path / "instruct", "qwen2_vl")
    SmartModel.from_config(folder, family="vlm2vec", init_std=0.05).save_pretrained(tmp_path / "base")
    (tmp_path / "base" / "smart_config.json").unlink()
    return tmp_path / "base"


def published(base, folder, rename):
    """An adapter as their trainer writes it: DoRA on a generation class, its modules named by `rename`."""
    whole = AutoModelForImageTextToText.from_pretrained(base)
    torch.manual_seed(0)
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    config = LoraConfig(r=4, lora_alpha=8, target_modules=names, use_dora=True, init_lora_weights="gaussian")
    model = get_peft_model(whole, config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    model.peft_config["default"].base_model_name_or_path = str(base)
    model.save_pretrained(folder)
    path = folder / "adapter_model.safetensors"
    save_file({rename(key): value for key, value in load_file(path).items()}, path, metadata={"format": "pt"})
    return model.merge_and_unload()


def old_names(key):
    """As transformers before 4.52 named the language model."""
    return key.replace("base_model.model.model.language_model.", "base_model.model.model.")


@pytest.mark.parametrize(
    ("item", "role", "expected"),
    [
        (ModelInput("why"), "query", f"{FIND} why"),
        (ModelInput("a page"), "document", "a page"),
        (ModelInput("x", instruction="Seek:"), "document", "Seek: x"),
        (ModelInput(), "document", " "),
        (ModelInput(None, ("p",)), "document", f"<|image_pad|> {READ}"),
        (ModelInput("red", ("p", "q")), "document", f"<|image_pad|> <|image_pad|> {READ} red"),
        (ModelInput(None, ("p",), instruction=""), "document", "<|image_pad|>"),
        (ModelInput(video=["f"]), "document", "<|video_pad|> Understand the content of the provided video."),
        (ModelInput("what", ("p",)), "query", f"<|image_pad|> {FIND} what"),
    ],
)
def test_prompt_is_the_published_one(base, item, role, expected):
    model = SmartModel.from_config(base, family="vlm2vec", prompts=PromptConfig(max_length=64))
    assert model.family.render(item, role) == expected


def test_image_tokens_are_numbered_like_words_and_the_last_token_is_pooled(base, mixed):
    model = SmartModel.from_pretrained(base, family="vlm2vec", prompts=SMALL_PAGES)
    features = model.family.featurize(mixed, "document")
    assert not features["mm_token_type_ids"].any()
    assert torch.equal(features["pooled_index"], features["attention_mask"].sum(1) - 1)


@pytest.mark.parametrize("rename", [lambda key: key, old_names], ids=["new", "old"])
def test_its_checkpoint_loads_over_its_base_and_merges(base, tmp_path, mixed, rename):
    whole = published(base, tmp_path / "adapter", rename)
    model = SmartModel.from_pretrained(tmp_path / "adapter", family="vlm2vec", prompts=SMALL_PAGES)
    plain = SmartModel.from_pretrained(base, family="vlm2vec", prompts=SMALL_PAGES)
    before = plain.encode_document(mixed)
    plain.backbone.load_state_dict(whole.model.state_dict())
    expected, found = plain.encode_document(mixed), model.encode_document(mixed)
    torch.testing.assert_close(found.packed, expected.packed, atol=1e-5, rtol=0)
    assert (found.packed - before.packed).abs().max() > 0.01
    export_model(tmp_path / "adapter", tmp_path / "export", family="vlm2vec")
    merged = SmartModel.from_pretrained(tmp_path / "export", prompts=SMALL_PAGES)
    assert merged.family.name == "vlm2vec"
    torch.testing.assert_close(merged.encode_document(mixed).packed, found.packed, atol=1e-5, rtol=0)


def test_it_must_be_named(base, tmp_path):
    published(base, tmp_path / "adapter", old_names)
    with pytest.raises(ModelError, match="used by gme, vlm2vec, unime_v2, lamra.*set model.family"):
        SmartModel.from_pretrained(tmp_path / "adapter")


def test_an_adapter_of_another_family_is_refused(base, tmp_path):
    published(base, tmp_path / "adapter", lambda key: re.sub(r"layers\.1\.", "layers.7.", key))
    with pytest.raises(ModelError, match="trained on another base"):
        SmartModel.from_pretrained(tmp_path / "adapter", family="vlm2vec")
    SmartModel.from_config(vision_folder(tmp_path / "three", "qwen3_vl")).save_pretrained(tmp_path / "qwen3")
    published(base, tmp_path / "second", old_names)
    path = tmp_path / "second" / "adapter_config.json"
    values = json.loads(path.read_text()) | {"base_model_name_or_path": str(tmp_path / "qwen3")}
    path.write_text(json.dumps(values))
    with pytest.raises(ModelError, match="Qwen3VLModel"):
        SmartModel.from_pretrained(tmp_path / "second", family="qwen3_vl_embedding")
