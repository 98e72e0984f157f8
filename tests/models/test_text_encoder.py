"""Encoder text embedders: what their folders say is done, on every architecture."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from smart_train import ScoringConfig, SmartModel
from smart_train.errors import ModelError
from smart_train.models import PromptConfig, get_family
from smart_train.models.peft import adapted_modules, add_lora
from smart_train.models.saving import save_merged
from smart_train.types import ModelInput
from tests.models.text_folders import encoder_folder

KINDS = (
    "Bert",
    "Roberta",
    "XLMRoberta",
    "MPNet",
    "DistilBert",
    "Electra",
    "DebertaV2",
    "ModernBert",
    "NomicBert",
    "Gte",
)
TEXTS = ["the cat sat on the mat", "red page", "", "a dog sat on a green unknownword mat"]
MEAN = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
CLS = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
LAST = {"pooling_mode": "lasttoken"}


@pytest.fixture
def make(tmp_path):
    """make(kind, scoring=..., prompts=..., **files) -> a random model of that architecture."""

    def build(kind="Bert", *, scoring=None, prompts=None, **files):
        folder = encoder_folder(tmp_path / f"{kind}{len(list(tmp_path.iterdir()))}", kind, **files)
        return SmartModel.from_config(folder, init_std=0.2, scoring=scoring, prompts=prompts)

    return build


def rendered(model, text, role, instruction=None):
    return model.family.render(ModelInput(text, instruction=instruction), role)


def kept(model, features, row):
    return model.family.tokenizer.convert_ids_to_tokens(features["input_ids"][row][features["token_mask"][row]])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pooling", [MEAN, CLS, LAST], ids=["mean", "cls", "last"])
def test_batch_equals_one_by_one(make, kind, pooling):
    model = make(kind, pooling=pooling)
    together = model.encode_document(TEXTS, batch_size=4)
    for row, text in enumerate(TEXTS):
        alone = model.encode_document(ModelInput(text))
        torch.testing.assert_close(together.pooled[row], alone.pooled[0], atol=1e-6, rtol=0)
        torch.testing.assert_close(together.tokens[row], alone.tokens[0], atol=1e-6, rtol=0)


@pytest.mark.parametrize(("pooling", "position"), [(CLS, 0), (LAST, -1)])
def test_pooled_is_the_state_at_its_position(make, pooling, position):
    model = make(pooling=pooling)
    features = model.family.featurize([ModelInput(TEXTS[0])], "query")
    with torch.no_grad():
        states = model.backbone(features["input_ids"], features["attention_mask"]).last_hidden_state
    assert torch.equal(model.eval()(features).pooled[0], F.normalize(states[0, position], dim=-1))


@pytest.mark.parametrize("role", ["query", "document"])
def test_a_prompt_that_leaves_no_room_for_the_text_is_refused(make, role):
    """At the limit all texts would be the same prompt; one token more, and texts differ in their first word."""
    family = make(prompts=PromptConfig(**{f"{role}_instruction": "the cat sat on "}, max_length=7)).family
    first, second = (family.featurize([ModelInput(text)], role)["input_ids"] for text in ("red page", "dog page"))
    assert first.shape == second.shape == (1, 7) and not torch.equal(first, second)
    tight = make(prompts=PromptConfig(**{f"{role}_instruction": "the cat sat on "}, max_length=6)).family
    message = f"the prompt before every {role} has 6 tokens, .* the model reads 6 .*; shorten model.{role}_instruction"
    with pytest.raises(ModelError, match=message):
        tight.featurize([ModelInput("red page")], role)
    with pytest.raises(ModelError, match=message):  # what `validate` counts by
        tight.token_count(ModelInput("red page"), role, [])


def test_a_folder_whose_prompt_leaves_no_room_does_not_load(make, tmp_path):
    make(prompts=PromptConfig(document_instruction="the cat sat on ", max_length=7)).save_pretrained(tmp_path / "saved")
    with pytest.raises(ModelError, match="the prompt before every document has 6 tokens"):
        SmartModel.from_pretrained(tmp_path / "saved", prompts={"max_length": 6})


def test_mean_pooling_leaves_padding_out_even_where_it_is_not_a_number(make):
    model = make(pooling=MEAN)
    features = model.family.featurize([ModelInput(text) for text in TEXTS], "document")
    with torch.no_grad():
        states = model.backbone(features["input_ids"], features["attention_mask"]).last_hidden_state
        states[~features["attention_mask"].bool()] = float("nan")
        model.backbone.forward = lambda **_: type("Output", (), {"last_hidden_state": states})()
        pooled = model(features).pooled
    for row, length in enumerate(features["attention_mask"].sum(dim=1).tolist()):
        expected = F.normalize(states[row, :length].mean(dim=0), dim=-1)
        torch.testing.assert_close(pooled[row], expected, atol=1e-6, rtol=0)


def test_content_filter_drops_structure_and_keeps_unknown_words(make):
    model = make(pooling=MEAN)
    features = model.family.featurize([ModelInput(text) for text in TEXTS], "document")
    assert kept(model, features, 3) == ["a", "dog", "sat", "on", "a", "green", "[UNK]", "mat"]
    assert kept(model, features, 1) == ["red", "page"]


def test_row_without_content_keeps_what_its_pooled_vector_is_made_of(make):
    for pooling, expected in ((MEAN, ["[CLS]", "[SEP]"]), (CLS, ["[CLS]"])):
        model = make(pooling=pooling)
        features = model.family.featurize([ModelInput(), ModelInput("red page")], "query")
        assert kept(model, features, 0) == expected
    # Under mean pooling there is no pooled position to drop.
    dropping = make(pooling=MEAN, scoring=ScoringConfig(pooled_token="drop", query_tokens="all"))
    features = dropping.family.featurize([ModelInput("red page")], "query")
    assert kept(dropping, features, 0) == ["[CLS]", "red", "page", "[SEP]"]


def test_prefixes_of_the_folder_and_whose_word_counts(make):
    settings = {"prompts": {"query": "query: ", "passage": "passage: "}}
    model = make(pooling=MEAN, settings=settings)
    assert rendered(model, "cat", "query") == "query: cat"
    assert rendered(model, "cat", "document") == "passage: cat"
    assert rendered(model, "cat", "query", "red: ") == "red: cat"
    own = make(pooling=MEAN, settings=settings, prompts=PromptConfig(query_instruction="green "))
    assert rendered(own, "cat", "query") == "green cat"
    assert rendered(make(pooling=MEAN), "cat", "query") == "cat"
    default = make(pooling=MEAN, settings={"prompts": {"all": "a "}, "default_prompt_name": "all"})
    assert rendered(default, "cat", "document") == "a cat"


def test_length_and_case_of_the_folder(make):
    model = make(pooling=MEAN, limits={"max_seq_length": 5, "do_lower_case": True})
    features = model.family.featurize([ModelInput("THE Cat sat on the mat")], "document")
    assert model.family.tokenizer.convert_ids_to_tokens(features["input_ids"][0]) == [
        "[CLS]",
        "the",
        "cat",
        "sat",
        "[SEP]",
    ]
    assert make(pooling=MEAN, prompts=PromptConfig(max_length=4)).family.max_length == 4
    assert make().family.max_length == 64  # no file of sentence-transformers: the backbone's positions
    with pytest.raises(ModelError, match=r"model.max_length 65: .* reads at most 64 tokens"):
        _ = make(prompts=PromptConfig(max_length=65)).family.featurize([ModelInput("a")], "query")


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_has_no_more_tokens_than_the_backbone_has_positions(make, kind):
    model = make(kind, pooling=MEAN)
    model.family.tokenizer.model_max_length = 10**30  # as tokenizers are saved that were told of no limit
    # RoBERTa's line numbers tokens from the padding token's id + 1 on: MPNet's is 1, that of the others 0 here.
    limit = 64 - {"MPNet": 2, "Roberta": 1, "XLMRoberta": 1}.get(kind, 0)
    assert model.family.max_length == limit
    assert model.family.featurize([ModelInput("cat " * 100)], "document")["input_ids"].shape == (1, limit)
    model.encode_document(["cat " * 100, "cat"])


def test_positions_of_published_roberta_folders(make):
    folder = Path(make("XLMRoberta").family.folder)
    settings = json.loads((folder / "config.json").read_text())
    for given, expected in (({"max_position_embeddings": 514, "pad_token_id": 1}, 512), ({}, 510)):
        kept = {key: settings[key] for key in ("model_type", "vocab_size")}
        (folder / "config.json").write_text(json.dumps({**kept, **given}))
        assert get_family("text_encoder")(str(folder), scoring=ScoringConfig(), prompts=PromptConfig()).positions == (
            expected
        )


def test_without_a_file_of_limits_the_tokenizer_decides_as_sentence_transformers_has_it(make):
    """Its version 6 keeps the limit in tokenizer_config.json alone: ModernBERT's 8,192 must not become BERT's 512."""
    folder = Path(make("ModernBert", pooling=MEAN, limits={"transformer_task": "feature-extraction"}).family.folder)
    for name, key, value in (
        ("config", "max_position_embeddings", 8192),
        ("tokenizer_config", "model_max_length", 2048),
    ):
        settings = json.loads((folder / f"{name}.json").read_text())
        (folder / f"{name}.json").write_text(json.dumps({**settings, key: value}))
    assert get_family("text_encoder")(str(folder), scoring=ScoringConfig(), prompts=PromptConfig()).max_length == 2048


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"pooling": {"pooling_mode_max_tokens": True}}, "exactly one of cls, mean, lasttoken"),
        ({"pooling": {**CLS, "pooling_mode_mean_tokens": True}}, "exactly one of"),
        ({"pooling": {**MEAN, "include_prompt": False}}, "include_prompt false"),
        ({"pooling": MEAN, "modules": ("Transformer", "Pooling", "Dense")}, "a Dense module changes the embedding"),
        ({"pooling": {"pooling_mode_weightedmean_tokens": True}}, "weightedmean_tokens.*exactly one of cls, mean"),
        ({"pooling": MEAN, "settings": {"similarity_fn_name": "dot"}}, "similarity_fn_name is 'dot'"),
        ({"pooling": MEAN, "settings": {"similarity_fn_name": "euclidean"}}, "similarity_fn_name is 'euclidean'"),
    ],
)
def test_folder_that_asks_for_another_score_is_refused(make, files, message):
    with pytest.raises(ModelError, match=message):
        make(**files).encode_query("the cat")


def test_a_module_of_the_folders_own_code_is_not_taken_for_one_of_that_name(make):
    """jina-embeddings-v3's Transformer chooses an adapter by the task, without which its vectors are others."""
    folder = Path(make(pooling=MEAN).family.folder)
    entries = json.loads((folder / "modules.json").read_text())
    entries[0]["type"] = "custom_st.Transformer"
    (folder / "modules.json").write_text(json.dumps(entries))
    with pytest.raises(ModelError, match="custom_st.Transformer is a module of the folder's own code"):
        SmartModel.from_config(folder).encode_query("the cat")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"settings": {"prompts": ["query: "]}}, r"prompts is \['query: '\]; it must be an object of texts"),
        ({"settings": {"prompts": {"query": 5}}}, r"prompts is \{'query': 5\}; it must be an object of texts"),
        ({"limits": {"max_seq_length": "64"}}, "max_seq_length is '64'; it must be a whole number of at least 1"),
        ({"limits": {"max_seq_length": 0}}, "max_seq_length is 0; it must be"),
        ({"limits": {"max_seq_length": True}}, "max_seq_length is true; it must be"),
        ({"limits": {"pooling": "max"}}, "pooling is 'max'; it must be one of cls, mean, last"),
    ],
)
def test_values_of_another_kind_are_named(make, files, message):
    with pytest.raises(ModelError, match=message):
        make(**files).encode_query("the cat")


def test_a_prompt_that_is_null_is_none(make):
    model = make(settings={"prompts": {"query": None, "document": "passage : "}, "default_prompt_name": "document"})
    assert rendered(model, "page", "document") == rendered(model, "page", "query") == "passage : page"


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ([{"type": "any.Transformer", "path": ""}, {"type": "any.Pooling", "path": "../beside"}], "'../beside' leaves"),
        ([{"type": "any.Transformer", "path": "/etc"}], "'/etc' leaves the folder"),
        ([{"type": "any.Transformer"}], "must hold a list of modules, each with its type and path"),
        ({"type": "any.Transformer", "path": ""}, "must hold a list of modules"),
    ],
)
def test_modules_may_not_lie_outside_the_folder(make, tmp_path, modules, message):
    """Somebody else's file may name any path, and an export copies the folders that it names."""
    model = make(pooling=MEAN)
    Path(model.family.folder, "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelError, match=message):
        save_merged(model, tmp_path / "copy")


@pytest.mark.parametrize("family", [None, "text_encoder"])
def test_an_early_layout_with_weights_in_a_folder_of_their_own_is_named(tmp_path, family):
    folder = encoder_folder(tmp_path / "old", pooling=MEAN)
    (folder / "0_Transformer").mkdir()
    (folder / "config.json").rename(folder / "0_Transformer" / "config.json")
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelError, match=r"weights are in 0_Transformer.*save_pretrained\('NEW'\), and name NEW"):
        SmartModel.from_pretrained(str(folder), family=family)


def test_dot_products_of_normalised_vectors_are_cosines(make):
    make(
        pooling=MEAN, modules=("Transformer", "Pooling", "Normalize"), settings={"similarity_fn_name": "dot"}
    ).encode_query("a")


def test_images_are_refused_by_name(make, pages):
    with pytest.raises(ModelError, match="text_encoder reads text, but an input holds image"):
        make().encode_document(pages[0])
    with pytest.raises(ModelError, match="scoring.document_tokens 'visual': text_encoder reads no images"):
        make(scoring=ScoringConfig(document_tokens="visual"))


@pytest.mark.parametrize("kind", KINDS)
def test_lora_adapts_layers_only_and_merges_exactly(make, kind):
    model = make(kind, pooling=MEAN)
    model.backbone = add_lora(model.backbone, model.family, r=4, alpha=8, dropout=0.0)
    adapted = adapted_modules(model.backbone)
    assert not [name for name in adapted if "embed" in name or "pooler" in name]
    linears = [name for name, part in model.backbone.get_base_model().named_modules() if type(part) is torch.nn.Linear]
    in_layers = {name.removesuffix(".base_layer") for name in linears if ".base_layer" in name}
    assert in_layers == set(adapted)
    assert not [name for name in linears if ".layer" in name and "base_layer" not in name and "lora_" not in name]
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    before = model.eval().encode_document(TEXTS)
    model.backbone = model.backbone.merge_and_unload(safe_merge=True)
    torch.testing.assert_close(model.encode_document(TEXTS).packed, before.packed, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_every_trained_weight_gets_a_gradient(make, kind):
    model = make(kind, pooling=MEAN).train()
    model(model.family.featurize([ModelInput("red page"), ModelInput("cat")], "query")).packed.sum().backward()
    idle = [name for name, parameter in model.named_parameters() if parameter.requires_grad and parameter.grad is None]
    assert not idle


@pytest.mark.parametrize("kind", KINDS)
def test_saved_folder_loads_the_same(make, tmp_path, kind):
    model = make(kind, pooling=CLS, settings={"prompts": {"query": "query : "}})
    model.save_pretrained(tmp_path / "saved")
    loaded = SmartModel.from_pretrained(tmp_path / "saved")
    assert loaded.family.pooling == "cls"
    for role in ("query", "document"):
        ours, theirs = (getattr(each, f"encode_{role}")(TEXTS) for each in (model, loaded))
        assert torch.equal(ours.pooled, theirs.pooled) and torch.equal(ours.packed, theirs.packed)


@pytest.mark.parametrize("kind", ["Bert", "Roberta", "DistilBert", "MPNet", "ModernBert", "Electra"])
def test_checkpoint_with_a_masked_word_head_loads_and_keeps_it(make, tmp_path, kind):
    import transformers

    folder = encoder_folder(tmp_path / "mlm", kind)
    config = transformers.AutoConfig.from_pretrained(folder)
    whole = transformers.AutoModelForMaskedLM.from_config(config)
    whole.save_pretrained(folder)
    model = SmartModel.from_pretrained(folder)
    model.save_pretrained(tmp_path / "saved")
    again = SmartModel.from_pretrained(tmp_path / "saved")
    assert torch.equal(model.encode_query(TEXTS).packed, again.encode_query(TEXTS).packed)
    _, report = type(whole).from_pretrained(tmp_path / "saved", output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]


def test_pooler_of_the_checkpoint_is_kept_but_not_trained(make, tmp_path):
    import transformers

    folder = encoder_folder(tmp_path / "bert", "Bert")
    plain = transformers.BertModel(transformers.AutoConfig.from_pretrained(folder))
    plain.save_pretrained(folder)
    model = SmartModel.from_pretrained(folder)
    assert not [name for name, _ in model.named_parameters() if "pooler" in name]
    model.save_pretrained(tmp_path / "saved")
    saved = load_file(tmp_path / "saved" / "model.safetensors")
    assert torch.equal(saved["pooler.dense.weight"], plain.pooler.dense.weight)


@pytest.mark.parametrize(("drop", "add", "message"), [("query.weight", None, "missing"), (None, "extra", "unexpected")])
def test_other_weights_must_fit_exactly(make, tmp_path, drop, add, message):
    from safetensors.torch import save_file

    make().save_pretrained(tmp_path / "saved")
    path = tmp_path / "saved" / "model.safetensors"
    state = {name: value for name, value in load_file(path).items() if not (drop and name.endswith(drop))}
    save_file({**state, **({"encoder.extra": torch.ones(2)} if add else {})}, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=rf"\d {message} weight"):
        SmartModel.from_pretrained(tmp_path / "saved")


def test_family_survives_pickling_for_workers(make):
    family = make(pooling=MEAN).family
    family.featurize([ModelInput("a")], "query")
    ours, theirs = (
        each.featurize([ModelInput("red page")], "query") for each in (family, pickle.loads(pickle.dumps(family)))
    )
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
