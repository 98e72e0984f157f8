"""`<emb>`: added once, with a row of its own, and in everything that is saved."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForImageTextToText, AutoTokenizer

from smart_train import SmartModel
from smart_train.errors import ModelError
from smart_train.export import export_model
from smart_train.models.peft import add_lora
from tests.models.vision_folders import SMALL_PAGES, vision_folder

WORDS = 2048  # in the tiny vocabulary; `<emb>` is the next
FAMILIES = {"lamra": "qwen2_vl", "lamra_qwen2_5_vl": "qwen2_5_vl", "lamra_qwen3_vl": "qwen3_vl"}
EVERY = pytest.mark.parametrize("name", FAMILIES)


@pytest.fixture
def instruct(tmp_path):
    """A generation model without a spare row, its head apart from its embeddings, weights in the folder."""

    def build(name, spare=0):
        folder = vision_folder(tmp_path / "instruct", FAMILIES[name])
        values = json.loads((folder / "config.json").read_text())
        values["tie_word_embeddings"] = values["text_config"]["tie_word_embeddings"] = False
        values["text_config"]["vocab_size"] = WORDS + spare
        (folder / "config.json").write_text(json.dumps(values))
        torch.manual_seed(0)
        whole = AutoModelForImageTextToText.from_config(AutoConfig.from_pretrained(folder))
        whole.save_pretrained(folder)
        return folder, whole

    return build


def load(folder, name=None):
    return SmartModel.from_pretrained(folder, family=name, prompts=SMALL_PAGES, dtype="float32", device="cpu")


def rows(model):
    return model.backbone.get_input_embeddings().weight


@EVERY
def test_it_takes_a_spare_row_and_adds_none(instruct, name):
    folder, whole = instruct(name, spare=3)
    model = load(folder, name)
    assert model.family.emb_id == WORDS and torch.equal(rows(model), whole.get_input_embeddings().weight)


@EVERY
def test_without_a_spare_row_the_embeddings_grow_by_their_mean_and_are_saved(instruct, tmp_path, mixed, name):
    folder, whole = instruct(name)
    model, again = load(folder, name), load(folder, name)
    assert rows(model).shape[0] == WORDS + 1 == model.config.get_text_config().vocab_size
    torch.testing.assert_close(rows(model)[WORDS], whole.get_input_embeddings().weight.mean(0))
    assert torch.equal(rows(model), rows(again))  # the base of an adapter is the same model every time
    model.save_pretrained(tmp_path / "saved")
    saved = load(tmp_path / "saved")
    assert saved.family.name == name and saved.family.emb_id == WORDS
    assert AutoTokenizer.from_pretrained(tmp_path / "saved").convert_tokens_to_ids("<emb>") == WORDS
    assert torch.equal(model.encode_document(mixed).packed, saved.encode_document(mixed).packed)


@EVERY
def test_the_class_that_the_config_names_reads_what_grew(instruct, tmp_path, name):
    folder, whole = instruct(name)
    load(folder, name).save_pretrained(tmp_path / "saved")
    loaded, report = AutoModelForImageTextToText.from_pretrained(tmp_path / "saved", output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    head = loaded.get_output_embeddings().weight
    assert torch.equal(head[:WORDS], whole.get_output_embeddings().weight) and head.shape[0] == WORDS + 1


def test_an_adapter_over_a_plain_instruct_model_merges_with_the_token_in_it(instruct, tmp_path, mixed):
    folder, _ = instruct("lamra_qwen3_vl")
    model = load(folder, "lamra_qwen3_vl")
    model.backbone = add_lora(model.backbone, model.family, r=4, alpha=8, dropout=0.0)
    with torch.no_grad():
        for name, parameter in model.backbone.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    expected = model.eval().encode_document(mixed)
    model.save_pretrained(tmp_path / "adapter")
    assert not [name for name in load_file(tmp_path / "adapter" / "adapter_model.safetensors") if "embed" in name]
    assert torch.equal(load(tmp_path / "adapter").encode_document(mixed).packed, expected.packed)
    export_model(tmp_path / "adapter", tmp_path / "export")
    assert AutoTokenizer.from_pretrained(tmp_path / "export").convert_tokens_to_ids("<emb>") == WORDS
    exported = load(tmp_path / "export")
    torch.testing.assert_close(exported.encode_document(mixed).packed, expected.packed, atol=1e-5, rtol=0)


def test_a_saved_tokenizer_without_the_token_is_refused(instruct, tmp_path):
    folder, _ = instruct("lamra_qwen3_vl")
    load(folder, "lamra_qwen3_vl").save_pretrained(tmp_path / "saved")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "saved" / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(ModelError, match=r"saved: the saved tokenizer has no <emb>, which this model was trained with"):
        load(tmp_path / "saved")
