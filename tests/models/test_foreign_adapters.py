"""Adapters as other trainers leave them: loaded to the same model, or refused by name."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from smart_train import SmartModel
from smart_train.errors import ModelError
from smart_train.models.peft import add_lora
from tests.models.conftest import make_model

TEXTS = ["total revenue 2019", "a caption"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """An adapter that does something, and what its model gives."""
    folder = tmp_path_factory.mktemp("adapters")
    make_model().save_pretrained(folder / "base")
    model = SmartModel.from_pretrained(folder / "base")
    model.backbone = add_lora(model.backbone, model.family, r=4, alpha=8, dropout=0.0)
    torch.manual_seed(0)
    for name, parameter in model.backbone.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    model.eval().save_pretrained(folder / "adapter")
    return folder, model.encode_query(TEXTS).packed


@pytest.fixture
def plain(saved, tmp_path):
    """plain(prefix, **settings): that adapter as PEFT alone would have left it, with its modules under `prefix`."""

    def make(prefix="language_model.", **settings):
        folder = tmp_path / "plain"
        folder.mkdir()
        values = json.loads((saved[0] / "adapter" / "adapter_config.json").read_text())
        (folder / "adapter_config.json").write_text(json.dumps({**values, **settings}))
        state = load_file(saved[0] / "adapter" / "adapter_model.safetensors")
        state = {key.replace("language_model.", prefix, 1): value for key, value in state.items()}
        save_file(state, folder / "adapter_model.safetensors", {"format": "pt"})
        return folder

    return make


@pytest.mark.parametrize("prefix", ["language_model.", "model.language_model."])
@pytest.mark.parametrize("task", ["CAUSAL_LM", "SEQ_2_SEQ_LM", None])
def test_an_adapter_trained_under_a_head_loads_without_one(saved, plain, prefix, task):
    found = SmartModel.from_pretrained(plain(prefix, task_type=task)).encode_query(TEXTS).packed
    torch.testing.assert_close(found, saved[1], atol=0, rtol=0)


def test_a_scale_given_to_a_module_by_its_full_name_reaches_it_under_the_backbones_name(saved, plain, tmp_path):
    name = "language_model.layers.0.mlp.down_proj"
    own = SmartModel.from_pretrained(plain(alpha_pattern={name: 80})).encode_query(TEXTS).packed
    assert not torch.allclose(own, saved[1], atol=1e-3)
    (tmp_path / "plain").rename(tmp_path / "own")
    foreign = plain("model.language_model.", alpha_pattern={f"model.{name}": 80})
    torch.testing.assert_close(SmartModel.from_pretrained(foreign).encode_query(TEXTS).packed, own, atol=0, rtol=0)


def test_another_kind_of_adapter_is_refused_by_name(plain):
    with pytest.raises(
        ModelError, match="peft_type 'IA3' in adapter_config.json; only LORA is read; merge it into its"
    ):
        SmartModel.from_pretrained(plain(peft_type="IA3"))


def test_an_adapter_over_an_adapter_is_refused(saved, plain):
    folder = plain(base_model_name_or_path=str(saved[0] / "adapter"))
    with pytest.raises(ModelError, match=f"{folder}: its base {saved[0] / 'adapter'} is an adapter itself"):
        SmartModel.from_pretrained(folder)


def test_adapters_saved_under_names_are_listed(plain, tmp_path):
    plain().rename(tmp_path / "first")
    plain().rename(tmp_path / "second")
    with pytest.raises(ModelError, match=f"is not a model, but holds some; name one of them: {tmp_path / 'first'}, "):
        SmartModel.from_pretrained(tmp_path)
