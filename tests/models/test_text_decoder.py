"""Decoder text embedders: the task before queries, the closing token, the last token pooled."""

import json
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


E5_MISTRAL = {  # of its folder; none is called "query"
    "web_search_query": f"Instruct: {TASK}\nQuery: ",
    "sts_query": "Instruct: Retrieve semantically similar text.\nQuery: ",
}


@pytest.mark.parametrize(
    ("kind", "prompts", "expected"),
    [
        ("Mistral", E5_MISTRAL, f"Instruct: {TASK}\nQuery: why"),
        ("Mistral", {}, f"Instruct: {TASK}\nQuery: why"),  # SFR-Embedding-Mistral's and Linq-Embed-Mistral's cards
        ("Qwen2", {"query": f"Instruct: {TASK}\nQuery: "}, f"Instruct: {TASK}\nQuery: why"),  # GTE-Qwen2
        ("Qwen3", {"query": f"Instruct: {TASK}\nQuery:", "document": ""}, f"Instruct: {TASK}\nQuery:why"),
        ("Qwen2", {"nl2code_query": "Find the code:\n", "nl2code_document": "Code:\n"}, "why"),  # jina-code-embeddings
    ],
)
def test_published_prompts(make, kind, prompts, expected):
    family = make(kind, settings={"prompts": prompts, "default_prompt_name": None}).family
    assert family.render(ModelInput("why"), "query") == expected
    spaced = "Query: why" if kind != "Qwen3" else "Query:why"
    assert family.render(ModelInput("why", instruction="Seek"), "query") == f"Instruct: Seek\n{spaced}"
    assert family.render(ModelInput("page"), "document") == "page"


@pytest.mark.parametrize("kind", KINDS)
def test_a_decoder_that_looks_both_ways_does_so_in_every_kind_of_attention(make, tmp_path, kind):
    folder = Path(make(kind).family.folder)
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "is_causal": False}))
    states = []
    for attention in ("eager", "sdpa"):
        model = SmartModel.from_config(folder, init_std=0.1, attn_implementation=attention)
        layers = [module for module in model.backbone.modules() if hasattr(module, "is_causal")]
        assert len(layers) == 2 and not any(layer.is_causal for layer in layers)  # what flash attention goes by
        first = [model.encode_document(text).tokens[0][0] for text in ("a page of red", "a page of green")]
        assert not torch.allclose(*first, atol=1e-3)  # the first word knows of the last
        states.append(first[0])
    torch.testing.assert_close(*states, atol=1e-6, rtol=0)


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
    with pytest.raises(
        ModelError, match="no family is chosen automatically for model_type 'gpt2'.*text_decoder .model_type qwen3"
    ):
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
    with pytest.raises(ModelError, match="used by text_encoder, shy, and.*set model.family"):
        SmartModel.from_config(folder)
    assert SmartModel.from_config(folder, family="shy").family.name == "shy"


def test_missing_tokenizer_is_named(make):
    model = make()
    Path(model.family.folder, "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="no tokenizer; the folder needs tokenizer.json"):
        model.encode_query("x")
