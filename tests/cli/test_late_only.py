"""Commands on a model that has no pooled vector: what works, and what is refused by name before any work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from smart_train import SmartModel
from smart_train.data import SourceConfig, load_examples
from smart_train.errors import ModelError
from smart_train.evaluation import EvaluationResult
from smart_train.recipe import load_recipe
from smart_train.run import build, train
from tests.command import ended
from tests.models.vision_folders import vision_folder
from tests.runs import SCORES, TINY, recipe_values, tiny_recipe

LATE_ONLY = "colqwen is late only, its models have no pooled vector"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("colqwen")
    bare = vision_folder(root / "bare", "qwen2_vl")
    SmartModel.from_config(bare, family="colqwen", init_std=0.05).save_pretrained(root / "model")
    return root / "model"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    return lambda *arguments: ended(monkeypatch, capsys, *arguments)


@pytest.fixture
def recipe(tiny_data: Path, tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(recipe_values(tiny_data, tmp_path / "run")))  # JSON is YAML
    return path


@pytest.fixture(scope="module")
def pages(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    for number in range(4):
        (folder / f"{number}.png").write_bytes((tiny_data / f"held_out-{number}.png").read_bytes())
    return folder


def test_search_ranks_by_tokens_and_keeps_an_index(run, model, pages, tmp_path):
    search = ("search", model, "--documents", pages, "--query", "red green")
    status, out, err = run(*search, "--index", tmp_path / "index", "--json")
    assert status == 0, err
    hits = json.loads(out)["hits"]
    assert all(hit["pooled"] is None and hit["hybrid"] == hit["late"] for hit in hits)
    assert [hit["late"] for hit in hits] == sorted((hit["late"] for hit in hits), reverse=True) and len(hits) == 4
    status, out, err = run(*search, "--index", tmp_path / "index")
    assert status == 0, err
    assert out.splitlines()[1].split() == ["rank", "late", "document"]
    status, _, err = run(*search, "--candidates", 3, "--top-k", 2)
    assert status == 2 and f"--candidates 3: {LATE_ONLY}; leave --candidates out" in err


def test_encode_writes_layouts_of_tokens_alone(run, model, pages, tmp_path):
    encode = ("encode", model, "--documents", pages, "--index", tmp_path / "index", "--format")
    status, out, err = run(*encode, "plaid")
    assert status == 0 and "token states of width 128" in out, err
    status, _, err = run(*encode, "qdrant")
    assert status == 2 and f"--format qdrant: {LATE_ONLY}" in err and "write --format plaid" in err


def test_evaluate_gives_the_late_score_and_no_verdict(run, model, tiny_data, tmp_path):
    measured, page = tmp_path / "measured.json", tmp_path / "page.html"
    rows = ("--data", tiny_data / "held_out.jsonl", "--output", measured, "--report", page)
    status, out, err = run("evaluate", model, *rows)
    assert status == 0, err
    assert "Verdict: none, the model has the late score alone; late nDCG@5" in out
    assert "--metric late_ndcg@5" in out and "hybrid" not in out and "pooled" not in out
    result = EvaluationResult.load(measured)
    assert set(result.per_query) == {"late"} and result.own_score == "late"
    assert result.document_bytes["pooled"] == 0 < result.document_bytes["tokens"]
    assert "late nDCG@5" in page.read_text() and "x pooled" not in page.read_text()
    status, _, err = run("evaluate", model, *rows[:2], "scoring.pooled_weight=1")
    assert status == 2 and f"scoring.pooled_weight 1: {LATE_ONLY}; set scoring.pooled_weight to 0" in err


def test_compare_with_a_model_of_three_scores(run, tmp_path):
    values = {"ndcg@5": [0.0, 0.5, 1.0, 1.0, 0.5, 0.0]}
    about = {"query_ids": list("abcdef"), "documents": 9, "chance": {"ndcg@5": 0.2}, "scoring": {}}
    late, three, page = tmp_path / "late.json", tmp_path / "three.json", tmp_path / "page.html"
    EvaluationResult(per_query={"late": {"ndcg@5": [1.0] * 6}}, **about).save(late)
    EvaluationResult(per_query=dict.fromkeys(SCORES, values), **about).save(three)
    status, out, err = run("compare", three, late, "--metric", "late_ndcg@5")
    assert status == 0 and "by late nDCG@5" in out and "own: " not in out, err
    status, out, err = run("compare", three, late, "--report", page)
    assert status == 0, err
    assert out.splitlines()[2].split() == ["own", "is", "the", "score", "hybrid", "late"]
    assert f"own: the score that each ranks by, hybrid of {three}, late of {late}" in " ".join(out.split())
    assert f"Verdict: {late} is not told apart from {three} at 6 queries, by nDCG@5, late of {late} and hybrid" in out
    assert "is the score" in page.read_text() and "before, after: by nDCG@5, late of " in page.read_text()
    status, _, err = run("compare", three, late, "--metric", "hybrid_ndcg@5")
    assert status == 2 and "late.json has no hybrid_ndcg@5; it has late_ndcg@5. own_ndcg@5 compares each by" in err


def test_compare_measures_it_beside_a_model_of_three_scores(run, model, tiny_data, tmp_path):
    SmartModel.from_config(TINY, init_std=0.05).save_pretrained(tmp_path / "ours")
    status, out, err = run("compare", tmp_path / "ours", model, "--data", tiny_data / "held_out.jsonl")
    assert status == 0, err
    assert f"late of {model} and hybrid of {tmp_path / 'ours'}" in out and "is the score" in out


def test_explain_leaves_the_pooled_row_out(run, model, pages):
    status, out, err = run("explain", model, "--query", "red", "--document", pages / "0.png")
    assert status == 0, err
    assert out.startswith("score ") and " = 1 x late " in out and "pooled" not in out


def test_its_scores_teach_and_the_new_recipe_does_not_start_from_it(run, model, recipe, tmp_path):
    mine = ("mine", recipe, "--model", model, "--output", tmp_path / "mined", "--negatives", 2, "--margin", 0)
    for score in ("hybrid", "pooled"):
        status, _, err = run(*mine, "--score", score)
        assert status == 2 and f"--score '{score}': {LATE_ONLY}; choose late (--score late)" in err
    status, _, err = run(*mine, "--score", "late", "--candidates", 100)
    assert status == 2 and f"--candidates 100: {LATE_ONLY}; leave --candidates out" in err
    assert not (tmp_path / "mined" / "work").exists()
    status, out, err = run(*mine, "--score", "late", "--last-rank", 10)
    assert status == 0, err
    assert f"{model}: is late only and is not trained here; the new recipe starts from the recipe's own model" in out
    first = next(iter(load_examples(SourceConfig(tmp_path / "mined"))))
    teacher = SmartModel.from_pretrained(model, device="cpu")
    expected = teacher.similarity(teacher.encode_query(first.query), teacher.encode_document(list(first.documents)))
    assert first.scores == pytest.approx(expected[0].tolist(), abs=2e-5)
    assert load_recipe(tmp_path / "mined" / "recipe.yaml").model.name_or_path == str(TINY)


def test_training_and_export_refuse_it_by_name(run, model, tiny_data, tmp_path):
    drawn = {"model": {"name_or_path": str(model), "from_config": None}}
    recipe = tiny_recipe(tiny_data, tmp_path / "run", **drawn)
    for start in (train, build.base_model):
        with pytest.raises(ModelError, match=rf"model\.name_or_path {model}: {LATE_ONLY}; it is not trained here"):
            start(recipe)
    assert not (tmp_path / "run" / "final").exists()
    status, _, err = run("export", model, "--output", tmp_path / "out")
    assert status == 2 and f"export {model}: {LATE_ONLY}" in err and not (tmp_path / "out").exists()


def test_commands_that_choose_weights_or_take_gradients_refuse_it(run, model, tiny_data):
    rows = ("--data", tiny_data / "train.jsonl")
    for command in ("tune", "probe"):
        status, _, err = run(command, model, *rows)
        assert status == 2 and f"{command}: {LATE_ONLY}" in err
    status, out, err = run("inspect", model)
    assert status == 0 and "late only: it has no pooled vector" in out, err
