"""Model folders that cannot be read, or by another family alone: what is said, and that it is said early."""

import json
import pickle
import shutil

import pytest
import torch
from transformers import AutoTokenizer

from smart_train import SmartModel
from smart_train.errors import ModelError
from smart_train.models import patterns
from smart_train.models.peft import add_lora
from smart_train.run import build
from smart_train.types import ModelInput
from smart_train.utils.manifest import write_manifest
from tests.damage import flip
from tests.models.conftest import make_model
from tests.models.text_folders import encoder_folder
from tests.models.vision_folders import vision_folder
from tests.runs import tiny_recipe


@pytest.fixture
def saved(tmp_path):
    """A whole model in `m`."""
    make_model().save_pretrained(tmp_path / "m")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("preprocessor_config.json", None, "/m: no preprocessor_config.json or processor_config.json"),
        ("preprocessor_config.json", "{", "/m: the processor cannot be loaded .*; its files are tokenizer.json"),
        ("tokenizer.json", "{", "/m: the processor cannot be loaded"),
        ("tokenizer.json", None, "/m: no tokenizer; the folder needs tokenizer.json"),
        ("chat_template.jinja", None, "/m: no chat template; the folder needs chat_template.jinja"),
    ],
)
def test_files_that_inputs_are_read_with_are_looked_at_before_the_weights(saved, name, content, message):
    if content is None:
        (saved / "m" / name).unlink()
    else:
        (saved / "m" / name).write_text(content)
    (saved / "m" / "model.safetensors").write_bytes(b"cut")  # would be found next
    with pytest.raises(ModelError, match=message):
        SmartModel.from_pretrained(saved / "m")


@pytest.mark.parametrize("record", ["manifest.json", "parity.json"])
def test_weights_that_are_not_those_on_record_are_refused_by_name(saved, record):
    write_manifest(saved / "m")
    (saved / "m" / "manifest.json").rename(saved / "m" / record)
    SmartModel.from_pretrained(saved / "m")
    flip(saved / "m" / "model.safetensors", -1)
    told = f"/m: model.safetensors is damaged: .*put the file back that {record} was written with"
    with pytest.raises(ModelError, match=told):
        SmartModel.from_pretrained(saved / "m")
    (saved / "m" / record).write_text('{"files": [], "sha256": "another tool\'s"}')
    SmartModel.from_pretrained(saved / "m")


def test_an_adapter_on_a_base_of_another_kind_is_refused_though_every_shape_fits(saved):
    """Qwen2-VL-7B and Qwen2.5-VL-7B have language models of one shape; only their type tells them apart."""
    base = SmartModel.from_config(vision_folder(saved / "q2", "qwen2_vl"), family="gme")
    base.save_pretrained(saved / "gme")
    other = SmartModel.from_config(vision_folder(saved / "q25", "qwen2_5_vl"), family="jina_v4")
    other.save_pretrained(saved / "jina")
    model = SmartModel.from_pretrained(saved / "gme")
    model.backbone = add_lora(model.backbone, model.family, r=2, alpha=4, dropout=0.0)
    model.save_pretrained(saved / "b")
    shutil.rmtree(saved / "gme")
    (saved / "jina").rename(saved / "gme")
    with pytest.raises(ModelError, match="its base .*/gme holds other weights than it was trained from"):
        SmartModel.from_pretrained(saved / "b")
    path = saved / "b" / "smart_config.json"
    values = json.loads(path.read_text())
    del values["base_weights"]  # version 0.1.0 wrote no digest
    path.write_text(json.dumps(values))
    with pytest.raises(ModelError, match="/gme: .* says model_type 'qwen2_5_vl', but family gme reads only qwen2_vl"):
        SmartModel.from_pretrained(saved / "b")


def test_a_family_named_for_a_model_that_it_cannot_read(tmp_path, tiny_data):
    folder = encoder_folder(tmp_path / "bert")
    with pytest.raises(ModelError, match="says model_type 'bert', but family gme reads only qwen2_vl"):
        SmartModel.from_config(folder, family="gme")
    start = {"name_or_path": str(folder), "family": "gme", "from_config": None}
    with pytest.raises(ModelError, match="says model_type 'bert', but family gme"):
        build.skeleton(tiny_recipe(tiny_data, tmp_path / "run", model=start), folder)


def test_attention_that_is_not_installed_is_named(saved):
    from transformers.utils import is_flash_attn_2_available

    if is_flash_attn_2_available():
        pytest.skip("flash attention is installed here, and the message is for machines without it")
    with pytest.raises(
        ModelError, match="FlashAttention2.*install what the message names, or.*choose another one with attn_impl"
    ):
        SmartModel.from_pretrained(saved / "m", attn_implementation="flash_attention_2")


class Trap:
    def __reduce__(self):
        return (print, ("a command ran",))


def changed(folder, **values):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    (config.get("text_config", config)).update(values)
    config.update({name: value for name, value in values.items() if name == "auto_map"})
    path.write_text(json.dumps(config))


@pytest.mark.parametrize("values", [{"num_attention_heads": 0}, {"hidden_size": "x"}, {"num_hidden_layers": None}])
def test_a_configuration_that_makes_no_model_is_one_message(saved, tiny_data, values):
    changed(saved / "m", **values)
    with pytest.raises(ModelError, match="/m: "):
        SmartModel.from_pretrained(saved / "m")
    start = {"name_or_path": str(saved / "m"), "from_config": None}
    with pytest.raises(ModelError, match="/m: "):
        build.skeleton(tiny_recipe(tiny_data, saved / "run", model=start), saved / "m")


@pytest.mark.parametrize("content", ["[" * 100_000, '{"model_type": ' + "9" * 5000 + "}", '"words"', "\0"])
def test_a_configuration_that_is_no_object_is_named(saved, content):
    (saved / "m" / "config.json").write_text(content)
    with pytest.raises(ModelError, match="config.json"):
        SmartModel.from_pretrained(saved / "m")


def test_lists_in_auto_map_are_named(tmp_path):
    folder = encoder_folder(tmp_path / "bert")
    changed(folder, auto_map=["a.B"])
    with pytest.raises(ModelError, match="auto_map in config.json does not name one FILE.CLASS for AutoModel"):
        SmartModel.from_pretrained(folder, family="text_encoder")


def test_pickled_weights_run_nothing_and_are_refused(saved, capfd):
    (saved / "m" / "model.safetensors").unlink()
    (saved / "m" / "pytorch_model.bin").write_bytes(pickle.dumps({"x": Trap()}))
    with pytest.raises(ModelError, match="/m: the weights cannot be loaded"):
        SmartModel.from_pretrained(saved / "m")
    assert "a command ran" not in capfd.readouterr().out


def test_weights_that_are_nan_give_no_vectors(saved):
    model = SmartModel.from_pretrained(saved / "m")
    with torch.no_grad():
        next(model.backbone.parameters()).fill_(float("nan"))
        for parameter in model.backbone.parameters():
            parameter.fill_(float("nan"))
    for encode in (model.encode_query, model.encode_document):
        with pytest.raises(ModelError, match="/m gives vectors that hold NaN: its weights are damaged"):
            encode("a text")


def test_an_empty_input_is_encoded_as_the_prompt_around_nothing(saved):
    model = SmartModel.from_pretrained(saved / "m")
    for encode in (model.encode_query, model.encode_document):
        expected = encode("NULL").pooled  # what this family writes there
        for item in ("", {"text": ""}, ModelInput()):
            assert torch.equal(encode(item).pooled, expected)
    with pytest.raises(ModelError, match="encode_query: nothing to encode"):
        model.encode_query([])


def test_a_tokenizer_of_more_tokens_than_embeddings_is_refused(saved, tiny_data):
    tokenizer = AutoTokenizer.from_pretrained(saved / "m")
    rows = json.loads((saved / "m" / "config.json").read_text())["text_config"]["vocab_size"]
    tokenizer.add_tokens([f"<more {number}>" for number in range(rows - len(tokenizer) + 1)])
    tokenizer.save_pretrained(saved / "m")
    message = f"/m: its tokenizer has {rows + 1} tokens .*but the model has embeddings for {rows}; put back"
    with pytest.raises(ModelError, match=message):
        SmartModel.from_pretrained(saved / "m")
    start = {"name_or_path": str(saved / "m"), "from_config": None}
    with pytest.raises(ModelError, match=message):
        build.skeleton(tiny_recipe(tiny_data, saved / "run", model=start), saved / "m")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"target_modules": r"(\w+\.?)+!"}, "target_modules .* does not come to an end .*; list the modules"),
        ({"rank_pattern": {r"(\w+\.?)+!": 4}}, "rank_pattern .* does not come to an end"),
        (
            {"target_modules": ["q_proj"], "layers_to_transform": [0], "layers_pattern": [r"(([a-z0-9_.]+)+)+!"]},
            "layers_pattern .* does not come to an end",
        ),
        ({"target_modules": "*_proj"}, "target_modules .* is not a regular expression"),
    ],
)
def test_a_pattern_in_an_adapter_cannot_hold_the_program(saved, monkeypatch, values, message):
    monkeypatch.setattr(patterns, "SECONDS", 2.0)
    model = SmartModel.from_pretrained(saved / "m")
    model.backbone = add_lora(model.backbone, model.family, r=2, alpha=4, dropout=0.0)
    model.save_pretrained(saved / "a")
    SmartModel.from_pretrained(saved / "a")
    path = saved / "a" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    with pytest.raises(ModelError, match=message):
        SmartModel.from_pretrained(saved / "a")
