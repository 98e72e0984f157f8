"""EmbeddingGemma, beside what sentence-transformers makes of the same folder: its authors name no other code."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from smart_train import ScoringConfig, SmartModel
from smart_train.errors import ModelError
from smart_train.evaluation.tuning_grid import TuningGrid
from smart_train.export import export_adapter, export_model
from smart_train.models import PromptConfig, TokenProjection
from smart_train.models.dense_layers import DENSE_NAME, read_dense
from smart_train.models.families.registry import detect_family
from smart_train.models.layered_states import encode_layers
from smart_train.serving import VLLMClient
from smart_train.types import ModelInput
from tests.models.text_folders import dense_module, gemma_folder

TEXTS = ["the cat sat on the mat", "red page", "a dog sat on a green mat : the cat sat on the red page of a dog"]


def published(folder, **files):
    """A folder in the published layout: random weights, none of smart_train's own files."""
    source = gemma_folder(folder / "source", **files)
    model = SmartModel.from_config(source, init_std=0.2)
    model.save_pretrained(folder / "published")
    for name in ("smart_config.json", DENSE_NAME):
        (folder / "published" / name).unlink()
    return folder / "published"


@pytest.fixture
def folder(tmp_path):
    return published(tmp_path)


def test_vectors_and_tokens_are_those_of_sentence_transformers(folder):
    from sentence_transformers import MultiVectorEncoder, SentenceTransformer

    ours = SmartModel.from_pretrained(folder, scoring=ScoringConfig(query_tokens="all", document_tokens="all"))
    assert ours.family.name == "embedding_gemma"
    options = {"device": "cpu", "local_files_only": True}
    theirs = SentenceTransformer(str(folder), **options)
    queries, documents = ours.encode_query(TEXTS), ours.encode_document(TEXTS)
    for mine, encode in ((queries, theirs.encode_query), (documents, theirs.encode_document)):
        torch.testing.assert_close(mine.pooled, encode(TEXTS, convert_to_tensor=True), atol=1e-6, rtol=0)
    multi = MultiVectorEncoder(str(folder), **options)
    for mine, encode in ((queries, multi.encode_query), (documents, multi.encode_document)):
        for tokens, expected in zip(mine.tokens, encode(TEXTS), strict=True):
            torch.testing.assert_close(tokens, torch.as_tensor(expected), atol=1e-6, rtol=0)


def test_a_pooled_vector_is_the_mean_of_its_tokens(folder):
    """Before either is normalised: the head is linear. So the tokens are those that its training has moved."""
    model = SmartModel.from_pretrained(folder)
    features = model.family.featurize([ModelInput(TEXTS[0])], "query")
    with torch.no_grad():
        states = model.backbone(features["input_ids"], features["attention_mask"]).last_hidden_state[0]
        mapped = states @ read_dense(folder, 32).T
        output = model(features)
    unit = torch.nn.functional.normalize
    torch.testing.assert_close(output.pooled[0], unit(mapped.mean(dim=0), dim=-1), atol=1e-6, rtol=0)
    torch.testing.assert_close(output.packed, unit(mapped[features["token_mask"][0]], dim=-1), atol=1e-6, rtol=0)


def test_the_first_word_knows_of_the_last_through_the_full_layer_and_not_through_a_window_alone(folder):
    settings = json.loads((folder / "config.json").read_text())
    first, heard = [], (f"red {'the ' * 12}{last}" for last in ("cat", "dog"))
    texts = list(heard)
    for kinds in (["sliding_attention"] * 2, ["sliding_attention", "full_attention"]):
        (folder / "config.json").write_text(json.dumps({**settings, "layer_types": kinds}))
        model = SmartModel.from_pretrained(folder, prompts=PromptConfig(query_instruction=""))
        one, other = (model.encode_query(text).tokens[0][0] for text in texts)
        first.append(torch.allclose(one, other, atol=1e-6))
    assert first == [True, False]


def test_the_window_survives_saving_twice(folder, tmp_path):
    """transformers halves it when it reads the file: what is written must be what was read."""
    SmartModel.from_pretrained(folder).save_pretrained(tmp_path / "one")
    SmartModel.from_pretrained(tmp_path / "one").save_pretrained(tmp_path / "two")
    windows = [json.loads((path / "config.json").read_text())["sliding_window"] for path in (folder, tmp_path / "two")]
    assert windows == [8, 8]


def test_prompts_of_the_folder_then_of_the_card_and_whose_word_counts(tmp_path):
    folder = gemma_folder(tmp_path / "told", settings={"prompts": {"query": "query : ", "passage": ""}})
    told = SmartModel.from_config(folder).family
    assert told.render(ModelInput("why"), "query") == "query : why"
    assert told.render(ModelInput("why"), "document") == "why"
    silent = gemma_folder(tmp_path / "silent", settings={})
    family = SmartModel.from_config(silent).family
    assert family.render(ModelInput("why"), "query") == "task: search result | query: why"
    assert family.render(ModelInput("why"), "document") == "title: none | text: why"
    assert family.render(ModelInput("why", instruction="red"), "query") == "task: red | query: why"
    assert family.render(ModelInput("why", instruction="red"), "document") == "task: red | query: why"
    assert told.render(ModelInput("why", instruction="red"), "query") == "task: red | query: why"
    bare = SmartModel.from_config(silent, prompts=PromptConfig(query_instruction="")).family
    assert bare.render(ModelInput("why"), "query") == "why"


@pytest.mark.parametrize("filters", ["content", "all"])
def test_an_export_is_read_by_sentence_transformers_alone(folder, tmp_path, filters):
    model = SmartModel.from_pretrained(folder, scoring=ScoringConfig(query_tokens=filters, document_tokens=filters))
    model.save_pretrained(tmp_path / "trained")
    report = export_model(tmp_path / "trained", tmp_path / "export")
    routes = {route.route: route for route in report.routes}
    assert {route.needs for route in report.routes} == {None}
    assert "made of its states by dense, which transformers lacks" in routes["transformers"].skipped
    for name in ("smart_train", "SentenceTransformer", "MultiVectorEncoder"):
        assert routes[name].skipped is None and routes[name].largest < 1e-5
    (tmp_path / "export" / DENSE_NAME).unlink()  # the layout has it too
    again = SmartModel.from_pretrained(tmp_path / "export")
    torch.testing.assert_close(again.encode_query(TEXTS).pooled, model.encode_query(TEXTS).pooled, atol=1e-6, rtol=0)


def test_an_export_with_modules_of_smart_train_keeps_the_dense_layers(folder, tmp_path):
    dropped = ScoringConfig(query_tokens="all", pooled_token="drop")
    SmartModel.from_pretrained(folder, scoring=dropped).save_pretrained(tmp_path / "trained")
    report = export_model(tmp_path / "trained", tmp_path / "export")
    assert not list((tmp_path / "export").glob("*Dense"))
    assert [route.largest < 1e-5 for route in report.routes if route.skipped is None] == [True] * 3


def test_a_projection_takes_the_place_of_the_dense_layers_for_tokens_alone(folder, tmp_path):
    model = SmartModel.from_pretrained(folder)
    pooled = model.encode_query(TEXTS).pooled
    model.freeze_backbone()
    model.add_projection(TokenProjection(model.hidden_size, 8))
    model.save_pretrained(tmp_path / "trained")
    report = export_model(tmp_path / "trained", tmp_path / "export")
    needs = {route.route: route.needs for route in report.routes}
    assert "the token projection reads states as they are" in needs["MultiVectorEncoder"]
    assert max(route.largest for route in report.routes) < 1e-5
    found = SmartModel.from_pretrained(tmp_path / "export").encode_query(TEXTS)
    torch.testing.assert_close(found.pooled, pooled, atol=1e-6, rtol=0)
    assert found.packed.shape[1] == 8


def test_every_choice_of_tokens_is_made_by_the_dense_layers(folder):
    """As `tune` encodes: tokens of its one layer are those of the model."""
    model = SmartModel.from_pretrained(folder)
    ((places, read),) = encode_layers(model, [ModelInput(text) for text in TEXTS], "query", [-1])
    expected = model.encode_query([TEXTS[place] for place in places])
    torch.testing.assert_close(read.select(-1, "content", "keep").packed, expected.packed, atol=1e-6, rtol=0)


def test_pooled_vectors_are_fp32_under_autocast(folder):
    model = SmartModel.from_pretrained(folder)
    pooled = torch.randn(3, 32)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        output = model(model.family.featurize([ModelInput(TEXTS[0])], "query"))
        mapped = model.head(pooled)
    assert output.pooled.dtype == output.packed.dtype == mapped.dtype == torch.float32
    assert torch.equal(mapped, model.head(pooled))


def test_tuning_leaves_the_layer_alone(folder):
    model = SmartModel.from_pretrained(folder)
    assert TuningGrid().checked(model).layers == (-1,)
    with pytest.raises(ModelError, match=r"tune: layers 1: the model has a head of its own \(embedding_gemma\)"):
        TuningGrid(layers=(1,)).checked(model)


def test_another_layer_is_refused(folder):
    with pytest.raises(ModelError, match="scoring.layer 1: embedding_gemma makes its tokens of the last layer"):
        SmartModel.from_pretrained(folder, scoring={"layer": 1})


def test_a_server_that_is_told_of_no_layers_cannot_apply_them(folder, tmp_path):
    SmartModel.from_pretrained(folder).save_pretrained(tmp_path / "saved")
    VLLMClient("http://127.0.0.1:9", tmp_path / "saved")
    (tmp_path / "saved" / "modules.json").unlink()
    with pytest.raises(ModelError, match="embedding_gemma makes its vectors of states by a head of its own"):
        VLLMClient("http://127.0.0.1:9", tmp_path / "saved")


def test_a_backbone_of_another_width_is_refused(tmp_path):
    with pytest.raises(ModelError, match="its Dense layers read 32 numbers, and the backbone.s states have 16"):
        SmartModel.from_config(gemma_folder(tmp_path), overrides={"hidden_size": 16})


def test_another_gemma_is_not_taken_for_it(folder):
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "use_bidirectional_attention": False}))
    with pytest.raises(ModelError, match="do not show to which its model belongs; set model.family"):
        detect_family("gemma3_text", folder)
    with pytest.raises(ModelError, match="use_bidirectional_attention is False, but embedding_gemma was trained with"):
        SmartModel.from_pretrained(folder, family="embedding_gemma")


def modules(folder, *kinds):
    entries = json.loads((folder / "modules.json").read_text())
    by_kind = {entry["type"].rsplit(".", 1)[-1]: entry for entry in entries}
    (folder / "modules.json").write_text(json.dumps([by_kind[kind] for kind in kinds]))


SPOILS = {
    "no Dense": (
        lambda folder: modules(folder, "Transformer", "Pooling", "Normalize"),
        "modules.json names no Dense module and there is no dense.safetensors; fetch the whole folder",
    ),
    "Dense behind Normalize": (
        lambda folder: modules(folder, "Transformer", "Pooling", "Normalize", "Dense"),
        "Transformer, Pooling, Normalize, Dense; Dense is read between Pooling and Normalize alone",
    ),
    "an activation": (
        lambda folder: dense_module(folder / "2_Dense", 32, 48, activation_function="torch.nn.modules.activation.Tanh"),
        "'torch.nn.modules.activation.Tanh'.*; a Dense module is read where bias is false",
    ),
    "a bias": (lambda folder: dense_module(folder / "2_Dense", 32, 48, bias=True), "'bias': True"),
    "a residual": (lambda folder: dense_module(folder / "2_Dense", 32, 48, use_residual=True), "'use_residual': True"),
    "another width": (lambda folder: dense_module(folder / "3_Dense", 48, 16), "give 16 numbers; .* states have 32"),
    "layers that do not meet": (
        lambda folder: dense_module(folder / "3_Dense", 40, 32),
        r"3_Dense/model.safetensors: its weight is \[32, 40\]; it must be \[32, 48\]",
    ),
    "weights gone": (lambda folder: (folder / "3_Dense" / "model.safetensors").unlink(), "3_Dense.*cannot be read"),
    "weights of something else": (
        lambda folder: save_file({"x": torch.ones(2)}, folder / "3_Dense" / "model.safetensors"),
        r"holds \['x'\]; it must hold 'linear.weight' alone",
    ),
    "our own file cut off": (lambda folder: (folder / DENSE_NAME).write_bytes(b"cut"), "dense.safetensors: cannot be"),
    "our own file of another model": (
        lambda folder: save_file({"weight": torch.ones(2, 32)}, folder / DENSE_NAME),
        r"dense.safetensors: its weight is \[2, 32\]; it must be \[32, 32\]",
    ),
}


@pytest.mark.parametrize("what", SPOILS)
def test_dense_layers_that_are_not_one_linear_map_are_named(folder, what):
    spoil, message = SPOILS[what]
    spoil(folder)
    with pytest.raises(ModelError, match=message):
        SmartModel.from_pretrained(folder, family="embedding_gemma")


def test_a_text_encoder_does_not_leave_dense_layers_out(folder):
    with pytest.raises(ModelError, match="a Dense module changes the embedding"):
        SmartModel.from_pretrained(folder, family="text_encoder")


def test_the_dense_layers_are_one_after_the_other(folder):
    first, second = (load_file(folder / f"{place}_Dense" / "model.safetensors")["linear.weight"] for place in (2, 3))
    torch.testing.assert_close(read_dense(folder, 32), second @ first, atol=1e-6, rtol=0)


def test_a_changed_dense_file_of_an_export_is_noticed(folder, tmp_path):
    SmartModel.from_pretrained(folder).save_pretrained(tmp_path / "trained")
    export_model(tmp_path / "trained", tmp_path / "export")
    path = tmp_path / "export" / DENSE_NAME
    save_file({"weight": load_file(path)["weight"] * -1}, path)
    with pytest.raises(ModelError, match=f"{DENSE_NAME}.*put the file back"):
        SmartModel.from_pretrained(tmp_path / "export")


def test_an_adapter_finds_the_layers_with_its_base(folder, tmp_path):
    from smart_train.models.peft import add_lora

    model = SmartModel.from_pretrained(folder)
    model.backbone = add_lora(model.backbone, model.family, r=2, alpha=4, dropout=0.0)
    model.eval().save_pretrained(tmp_path / "adapter")
    assert not (tmp_path / "adapter" / DENSE_NAME).exists()
    shutil.move(folder, tmp_path / "moved")
    again = SmartModel.from_pretrained(tmp_path / "adapter", base=tmp_path / "moved")
    assert torch.equal(again.encode_query(TEXTS).pooled, model.encode_query(TEXTS).pooled)
    export_adapter(tmp_path / "adapter", tmp_path / "export", base=tmp_path / "moved")
    card = (tmp_path / "export" / "README.md").read_text()
    assert "PEFT alone does not read it as it was trained: embedding_gemma's pooled vector" in card
