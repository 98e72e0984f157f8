"""Decoder text embedders: the task before queries, the closing token, the last token pooled."""

from pathlib import Path

import pytest
import torch

from smart_train import SmartModel
from smart_train.errors import ModelError
from smart_train.models import FAMILIES, PromptConfig, detect_family
from smart_train.models.peft import adapted_modules, add_lora
from smart_train.types import ModelInput
from tests.models.text_folders import decoder_folder, encoder_folder

TASK = "Given a web search query, retrieve relevant passages that answer the query"
TEXTS = ["total revenue 2019", "a longer text about the margin of a page", "", "x"]
KINDS = ("Qwen3", "Qwen2", "Mistral", "Llama")


@pytest.fixture
def make(tmp_path):
    def build(kind="Qwen3", *, prompts=None, **files):
        folder = decoder_folder(tmp_path / f"{kind}{len(list(tmp_path.iterdir()))}", kind, **files)
        return SmartModel.from_config(folder, init_std=0.1, prompts=prompts)

    return build


def tokens(model, text, role="document"):
    features = model.family.featurize([ModelInput(text)], role)
    return model.family.tokenizer.convert_ids_to_tokens(features["input_ids"][0])


@pytest.mark.parametrize(
    ("prompt", "instruction", "expected"),
    [
        (None, None, f"Instruct: {TASK}\nQuery:why"),
        (None, "Find it", "Instruct: Find it\nQuery:why"),
        ("Instruct: Find\nQuery:", None, "Instruct: Find\nQuery:why"),
        ("Instruct: Find\nQuery: ", None, "Instruct: Find\nQuery: why"),
        ("Instruct: Find\nQuery: ", "Seek", "Instruct: Seek\nQuery: why"),
        ("Instruct: Find\nQuery:", "", "why"),
    ],
)
def test_query_prompt(make, prompt, instruction, expected):
    model = make(settings={"prompts": {"query": prompt, "document": ""}} if prompt else None)
    assert model.family.render(ModelInput("why", instruction=instruction), "query") == expected


def test_document_is_bare_unless_an_instruction_is_given(make):
    assert make().family.render(ModelInput("page"), "document") == "page"
    told = make(prompts=PromptConfig(document_instruction="Embed"))
    assert told.family.render(ModelInput("page"), "document") == "Instruct: Embed\nQuery:page"


@pytest.mark.parametrize("closes", [True, False])
def test_one_closing_token_is_pooled_and_not_kept(make, closes):
    model = make(closes=closes)
    assert tokens(model, "revenue").count("<|endoftext|>") == 1
    features = model.family.featurize([ModelInput(text) for text in TEXTS], "document")
    end = model.family.tokenizer.convert_tokens_to_ids("<|endoftext|>")
    rows = torch.arange(len(TEXTS))
    assert (features["input_ids"][rows, features["pooled_index"]] == end).all()
    assert (features["pooled_index"] == features["attention_mask"].sum(1) - 1).all()
    kept = features["token_mask"][rows, features["pooled_index"]]
    assert kept.tolist() == [False, False, True, False]  # an empty text has nothing else


def test_both_ways_of_closing_give_the_same_tokens_cut_or_not(make):
    for limit in (None, 6):
        prompts = PromptConfig(max_length=limit)
        first, second = make(closes=True, prompts=prompts), make(closes=False, prompts=prompts)
        for text in TEXTS:
            assert tokens(first, text) == tokens(second, text)
        assert len(tokens(second, TEXTS[1])) == (limit or len(tokens(second, TEXTS[1])))


@pytest.mark.parametrize("kind", KINDS)
def test_batch_equals_one_by_one(make, kind):
    model = make(kind)
    together = model.encode_query(TEXTS)
    for row, text in enumerate(TEXTS):
        alone = model.encode_query(ModelInput(text))
        torch.testing.assert_close(together.pooled[row], alone.pooled[0], atol=1e-6, rtol=0)
        torch.testing.assert_close(together.tokens[row], alone.tokens[0], atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_lora_covers_every_projection_and_merges_exactly(make, kind):
    model = make(kind)
    model.backbone = add_lora(model.backbone, model.family, r=4, alpha=8, dropout=0.0)
    assert len(adapted_modules(model.backbone)) == 2 * 7
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    before = model.eval().encode_document(TEXTS)
    model.backbone = model.backbone.merge_and_unload(safe_merge=True)
    torch.testing.assert_close(model.encode_document(TEXTS).packed, before.packed, atol=1e-5, rtol=0)


def test_saved_folder_loads_the_same(make, tmp_path):
    model = make(closes=True, pooling={"pooling_mode_lasttoken": True}, settings={"prompts": {"query": "Query:"}})
    model.save_pretrained(tmp_path / "saved")
    loaded = SmartModel.from_pretrained(tmp_path / "saved")
    assert torch.equal(model.encode_query(TEXTS).packed, loaded.encode_query(TEXTS).packed)


def test_family_is_found_by_model_type(tmp_path):
    for model_type, name in (("qwen3", "text_decoder"), ("bert", "text_encoder"), ("qwen3_vl", "qwen3_vl_embedding")):
        assert detect_family(model_type, tmp_path).name == name
    with pytest.raises(ModelError, match="no family serves model_type 'gpt2'.*text_decoder .model_type qwen3"):
        detect_family("gpt2", tmp_path)


def test_several_families_of_one_type_are_told_apart_by_files_or_by_name(tmp_path, monkeypatch):
    class Twin(FAMILIES["text_encoder"]):
        name = "twin"

        @classmethod
        def claims(cls, folder):
            return (folder / "twin.json").is_file()

    class Shy(FAMILIES["text_encoder"]):
        name = "shy"

    folder = encoder_folder(tmp_path / "bert")
    monkeypatch.setitem(FAMILIES, "twin", Twin)
    assert detect_family("bert", folder).name == "text_encoder"  # the twin's files are not there
    (folder / "twin.json").write_text("{}")
    assert SmartModel.from_config(folder).family.name == "twin"
    monkeypatch.setitem(FAMILIES, "shy", Shy)
    assert detect_family("bert", folder).name == "twin"
    (folder / "twin.json").unlink()
    with pytest.raises(ModelError, match="served by text_encoder, shy, and.*set model.family"):
        SmartModel.from_config(folder)
    assert SmartModel.from_config(folder, family="shy").family.name == "shy"


def test_missing_tokenizer_is_named(make):
    model = make()
    Path(model.family.folder, "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="no tokenizer; the folder needs tokenizer.json"):
        model.encode_query("x")
