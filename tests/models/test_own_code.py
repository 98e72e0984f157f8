"""Models that bring Python code: run when the user says so, and not otherwise."""

import json
import sys

import pytest
import torch
from safetensors.torch import save_file
from transformers import BertModel, dynamic_module_utils

from smart_train import SmartModel
from smart_train.errors import ModelError
from smart_train.run import build
from tests.command import call
from tests.models.text_folders import WORDS, decoder_folder, encoder_folder
from tests.models.vision_folders import vision_folder
from tests.runs import tiny_recipe, write_rows

CODE = """
from transformers import BertConfig, BertModel


class HouseConfig(BertConfig):
    model_type = "house_made"


class HouseModel(BertModel):
    config_class = HouseConfig
"""


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A BERT under another name, known to nobody but the code in its folder."""
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    folder = encoder_folder(tmp_path / "house")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "house_made", "architectures": ["HouseModel"]}
    config["auto_map"] = {"AutoConfig": "house.HouseConfig", "AutoModel": "house.HouseModel"}
    torch.manual_seed(0)
    plain = SmartModel.from_config(encoder_folder(tmp_path / "plain"), init_std=0.05)
    state = {name: value.contiguous() for name, value in plain.backbone.state_dict().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "house.py").write_text(CODE)
    return folder, plain


def test_it_is_refused_and_the_code_is_named(house):
    folder, _ = house
    with pytest.raises(ModelError, match=r"needs its own Python code \(house.HouseConfig in config.json\)"):
        SmartModel.from_pretrained(folder, family="text_encoder")


def test_it_runs_when_the_user_says_so(house):
    folder, plain = house
    model = SmartModel.from_pretrained(folder, family="text_encoder", trust_remote_code=True)
    assert type(model.backbone).__name__ == "HouseModel" and isinstance(model.backbone, BertModel)
    assert torch.equal(model.encode_query("the cat").packed, plain.encode_query("the cat").packed)
    drawn = SmartModel.from_config(folder, family="text_encoder", trust_remote_code=True)
    assert type(drawn.backbone).__name__ == "HouseModel"


def test_what_is_saved_has_its_code_beside_it(house, tmp_path):
    folder, _ = house
    model = SmartModel.from_pretrained(folder, family="text_encoder", trust_remote_code=True)
    model.save_pretrained(tmp_path / "saved")
    with pytest.raises(ModelError, match="needs its own Python code"):
        SmartModel.from_pretrained(tmp_path / "saved")
    again = SmartModel.from_pretrained(tmp_path / "saved", trust_remote_code=True)
    assert torch.equal(again.encode_query("the cat").packed, model.encode_query("the cat").packed)


def test_a_plan_of_it_is_made_on_the_same_terms(house, tiny_data, tmp_path):
    folder, _ = house
    start = {"name_or_path": str(folder), "family": "text_encoder", "from_config": None}
    trusted = tiny_recipe(tiny_data, tmp_path / "run", model={**start, "trust_remote_code": True})
    assert type(build.skeleton(trusted, folder).backbone).__name__ == "HouseModel"
    with pytest.raises(ModelError, match="needs its own Python code"):
        build.skeleton(tiny_recipe(tiny_data, tmp_path / "run", model=start), folder)


@pytest.fixture
def borrowed(tmp_path):
    """A Qwen2 whose folder says that its own class, of a name that transformers has too, made its embeddings."""
    folder = decoder_folder(tmp_path / "gte", "Qwen2")
    settings = json.loads((folder / "config.json").read_text())
    settings["auto_map"] = {"AutoModel": "modeling_qwen.Qwen2Model", "AutoModelForCausalLM": "modeling_qwen.Other"}
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


def test_a_class_of_its_own_is_not_quietly_replaced_by_one_of_transformers(borrowed):
    with pytest.raises(ModelError, match=r"its own class \(modeling_qwen.Qwen2Model in config.json\).*auto_map"):
        SmartModel.from_config(borrowed)
    settings = json.loads((borrowed / "config.json").read_text())
    (borrowed / "config.json").write_text(json.dumps(settings | {"is_causal": False}))  # as GTE-Qwen2's says
    assert not SmartModel.from_config(borrowed).config.is_causal
    settings.pop("auto_map")
    (borrowed / "config.json").write_text(json.dumps(settings))
    SmartModel.from_config(borrowed)


def test_a_vision_language_folder_wraps_a_class_of_transformers(tmp_path):
    folder = vision_folder(tmp_path / "gme", "qwen2_vl")
    settings = json.loads((folder / "config.json").read_text())
    settings |= {"architectures": ["GmeQwen2VL"], "auto_map": {"AutoModel": "modeling_gme_qwen2vl.GmeQwen2VL"}}
    (folder / "config.json").write_text(json.dumps(settings))
    assert type(SmartModel.from_config(folder, family="gme").backbone).__name__ == "Qwen2VLModel"


def test_it_is_trained_and_exported_on_the_same_terms(house, tmp_path, monkeypatch, capsys):
    """The whole road: code runs where the recipe says so, goes into the export, and no check of a folder runs it."""

    def said(*arguments, status=0):
        assert call(monkeypatch, *arguments) == status
        return "".join(capsys.readouterr())

    folder, _ = house
    rows = [{"query": f"cat {word}", "positive": f"the cat sat on {word}"} for word in WORDS[-8:]]
    path, run = write_rows(tmp_path / "rows.jsonl", rows), tmp_path / "run"
    recipe = {
        "model": {"name_or_path": str(folder), "family": "text_encoder", "trust_remote_code": True},
        "data": {"train": {"path": str(path)}, "evaluation": {"path": str(path)}},
        "lora": {"r": 2, "alpha": 4},
        "training": {"output_dir": str(run), "use_cpu": True, "max_steps": 1, "per_device_train_batch_size": 4},
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    said("train", tmp_path / "recipe.yaml")
    assert (run / "export" / "house.py").read_text() == CODE
    told = said("verify", run / "export")
    assert "needs its own Python code (house.HouseModel), which is not run here" in told and "NOT CHECKED: " in told
    assert "unless you allow it: read it, then pass --trust-remote-code" in said(
        "evaluate", run / "export", "--data", path, status=2
    )
    assert "hybrid" in said("evaluate", run / "export", "--data", path, "--trust-remote-code")
    said("export", run, "--only", "adapter")
