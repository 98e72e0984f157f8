"""The exported folder in other libraries: the same pooled vectors, the same kept tokens, the same scores."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers.utils import is_torchvision_available

from smart_train import ScoringConfig, SmartModel
from smart_train.errors import ExportError
from smart_train.export import export_model, verify_folder
from smart_train.export.embedder_layout import plain_obstacle
from smart_train.export.parity_record import write_record
from smart_train.export.rescoring import rescore_export
from smart_train.models import PromptConfig, TokenProjection
from smart_train.models.families.registry import FAMILIES
from tests.export.conftest import adapt, disturb
from tests.models.conftest import make_model
from tests.models.text_folders import decoder_folder, encoder_folder
from tests.models.vision_folders import vision_folder

pytest.importorskip("sentence_transformers", minversion="6.0")
LIBRARIES = ["smart_train", "transformers", "SentenceTransformer", "MultiVectorEncoder"]
needs_torchvision = pytest.mark.skipif(
    not is_torchvision_available(), reason="transformers' own Qwen3-VL processor needs torchvision"
)


def vision(folder, **kwargs):
    make_model(**kwargs).save_pretrained(folder)


def encoder(folder, **kwargs):
    source = encoder_folder(
        folder.with_name("source"), pooling={"pooling_mode_cls_token": True}, limits={"max_seq_length": 24}
    )
    SmartModel.from_config(source, init_std=0.3, **kwargs).save_pretrained(folder)


def mean_encoder(folder, **kwargs):
    source = encoder_folder(folder.with_name("source"), settings={"prompts": {"query": "query: "}})
    SmartModel.from_config(source, init_std=0.3, **kwargs).save_pretrained(folder)


def decoder(folder, **kwargs):
    SmartModel.from_config(decoder_folder(folder.with_name("source")), init_std=0.3, **kwargs).save_pretrained(folder)


def closing_decoder(folder, **kwargs):
    source = decoder_folder(folder.with_name("source"), closes=True)
    SmartModel.from_config(source, init_std=0.3, **kwargs).save_pretrained(folder)


MODELS = [
    pytest.param(vision, marks=needs_torchvision, id="qwen3_vl_embedding"),
    pytest.param(encoder, id="text_encoder_cls"),
    pytest.param(mean_encoder, id="text_encoder_mean"),
    pytest.param(decoder, id="text_decoder"),
    pytest.param(closing_decoder, id="text_decoder_closing"),
]


def export(make, tmp_path, dtype="float32", **kwargs):
    make(tmp_path / "trained", **kwargs)
    return export_model(tmp_path / "trained", tmp_path / "export", dtype=dtype), tmp_path / "export"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("make", MODELS)
def test_every_library_gives_the_same(make, dtype, tmp_path):
    report, folder = export(make, tmp_path, dtype)
    assert [route.route for route in report.routes] == LIBRARIES
    assert [route.skipped for route in report.routes] == [None] * 4
    assert max(route.largest for route in report.routes) < 1e-5
    assert len(verify_folder(folder)) == 4


@pytest.mark.parametrize("make", [MODELS[0], MODELS[1], MODELS[3]])
@pytest.mark.parametrize("hidden_dim", [None, 12])
def test_a_projection_travels_on_the_token_side(make, hidden_dim, tmp_path):
    make(tmp_path / "base")
    model = SmartModel.from_pretrained(tmp_path / "base")
    model.freeze_backbone()
    model.add_projection(TokenProjection(model.hidden_size, 8, hidden_dim=hidden_dim))
    disturb(model, "projection")  # the LayerNorm's gain and bias too
    model.save_pretrained(tmp_path / "trained")
    report = export_model(tmp_path / "trained", tmp_path / "export")
    differences = {route.route: route.differences for route in report.routes}
    assert differences["MultiVectorEncoder"]["tokens"] < 1e-5
    assert differences["SentenceTransformer"]["pooled vectors"] < 1e-5


@pytest.mark.parametrize(
    ("make", "scoring"),
    [
        pytest.param(vision, ScoringConfig(query_tokens="text", document_tokens="all"), marks=needs_torchvision),
        pytest.param(vision, ScoringConfig(document_tokens="visual"), marks=needs_torchvision),
        (encoder, ScoringConfig(query_tokens="all", document_tokens="text")),
        (encoder, ScoringConfig(query_tokens="all", document_tokens="all")),
    ],
)
def test_token_filters_travel(make, scoring, tmp_path):
    report, _ = export(make, tmp_path, scoring=scoring)
    assert {route.skipped for route in report.routes} == {None}


@pytest.mark.parametrize("make", MODELS)
def test_prompts_travel(make, tmp_path):
    prompts = PromptConfig(query_instruction="Find the cat", document_instruction="A passage: ")
    report, folder = export(make, tmp_path, prompts=prompts)
    assert {route.skipped for route in report.routes} == {None}
    saved = json.loads((folder / "config_sentence_transformers.json").read_text())["prompts"]
    assert "Find the cat" in saved["query"] and "A passage" in saved["document"]


def test_an_export_of_an_export_is_laid_out_for_itself(tmp_path):
    """The first one's token modules must not stand in the second, which has a projection of its own."""
    export(encoder, tmp_path)
    model = SmartModel.from_pretrained(tmp_path / "export")
    disturb(model, "layer.1")
    model.save_pretrained(tmp_path / "second")
    kinds = [entry["type"] for entry in json.loads((tmp_path / "second" / "modules.json").read_text())]
    assert [kind.rsplit(".", 1)[-1] for kind in kinds] == ["Transformer", "Pooling", "Normalize"]
    report = export_model(tmp_path / "second", tmp_path / "again")
    assert {route.skipped for route in report.routes} == {None}
    adapt(tmp_path / "again").save_pretrained(tmp_path / "third")
    assert {route.skipped for route in export_model(tmp_path / "third", tmp_path / "last").routes} == {None}


# What needs smart_train there ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "scoring", "reason"),
    [
        (vision, ScoringConfig(query_tokens="visual"), "scoring.query_tokens is visual"),
        (vision, ScoringConfig(pooled_token="drop"), "scoring.pooled_token is drop"),
        (
            encoder,
            ScoringConfig(layer=1),
            "tokens are made of hidden state 1, but MultiVectorEncoder reads only the last one",
        ),
    ],
)
def test_tokens_that_the_library_cannot_find_are_left_to_smart_train(make, scoring, reason, tmp_path):
    report, folder = export(make, tmp_path, scoring=scoring)
    routes = {route.route: route for route in report.routes}
    for name in LIBRARIES[2:]:
        assert routes[name].skipped is None and routes[name].largest < 1e-5
        assert f"; smart_train must be installed too: {reason}" in str(routes[name])
    assert {routes[name].needs for name in LIBRARIES[:2]} == {None}
    card = (folder / "README.md").read_text()
    assert f"With sentence-transformers 6 (smart_train must be installed too: {reason}" in card
    assert card.count(", trust_remote_code=True)") == 2
    assert {item.needs for item in verify_folder(folder)} == {None, "smart_train must be installed too"}


def test_a_text_model_keeps_its_pooling_and_prompts_where_no_module_of_the_library_names_them(tmp_path):
    _, folder = export(encoder, tmp_path, scoring=ScoringConfig(layer=1))
    assert not list(folder.glob("*Pooling"))
    model = SmartModel.from_pretrained(folder)
    assert (model.family.pooling, model.family.max_length) == ("cls", 24)
    model.family.scoring = ScoringConfig()
    model.save_pretrained(tmp_path / "second")
    report = export_model(tmp_path / "second", tmp_path / "again")
    assert {route.needs for route in report.routes} == {None} and {route.skipped for route in report.routes} == {None}
    assert json.loads((tmp_path / "again" / "1_Pooling" / "config.json").read_text())["pooling_mode_cls_token"]


def test_a_projection_of_several_layers_is_left_to_smart_train(tmp_path):
    encoder(tmp_path / "base")
    model = SmartModel.from_pretrained(tmp_path / "base")
    model.freeze_backbone()
    model.add_projection(TokenProjection(model.hidden_size, 8, layers=[1, -1]))
    model.save_pretrained(tmp_path / "trained")
    report = export_model(tmp_path / "trained", tmp_path / "export")
    assert "tokens are made of hidden state 1, -1" in report.routes[3].needs
    assert report.routes[3].differences["tokens"] < 1e-5


SERVING = Path(__file__).parents[2] / "docs" / "serving.md"
PLAIN = {"qwen3_vl_embedding", "text_encoder", "text_decoder", "embedding_gemma"}


# Late-only models are not exported at all.
@pytest.mark.parametrize("name", sorted(name for name, family in FAMILIES.items() if not family.late_only))
def test_every_family_is_plain_or_named_as_one_that_is_not(name):
    """A new family needs smart_train until it says how another library renders its prompt, and this test names it."""
    family = FAMILIES[name]("no such folder", scoring=ScoringConfig(), prompts=PromptConfig())
    model = SimpleNamespace(family=family, scoring=family.scoring, needs_hidden_states=False, projection=None)
    obstacle = plain_obstacle(model)
    assert (obstacle is None) == (name in PLAIN)
    if obstacle is not None:
        assert name in obstacle and f"`{name}`" in SERVING.read_text()


def test_an_export_with_other_settings_is_read_by_every_library(tmp_path, monkeypatch):
    """With a layer that the library's own modules cannot read, then without; and by the code of its card."""
    _, folder = export(encoder, tmp_path)
    monkeypatch.chdir(tmp_path)
    deep = ScoringConfig(layer=1, late_weight=8, document_tokens="all")
    for scoring, obstacle in ((deep, "tokens are made of hidden state 1"), (ScoringConfig(query_tokens="all"), None)):
        routes, told = rescore_export(folder, scoring, "Chosen on other queries.")
        assert told and [route.route for route in routes] == LIBRARIES
        assert {route.skipped for route in routes} == {None} and max(route.largest for route in routes) < 1e-5
        assert [obstacle in (route.needs or "") if obstacle else route.needs for route in routes[2:]] == [
            True if obstacle else None
        ] * 2
        assert (folder / "1_Pooling").is_dir() == (obstacle is None)
        assert max(route.largest for route in verify_folder(folder)) < 1e-5
        names = {}
        card = (folder / "README.md").read_text(encoding="utf-8")
        for snippet in re.findall(r"```python\n(.*?)```", card, flags=re.S):
            exec(compile(snippet.replace("OWNER/NAME", "export"), "README.md", "exec"), names)
        expected = SmartModel.from_pretrained(folder).similarity(names["queries"], names["documents"], scoring=scoring)
        torch.testing.assert_close(names["score"], expected, atol=1e-5, rtol=0)


def test_a_family_with_positions_of_its_own_is_read_by_every_library(tmp_path, monkeypatch):
    """And its card's code runs, on texts and pages."""
    source = vision_folder(tmp_path / "source", "qwen2_vl")
    SmartModel.from_config(source, family="gme", init_std=0.05).save_pretrained(tmp_path / "trained")
    report = export_model(tmp_path / "trained", tmp_path / "export")
    assert {route.skipped for route in report.routes} == {None}
    assert max(route.largest for route in report.routes) < 1e-5
    assert "gme numbers image tokens in sequence" in report.routes[2].needs
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (96, 96), "red").save("page.png")
    ours, theirs = re.findall(
        r"```python\n(.*?)```", (tmp_path / "export" / "README.md").read_text(encoding="utf-8"), flags=re.S
    )
    names = {}
    for snippet in (ours, theirs):
        exec(compile(snippet.replace("OWNER/NAME", "export"), "README.md", "exec"), names)
    expected = SmartModel.from_pretrained("export").similarity(names["queries"], names["documents"])
    torch.testing.assert_close(names["score"], expected, atol=1e-5, rtol=0)


def test_a_layout_that_the_library_reads_otherwise_gives_way_to_smart_trains(tmp_path, monkeypatch):
    monkeypatch.setattr("smart_train.export.finishing.plain_obstacle", lambda model: None)
    report, folder = export(encoder, tmp_path, scoring=ScoringConfig(layer=1))
    routes = {route.route: route for route in report.routes}
    assert "it reads the plain layout differently (MultiVectorEncoder: largest" in routes["MultiVectorEncoder"].needs
    assert routes["MultiVectorEncoder"].largest < 1e-5 and not list(folder.glob("*Dense"))


def test_a_library_that_reads_nothing_is_left_out_and_named(tmp_path, monkeypatch):
    """As a later version of it may."""
    monkeypatch.setattr("smart_train.serving.embedder.Transformer.forward", lambda self, features, **kwargs: features)
    report, folder = export(vision, tmp_path, scoring=ScoringConfig(layer=1))
    routes = {route.route: route for route in report.routes}
    assert "left out: it reads the folder differently (" in routes["SentenceTransformer"].skipped
    assert not (folder / "modules.json").exists()
    assert "import MultiVectorEncoder" not in (folder / "README.md").read_text()
    assert "the folder has no layout for it" in str(verify_folder(folder)[2])


def test_a_library_that_is_not_there_is_said_not_to_have_been_run(tmp_path, monkeypatch):
    from smart_train.export import routes

    monkeypatch.setattr(routes, "find_spec", lambda name: None)
    report, folder = export(encoder, tmp_path)
    assert report.routes[2].skipped == "sentence-transformers is not installed"
    assert "SentenceTransformer: not run, sentence-transformers is not installed" in (folder / "README.md").read_text()


# verify -------------------------------------------------------------------------------------------------------


@pytest.fixture
def exported(tmp_path):
    return export(encoder, tmp_path)[1]


def change(path, name, function):
    tensors = load_file(path)
    save_file({**tensors, name: function(tensors[name])}, path, {"format": "pt"})
    write_record(path.parent, {})  # as if these weights had been recorded


def test_damage_that_no_comparison_shows_is_named(exported):
    path = exported / "model.safetensors"
    before = path.read_bytes()
    path.write_bytes(before[:-4] + bytes([before[-4] ^ 1]) + before[-3:])  # the last bit of one number
    with pytest.raises(ExportError, match="smart_train: fails, ModelError: .*model.safetensors is damaged: its"):
        verify_folder(exported)
    path.write_bytes(before)
    path = exported / "tokenizer_config.json"
    path.write_text(path.read_text() + " ")
    with pytest.raises(ExportError, match="tokenizer_config.json changed since the export was verified"):
        verify_folder(exported)


def test_changed_weights_fail_in_every_library(exported):
    change(exported / "model.safetensors", "encoder.layer.1.output.dense.weight", lambda value: value * 1.05)
    with pytest.raises(ExportError, match="its results differ from those at export; allowed 1e-04") as caught:
        verify_folder(exported)
    for name in LIBRARIES:
        assert f"{name}: largest difference" in str(caught.value)
    verify_folder(exported, tolerance=10.0)


def test_another_pooling_fails_where_it_is_read(exported):
    path = exported / "1_Pooling" / "config.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}))
    with pytest.raises(ExportError, match="SentenceTransformer: largest difference"):
        verify_folder(exported)


def test_lost_tokens_are_infinitely_far(exported):
    path = next(exported.glob("*MultiVectorMask")) / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "skiplist_words": ["[CLS]"]}))
    with pytest.raises(ExportError, match="MultiVectorEncoder: largest difference inf"):
        verify_folder(exported)


def test_missing_weights_are_named(exported):
    tensors = load_file(exported / "model.safetensors")
    del tensors["embeddings.LayerNorm.bias"]
    save_file(tensors, exported / "model.safetensors", {"format": "pt"})
    write_record(exported, {})
    with pytest.raises(
        ExportError, match=r"smart_train: fails, ModelError: .*1 missing weight\(s\).*\ntransformers: fails"
    ):
        verify_folder(exported)


def test_folders_that_are_no_export(tmp_path, exported):
    with pytest.raises(ExportError, match="no such folder"):
        verify_folder(tmp_path / "nowhere")
    with pytest.raises(ExportError, match="without a golden.safetensors to compare with"):
        verify_folder(tmp_path / "trained")
    (exported / "golden.safetensors").write_bytes(b"half a fi")
    with pytest.raises(ExportError, match="not a complete safetensors file"):
        verify_folder(exported)


def test_the_command_prints_every_library_and_ends_with_2_past_the_tolerance(exported, monkeypatch, capsys):
    import sys

    from smart_train.cli import main

    monkeypatch.setattr(sys, "argv", ["smart-train", "verify", str(exported)])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    printed = capsys.readouterr().out
    assert all(f"{name}: largest difference" in printed for name in LIBRARIES)
    assert printed.splitlines()[-1].startswith("PASSED: ") and f" ways to read {exported} give what" in printed
    monkeypatch.setattr(sys, "argv", ["smart-train", "verify", str(exported), "--tolerance", "0"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    shown = capsys.readouterr()
    assert "FAILED: " in shown.err and "PASSED" not in shown.out
    assert "allowed 0e+00" in shown.err and "MultiVectorEncoder: largest difference" in shown.out


def test_golden_holds_inputs_vectors_tokens_and_scores_of_nobodys_data(tmp_path):
    from safetensors import safe_open

    _, folder = export(decoder, tmp_path)
    with safe_open(folder / "golden.safetensors", "pt") as file:
        header, tensors = file.metadata(), {name: file.get_tensor(name) for name in list(file.keys())}
    inputs = json.loads(header["inputs"])
    assert [item["prompt"].startswith("Instruct: ") for item in inputs["query"]] == [True] * 5
    assert tensors["query.pooled"].shape == (5, 32) and tensors["document.offsets"][-1] == len(
        tensors["document.tokens"]
    )
    mask = tensors["query.token_mask"].sum(dim=1)
    assert mask.tolist() == tensors["query.offsets"].diff().tolist()
    scores = tensors["query.pooled"] @ tensors["document.pooled"].T
    torch.testing.assert_close(scores, tensors["scores.pooled"])
