"""jina-embeddings-v4: prompts, mean pooling, and the task's adapter out of its published folder without its code."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F
from transformers import AutoModelForImageTextToText

from smart_train import SmartModel
from smart_train.errors import ModelError
from smart_train.models import detect_family
from smart_train.types import ModelInput
from tests.models.vision_folders import SMALL_PAGES, vision_folder

VISION = "<|vision_start|><|image_pad|><|vision_end|>"
TASKS = {"jina_v4": "retrieval", "jina_v4_text_matching": "text-matching", "jina_v4_code": "code"}
ALPHA, RANK = 8, 4


def published(folder, *, prefix="model.language_model.", tasks=("retrieval", "text-matching", "code")):
    """A folder as jinaai/jina-embeddings-v4 is one: its class, its code, a projection, matrices of every task."""
    vision_folder(folder, "qwen2_5_vl")
    plain = SmartModel.from_config(folder, family="lamra_qwen2_5_vl", init_std=0.05)
    plain.family.fit_backbone(plain.backbone)
    saved = folder.with_name(f"{folder.name}-saved")
    plain.save_pretrained(saved)
    weights = {**load_file(saved / "model.safetensors"), "multi_vector_projector.weight": torch.ones(8, 96)}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "architectures": ["JinaEmbeddingsV4Model"],
        "auto_map": {"AutoConfig": "boom.JinaEmbeddingsV4Config", "AutoModel": "boom.JinaEmbeddingsV4Model"},
        "task_names": list(tasks),
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "boom.py").write_text("raise SystemExit('the folder ran its own code')")
    (folder / "adapters").mkdir()
    settings = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "target_modules": ".*", "use_dora": False}
    (folder / "adapters" / "adapter_config.json").write_text(json.dumps(settings))
    torch.manual_seed(0)
    state = {}
    for task in tasks:
        for name, parameter in plain.backbone.named_parameters():
            if ".layers." in name and name.endswith("proj.weight") and not name.startswith("visual."):
                module = "base_model.model." + prefix + name.removeprefix("language_model.").removesuffix(".weight")
                state[f"{module}.lora_A.{task}.weight"] = torch.randn(RANK, parameter.shape[1]) * 0.1
                state[f"{module}.lora_B.{task}.weight"] = torch.randn(parameter.shape[0], RANK) * 0.1
        state[f"base_model.model.multi_vector_projector.lora_A.{task}.weight"] = torch.ones(RANK, 96)
        state[f"base_model.model.multi_vector_projector.lora_B.{task}.weight"] = torch.ones(8, RANK)
    save_file(state, folder / "adapters" / "adapter_model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture
def folder(tmp_path):
    return published(tmp_path / "jina")


def load(folder, name=None, **kwargs):
    return SmartModel.from_pretrained(folder, family=name, prompts=SMALL_PAGES, device="cpu", **kwargs)


@pytest.mark.parametrize(
    ("name", "item", "role", "expected"),
    [
        ("jina_v4", ModelInput("why"), "query", "Query: why"),
        ("jina_v4", ModelInput("a page"), "document", "Passage: a page"),
        ("jina_v4_code", ModelInput("def f()"), "document", "Passage: def f()"),
        ("jina_v4_text_matching", ModelInput("a page"), "document", "Query: a page"),
        ("jina_v4", ModelInput(), "document", "Passage: "),
        ("jina_v4", ModelInput("x", instruction="Title"), "document", "Title: x"),
        ("jina_v4", ModelInput(None, ("p",)), "query", f"<|im_start|>user\n{VISION}Describe the image.<|im_end|>\n"),
        ("jina_v4", ModelInput("red", ("p", "q")), "document", f"<|im_start|>user\n{VISION * 2}red<|im_end|>\n"),
    ],
)
def test_prompt_is_the_published_one(folder, name, item, role, expected):
    assert load(folder, name).family.render(item, role) == expected


def test_pooling_is_the_mean_over_the_image_and_its_markers_or_over_all_text(folder, pages):
    model = load(folder)
    items = [ModelInput("some text"), ModelInput(None, (pages[0],)), ModelInput("text too", (pages[0],))]
    features = model.family.featurize(items, "document")
    mask, tokens = features["pooled_mask"], features["input_ids"]
    names = model.family.processor.tokenizer.convert_ids_to_tokens(tokens[1][mask[1]])
    assert names == ["<|vision_start|>", *["<|image_pad|>"] * 9, "<|vision_end|>"]
    valid = features["attention_mask"].bool()
    assert torch.equal(mask[0], valid[0]) and torch.equal(mask[2], valid[2])
    states = model.backbone(**{key: value for key, value in features.items() if key in _FORWARD}).last_hidden_state
    expected = F.normalize(states[1][mask[1]].mean(0), dim=-1)
    torch.testing.assert_close(model(features).pooled[1], expected, atol=1e-6, rtol=0)


_FORWARD = ("input_ids", "attention_mask", "mm_token_type_ids", "pixel_values", "image_grid_thw")


@pytest.mark.parametrize("name", TASKS)
def test_the_tasks_matrices_are_in_the_weights(folder, name):
    task, module = TASKS[name], "language_model.layers.1.mlp.up_proj"
    before = load_file(folder / "model.safetensors")
    adapter = load_file(folder / "adapters" / "adapter_model.safetensors")
    path = f"base_model.model.model.{module}"
    update = adapter[f"{path}.lora_B.{task}.weight"] @ adapter[f"{path}.lora_A.{task}.weight"] * ALPHA / RANK
    key = next(key for key in before if key.endswith("layers.1.mlp.up_proj.weight"))
    found = load(folder, name).backbone.get_submodule(module).weight
    torch.testing.assert_close(found, before[key] + update, atol=1e-6, rtol=0)


def test_names_of_older_transformers_are_read_too(tmp_path, mixed):
    new, old = published(tmp_path / "new"), published(tmp_path / "old", prefix="model.")
    assert torch.equal(load(new).encode_document(mixed).packed, load(old).encode_document(mixed).packed)


@pytest.mark.parametrize("trust", [False, True])
def test_its_own_code_is_never_run(folder, trust):
    model = load(folder, trust_remote_code=trust)
    assert model.family.name == "jina_v4" and type(model.backbone).__name__ == "Qwen2_5_VLModel"


def test_what_is_saved_is_a_plain_model_that_needs_no_adapter(folder, tmp_path, mixed):
    model = load(folder)
    model.save_pretrained(tmp_path / "saved")
    config = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert config["architectures"] == ["Qwen2_5_VLForConditionalGeneration"] and "auto_map" not in config
    assert torch.equal(load(tmp_path / "saved").encode_document(mixed).packed, model.encode_document(mixed).packed)
    _, report = AutoModelForImageTextToText.from_pretrained(tmp_path / "saved", output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]


def test_the_published_folder_is_known_and_a_plain_one_is_not_taken_for_it(folder, tmp_path):
    assert detect_family("qwen2_5_vl", folder).name == "jina_v4"
    with pytest.raises(ModelError, match="set model.family"):
        detect_family("qwen2_5_vl", vision_folder(tmp_path / "plain", "qwen2_5_vl"))


def test_missing_adapters_are_named(folder):
    (folder / "adapters" / "adapter_model.safetensors").unlink()
    with pytest.raises(ModelError, match="jina/adapters: JinaEmbeddingsV4Model needs adapter_config"):
        load(folder)


def test_a_task_that_is_not_there_lists_those_that_are(tmp_path):
    with pytest.raises(ModelError, match="no adapter for task 'code'; it has retrieval, text-matching"):
        load(published(tmp_path / "jina", tasks=("retrieval", "text-matching")), "jina_v4_code")


def test_matrices_of_another_backbone_are_refused(tmp_path):
    with pytest.raises(ModelError, match="made for another backbone: Qwen2_5_VLModel has no 'decoder"):
        load(published(tmp_path / "jina", prefix="decoder."))


def test_quantised_weights_take_no_adapter(folder):
    pytest.importorskip("bitsandbytes")
    with pytest.raises(ModelError, match="its retrieval adapter cannot be added to quantised weights; load it in full"):
        load(folder, quantization="4bit")


def test_code_that_is_needed_and_not_allowed_is_said_so(tmp_path):
    config = {"model_type": "house_made", "auto_map": {"AutoConfig": "house.HouseConfig"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"needs its own Python code \(house.HouseConfig in config.json\)"):
        load(tmp_path, "text_encoder")
