"""Ops-MM-embedding and nomic-embed-multimodal: prompts, pooled position, tokens, and how their folders are known."""

import json

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch.nn import functional as F
from transformers import AutoModelForImageTextToText, AutoProcessor
from transformers.utils import is_torchvision_available

from smart_train import ScoringConfig, SmartModel
from smart_train.models import detect_family
from smart_train.types import ModelInput
from tests.models.vision_folders import SMALL_PAGES, vision_folder

VISION = "<|vision_start|><|image_pad|><|vision_end|>"
BACKBONES = {"ops_mm_embedding": "qwen2_vl", "nomic_embed_multimodal": "qwen2_5_vl"}
END = "<|endoftext|>"


@pytest.fixture
def make(tmp_path):
    def build(name):
        folder = vision_folder(tmp_path / name, BACKBONES[name])
        return SmartModel.from_config(folder, family=name, init_std=0.05, prompts=SMALL_PAGES)

    return build


def ops(instruction, user):
    return (
        f"<|im_start|>system\n{instruction}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n{END}"
    )


@pytest.mark.parametrize(
    ("item", "role", "expected"),
    [
        (ModelInput("why"), "query", ops("You are a helpful assistant.", "why")),
        (ModelInput("why", instruction="Seek."), "query", ops("Seek.", "why")),
        (ModelInput("a", ("p", "q")), "document", ops("You are a helpful assistant.", VISION * 2 + "a")),
        (ModelInput(None, ("p",)), "document", ops("You are a helpful assistant.", VISION)),
    ],
)
def test_prompt_of_ops(make, item, role, expected):
    assert make("ops_mm_embedding").family.render(item, role) == expected


@pytest.mark.parametrize(
    ("item", "role", "expected"),
    [
        (ModelInput("why"), "query", f"Query: why{END}"),
        (ModelInput("why", instruction="Question"), "query", f"Question: why{END}"),
        (ModelInput("a page"), "document", f"a page{END}"),
        (ModelInput(), "document", END),
        (ModelInput(None, ("p",)), "document", f"<|im_start|>user\n{VISION}Describe the image.<|im_end|>{END}"),
        (ModelInput("red", ("p", "q")), "document", f"<|im_start|>user\n{VISION * 2}red<|im_end|>{END}"),
        (ModelInput(None, (), "v"), "document", f"<|im_start|>user\n{{}}Describe the video.<|im_end|>{END}"),
    ],
)
def test_prompt_of_nomic(make, item, role, expected):
    video = "<|vision_start|><|video_pad|><|vision_end|>"
    assert make("nomic_embed_multimodal").family.render(item, role) == expected.replace("{}", video)


@pytest.mark.parametrize("name", BACKBONES)
def test_the_closing_token_is_pooled_and_dropped_also_where_the_text_is_cut(make, pages, name):
    family = make(name).family
    long = ModelInput("total revenue " * 20_000, (pages[0],))
    features = family.featurize([ModelInput("why"), long], "query")
    assert features["attention_mask"].shape[1] <= family.max_length
    rows = torch.arange(2)
    assert (features["pooled_index"] == features["attention_mask"].sum(1) - 1).all()
    assert family.tokenizer.convert_ids_to_tokens(features["input_ids"][rows, features["pooled_index"]]) == [END] * 2
    assert not features["token_mask"][rows, features["pooled_index"]].any()
    assert family.scoring == ScoringConfig()


def test_their_files_tell_them_from_others_of_their_backbone(tmp_path):
    folder = vision_folder(tmp_path / "ops", "qwen2_vl")
    (folder / "ops_mm_embedding_v1.py").write_text("raise SystemExit('the folder ran its own code')")
    assert detect_family("qwen2_vl", folder).name == "ops_mm_embedding"


@pytest.mark.parametrize(
    ("name", "processor"),
    [("nomic_embed_multimodal", "BiQwen2_5_Processor"), ("jina_v4", "JinaEmbeddingsV4Processor")],
)
def test_a_folder_that_names_a_processor_of_its_own_code_is_read_and_saved_with_transformers(tmp_path, name, processor):
    """transformers' AutoProcessor returns the tokenizer alone for a class that it does not know."""
    folder = vision_folder(tmp_path / name, "qwen2_5_vl")
    path = folder / "preprocessor_config.json"
    own = {"processor_class": processor, "auto_map": {"AutoProcessor": f"boom.{processor}"}}
    path.write_text(json.dumps(json.loads(path.read_text()) | own))
    if name == "nomic_embed_multimodal":
        assert detect_family("qwen2_5_vl", folder).name == name
    model = SmartModel.from_config(folder, family=name, init_std=0.05, prompts=SMALL_PAGES)
    found = model.encode_query(ModelInput("why"))
    model.save_pretrained(tmp_path / "saved")
    saved = json.loads((tmp_path / "saved" / "preprocessor_config.json").read_text())
    assert saved["processor_class"] == "Qwen2_5_VLProcessor" and "auto_map" not in saved
    if is_torchvision_available():
        assert type(AutoProcessor.from_pretrained(tmp_path / "saved")).__name__ == "Qwen2_5_VLProcessor"
    again = SmartModel.from_pretrained(tmp_path / "saved", device="cpu")
    assert again.family.name == name
    assert torch.equal(again.encode_query(ModelInput("why")).packed, found.packed)


def test_a_thin_image_is_brought_within_the_aspect_that_the_processor_reads(make):
    family = make("ops_mm_embedding").family
    assert family.image_size((9000, 4)) == (200 * 28, 28)
    assert family.image_size((4, 9000)) == (28, 200 * 28)


def test_nomics_adapter_is_read_over_its_base(tmp_path):
    """As it was published: its pattern of modules, and the names of transformers before 4.52."""
    folder = vision_folder(tmp_path / "config", "qwen2_5_vl")
    base = tmp_path / "base"
    SmartModel.from_config(folder, family="jina_v4", init_std=0.05).save_pretrained(base)
    (base / "smart_config.json").unlink()
    torch.manual_seed(0)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=r".*language_model.*_proj", init_lora_weights="gaussian")
    whole = get_peft_model(AutoModelForImageTextToText.from_pretrained(base), config)
    with torch.no_grad():
        for name, value in whole.named_parameters():
            if "lora_B" in name:
                value.normal_(std=0.1)
    whole.peft_config["default"].base_model_name_or_path = str(base)
    whole.save_pretrained(tmp_path / "adapter")
    weights = tmp_path / "adapter" / "adapter_model.safetensors"
    old = {key.replace("model.language_model.", "model."): value for key, value in load_file(weights).items()}
    save_file(old, weights, metadata={"format": "pt"})
    path = tmp_path / "adapter" / "adapter_config.json"
    modules = "(.*(model).*(down_proj|gate_proj|up_proj|k_proj|q_proj|v_proj|o_proj).*$|.*(custom_text_proj).*$)"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"target_modules": modules}))
    model = SmartModel.from_pretrained(tmp_path / "adapter", family="nomic_embed_multimodal", device="cpu")
    features = model.family.featurize([ModelInput("why")], "query")
    read = {name: features[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        expected = F.normalize(whole.merge_and_unload().model(**read).last_hidden_state[:, -1], dim=-1)
    torch.testing.assert_close(model(features).pooled, expected, atol=1e-6, rtol=0)
