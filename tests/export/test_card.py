"""The model card: metadata that the Hub reads, and code that runs as it stands there."""

import re

import pytest
import torch
from huggingface_hub import ModelCard, constants
from transformers.utils import is_torchvision_available

from smart_train import ScoringConfig, SmartModel
from smart_train.errors import ExportError
from smart_train.export import CardFacts, export_model, write_adapter_card
from smart_train.export.card import Lineage
from smart_train.export.snippets import LOCATION
from tests.export.conftest import adapt
from tests.models.conftest import make_model
from tests.models.text_folders import encoder_folder

needs_torchvision = pytest.mark.skipif(
    not is_torchvision_available(), reason="transformers' own Qwen3-VL processor needs torchvision"
)
METRICS = {"ndcg@5": 0.25, "recall@1": 0.125}
EVALUATION = {
    "before": {"pooled": METRICS, "late": METRICS, "hybrid": METRICS},
    "after": {score: {"ndcg@5": 0.75, "recall@1": 0.5} for score in ("pooled", "late", "hybrid")},
    "queries": 40,
    "documents": 60,
    "chance": {"ndcg@5": 0.04, "recall@1": 0.0167},
}
FACTS = CardFacts(
    base="Qwen/Qwen3-VL-Embedding-2B",
    evaluation=EVALUATION,
    training={"method": "LoRA, r 128", "objective": "joint"},
    datasets=("vidore/colpali_train_set",),
)


def code(card):
    return re.findall(r"```python\n(.*?)```", card, flags=re.S)


def run(snippet, folder):
    """Runs a snippet of the card of `folder`, as if pushed there; returns its names."""
    names = {}
    exec(compile(snippet.replace(LOCATION, str(folder)), "README.md", "exec"), names)
    return names


def export(train, tmp_path, kind="lora", **kwargs):
    export_model(train(kind), tmp_path / "export", **kwargs)
    return tmp_path / "export", (tmp_path / "export" / "README.md").read_text()


def test_metadata_is_what_the_hub_reads(train, tmp_path):
    _, card = export(train, tmp_path, facts=FACTS)
    data = ModelCard(card).data
    assert data.base_model == "Qwen/Qwen3-VL-Embedding-2B" and data.get("base_model_relation") == "finetune"
    assert data.library_name == "sentence-transformers" and data.pipeline_tag == "visual-document-retrieval"
    assert {"multi-vector", "late-interaction"} <= set(data.tags)
    assert data.datasets == ["vidore/colpali_train_set"]
    values = {result.metric_type: result.metric_value for result in data.eval_results}
    assert values["hybrid_ndcg@5"] == 0.75 and len(values) == 6


def test_tables_show_before_and_after_chance_and_how_it_was_trained(train, tmp_path):
    _, card = export(train, tmp_path, facts=FACTS, dtype="bfloat16")
    assert "40 held-out queries against 60 documents, before training -> after training:" in card
    assert "| hybrid | 0.250 -> 0.750 | 0.125 -> 0.500 |" in card
    assert "| chance | 0.040 | 0.017 |" in card
    assert "| method | LoRA, r 128 |" in card
    assert re.search(r"Scores of the merged weights differ .* by at most \d\.\de-0\d \(float32\)", card)
    assert re.search(r"Rounding to bfloat16 moves scores by at most \d\.\de-0\d; the best .* of 5 probe", card)


def test_card_without_facts_is_plain_and_valid(train, tmp_path):
    _, card = export(train, tmp_path)
    data = ModelCard(card).data
    assert data.base_model is None and data.eval_results is None and data.license is None
    assert "## Results" not in card and "## Training" not in card
    assert "The licences of the base model and of the training data" in card


def test_no_file_of_an_export_names_a_path_of_this_machine(train, tmp_path):
    folder, _ = export(train, tmp_path)
    for path in folder.rglob("*"):
        assert path.is_dir() or str(tmp_path.parent.parent).encode() not in path.read_bytes(), path.name


@needs_torchvision
@pytest.mark.parametrize("scoring", [ScoringConfig(), ScoringConfig(pooled_weight=0.5, late_weight=2.0)])
def test_every_snippet_runs_and_gives_the_same_score(scoring, base, pages, tmp_path, monkeypatch):
    model = adapt(base)
    model.family.scoring = scoring
    model.save_pretrained(tmp_path / "trained")
    export_model(tmp_path / "trained", tmp_path / "export")
    pages[0].save(tmp_path / "page.png")
    monkeypatch.chdir(tmp_path)
    ours, *others = code((tmp_path / "export" / "README.md").read_text())
    names = run(ours, tmp_path / "export")
    expected = names["model"].similarity(names["queries"], names["documents"])[0, 0]
    assert len(others) == 2  # transformers, and both classes of sentence-transformers
    for other in others:
        score = run(other, tmp_path / "export")["score"].reshape(())
        torch.testing.assert_close(score, expected, atol=1e-5, rtol=0)


@needs_torchvision
@pytest.mark.parametrize("case", ["projection", "filter"])
def test_transformers_snippet_gives_the_pooled_vector_where_tokens_need_more(case, train, pages, tmp_path, monkeypatch):
    if case == "projection":
        folder, card = export(train, tmp_path, kind="projection")
    else:
        make_model(scoring=ScoringConfig(query_tokens="text")).save_pretrained(tmp_path / "trained")
        export_model(tmp_path / "trained", tmp_path / "export")
        folder = tmp_path / "export"
        card = (folder / "README.md").read_text()
    pages[0].save(tmp_path / "page.png")
    monkeypatch.chdir(tmp_path)
    assert "token vectors as configured need smart_train" in card
    model = SmartModel.from_pretrained(folder)
    query, page = model.encode_query(["total revenue 2019"]), model.encode_document(["page.png"])
    expected = model.similarity(query, page, scoring=ScoringConfig(late_weight=0.0))[0, 0]
    torch.testing.assert_close(run(code(card)[1], folder)["score"], expected, atol=1e-5, rtol=0)


def test_adapter_card_names_its_base_and_its_snippets_run(base, pages, tmp_path, monkeypatch):
    adapt(base).save_pretrained(tmp_path / "adapter")
    write_adapter_card(tmp_path / "adapter", CardFacts(evaluation=EVALUATION))
    card = (tmp_path / "adapter" / "README.md").read_text()
    assert ModelCard(card).data.library_name == "peft"
    assert "| hybrid | 0.250 -> 0.750 |" in card
    pages[0].save(tmp_path / "page.png")
    monkeypatch.chdir(tmp_path)
    ours, theirs = code(card)
    assert run(ours, tmp_path / "adapter")["documents"].pooled.shape == (1, 96)
    adapter = dict(run(theirs, tmp_path / "adapter")["model"].named_parameters())
    assert any("lora_B" in name and value.abs().max() > 0 for name, value in adapter.items())


def test_a_text_model_is_shown_on_text(tmp_path):
    SmartModel.from_config(encoder_folder(tmp_path / "text")).save_pretrained(tmp_path / "trained")
    export_model(tmp_path / "trained", tmp_path / "export")
    card = (tmp_path / "export" / "README.md").read_text()
    assert ModelCard(card).data.pipeline_tag == "sentence-similarity"
    ours, theirs = code(card)
    names = run(ours, tmp_path / "export")
    expected = names["model"].similarity(names["queries"], names["documents"])
    torch.testing.assert_close(run(theirs, tmp_path / "export")["score"], expected, atol=1e-5, rtol=0)


def test_card_of_a_folder_that_is_no_adapter_is_refused(base):
    with pytest.raises(ExportError, match="neither an adapter nor a projection: it names no base"):
        write_adapter_card(base, CardFacts())


# Lineage --------------------------------------------------------------------------------------------------------


def test_licence_and_base_come_from_a_local_bases_own_card(tmp_path):
    (tmp_path / "README.md").write_text(
        "---\nlicense: other\nlicense_name: qwen-research\nlicense_link: https://example.org/terms\n"
        "base_model: Qwen/Qwen3-VL-2B-Instruct\n---\n# A copy\n"
    )
    expected = Lineage("Qwen/Qwen3-VL-2B-Instruct", "other", "qwen-research", "https://example.org/terms")
    assert Lineage.of(str(tmp_path)) == expected


@pytest.mark.parametrize("card", [None, "no metadata", "---\n- a\n- list\n---\n", "---\nlicense: [unclosed\n---\n"])
def test_a_base_that_says_nothing_leaves_its_licence_unknown(card, tmp_path):
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    assert Lineage.of(str(tmp_path)) == Lineage()


def test_a_base_on_the_hub_is_named_even_out_of_reach(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert Lineage.of("user/base") == Lineage("user/base")


def test_licence_travels_from_the_base_to_the_card(base, tmp_path):
    SmartModel.from_pretrained(base).save_pretrained(tmp_path / "base")
    (tmp_path / "base" / "README.md").write_text("---\nlicense: apache-2.0\nbase_model: user/first\n---\n")
    adapt(tmp_path / "base").save_pretrained(tmp_path / "adapter")
    export_model(tmp_path / "adapter", tmp_path / "export")
    card = (tmp_path / "export" / "README.md").read_text()
    assert ModelCard(card).data.license == "apache-2.0" and ModelCard(card).data.base_model == "user/first"
    assert "apache-2.0, inherited from the base model." in card


def test_a_damaged_evaluation_says_so(tmp_path):
    (tmp_path / "evaluation.json").write_text("{")
    with pytest.raises(ExportError, match="evaluation.json: not valid JSON"):
        CardFacts.read_evaluation(tmp_path / "evaluation.json")
    assert CardFacts.read_evaluation(tmp_path / "missing.json") is None
