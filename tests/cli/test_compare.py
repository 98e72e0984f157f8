"""`smart-train compare` and `inspect` on run folders, kept results and models."""

from __future__ import annotations

import dataclasses
import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

from smart_train import SmartModel
from smart_train.evaluation import EvaluationResult
from smart_train.recipe import parse_recipe
from tests.command import call
from tests.models.text_folders import encoder_folder
from tests.runs import write_rows

WORDS = ("red apple", "blue sky", "grey cat", "the mat", "total revenue", "green page", "the dog sat")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    SmartModel.from_config(encoder_folder(folder / "bare"), init_std=0.5).save_pretrained(folder / "text")
    return folder / "text"


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lines = [{"query": text, "positive": f"{text} on the page", "query_id": text[:5]} for text in WORDS]
    return write_rows(tmp_path_factory.mktemp("rows") / "rows.jsonl", lines)


@pytest.fixture(scope="module")
def measured(model: Path, rows: Path) -> EvaluationResult:
    with pytest.MonkeyPatch.context() as patch:
        assert call(patch, "evaluate", model, "--data", rows, "--output", rows.with_name("measured.json")) == 0
    return EvaluationResult.load(rows.with_name("measured.json"))


@pytest.fixture
def make_run(model: Path, rows: Path, measured: EvaluationResult, tmp_path: Path):
    """A run folder with what `compare` and `inspect` read; hybrid nDCG@5 is `value` for every query."""

    def make(name: str, value: float | None, state: str = "finished", **sections: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        data = {"train": {"path": str(rows)}, "evaluation": {"path": str(rows)}}
        values = {"model": {"name_or_path": str(model)}, "data": data, "training": {"output_dir": str(folder)}}
        recipe = parse_recipe({**values, **(sections or {"lora": {"r": 8, "alpha": 16}})})
        (folder / "recipe.yaml").write_text(recipe.to_yaml())
        record = {"state": state, "fingerprint": recipe.fingerprint, "data": "0", "world_size": 1, "together": 4}
        (folder / "run.json").write_text(json.dumps({**record, "strategy": "none"}))
        write_rows(folder / "log.jsonl", [{"step": n, "eval_hybrid_ndcg@5": n % 4 / 10} for n in (2, 4, 6)])
        if value is not None:
            changed = {"hybrid": {**measured.per_query["hybrid"], "ndcg@5": [value] * len(WORDS)}}
            result = dataclasses.replace(measured, per_query={**measured.per_query, **changed})
            result.save(folder / "evaluation.after.json")
        return folder

    return make


def test_runs_are_compared_by_what_they_keep(make_run, monkeypatch, capsys, tmp_path) -> None:
    first = make_run("first", 0.25)
    other = make_run("other", 0.75, lora={"r": 32, "alpha": 16})
    capsys.readouterr()
    written = ("--output", tmp_path / "records.json", "--report", tmp_path / "page.html")
    assert call(monkeypatch, "compare", first, other, "--queries", 2, *written) == 0
    out = capsys.readouterr().out
    assert re.search(r"lora\.r +8 +32", out) and "lora.alpha" not in out and "output_dir" not in out
    assert re.search(r"hybrid +ndcg@5 +0\.\d{3} +0\.250 +0\.750\*", out)
    assert f"Queries that {other} (here) answers better than {first} (there), by hybrid nDCG@5" in out
    assert "  0.250 -> 0.750  red apple\n      answer       red apple on the page\n      first there  " in out
    assert out.count("answer  ") == 2 and "answers worse" not in out
    verdict, told = out.splitlines()[-2:]
    assert verdict.startswith(f"Verdict: {other} is better than {first} at 7 queries, by hybrid nDCG@5: ")
    assert told == f"Written: {tmp_path / 'page.html'}"
    records = json.loads((tmp_path / "records.json").read_text())
    assert records["settings"] == [{"key": "lora.r", str(first): 8, str(other): 32}]
    assert records["tests"][0]["p_value"] == 2 / 2**7
    page = (tmp_path / "page.html").read_text()
    assert verdict.removeprefix("Verdict: ") in html.unescape(page) and "red apple on the page" in page
    assert "answers better than" in page and "answers worse than" not in page and "lora.alpha" not in page
    assert call(monkeypatch, "compare", first, other, *written) == 0, "its own files again"


def test_models_are_measured_on_the_rows_of_the_run_beside_them(make_run, model, monkeypatch, capsys) -> None:
    run = make_run("run", 0.25)
    capsys.readouterr()
    assert call(monkeypatch, "compare", run, model) == 0
    out = capsys.readouterr().out
    assert f"Measuring {model} ..." in out and f"Measuring {run}" not in out
    assert f"Verdict: {model} is " in out and "Recipes:" not in out


def test_given_rows_are_measured_now(make_run, model, rows, monkeypatch, capsys, tmp_path) -> None:
    named = ("--data", rows, "--columns", "query=query,positive=positive", "--max-samples", 6)
    assert call(monkeypatch, "compare", model, model / ".." / model.name, *named) == 2
    assert "is named twice" in capsys.readouterr().err
    run = make_run("run", 0.25)
    (run / "final").symlink_to(model)
    capsys.readouterr()
    assert call(monkeypatch, "compare", run, model, *named) == 0
    out = capsys.readouterr().out
    assert "at 6 queries" in out and f"Measuring {run}" in out and "is not told apart from" in out
    assert call(monkeypatch, "compare", run, model, "--recipe", run / "recipe.yaml") == 0
    assert "at 7 queries" in capsys.readouterr().out


def test_what_cannot_be_compared_is_said(make_run, measured, model, rows, monkeypatch, capsys, tmp_path) -> None:
    first, begun = make_run("first", 0.25), make_run("begun", None, state="training")
    unmeasured = make_run("unmeasured", None)
    other = dataclasses.replace(measured, query_ids=[f"other {name}" for name in measured.query_ids])
    other.save(tmp_path / "other.json")
    texts = dataclasses.replace(measured, query_texts=[text.upper() for text in measured.query_texts])
    texts.save(tmp_path / "texts.json")
    (tmp_path / "rows.json").write_text("{}")
    kept = rows.with_name("measured.json")
    strange = tmp_path / "strange.html"
    strange.write_text("<html>mine</html>")
    for arguments, said in (
        ((first,), "1 name given; at least two runs, models or result files are needed"),
        ((first, begun), f"{begun}: this run is not finished (run.json: training); run its recipe to the end first"),
        ((first, unmeasured), "was not measured after training; pass the rows to measure it on with --data"),
        ((first, tmp_path / "other.json"), "the two results have different queries; 14 are in only one of them"),
        ((first, tmp_path / "texts.json"), "7 queries have other texts under the same id in the two results"),
        ((first, tmp_path / "rows.json"), "missing; this is not a saved evaluation result"),
        ((model, tmp_path / "other.json"), f"{model}: is a model, which keeps no results; pass the rows"),
        ((first, tmp_path / "firts"), f"firts: no such folder, did you mean {first}?"),
        ((first, model, "--split", "test"), "--split needs --data"),
        ((first, model, "--data", rows, "--recipe", "x.yaml"), "--data and --recipe both name the rows"),
        ((first, tmp_path / "other.json", "--data", rows), "is a kept result, which cannot be measured on other rows"),
        (
            (first, model, "--metric", "ndcg@5"),
            "smart-train: --metric 'ndcg@5': must read SCORE_METRIC with pooled, late, hybrid, own",
        ),
        ((first, kept, "--metric", "hybrid_ndcg@7"), "has no hybrid_ndcg@7; it has pooled_ndcg@1"),
        ((first, model, "--output", tmp_path), "is a folder; name a file in it"),
        ((first, kept, "--report", tmp_path / "page.txt"), "page.txt: must end in .html"),
        ((first, kept, "--report", strange), "exists and was not written by smart-train; name another file"),
        (
            (first, model, "--output", tmp_path / "rows.json"),
            "exists and does not hold records of compare; name another",
        ),
    ):
        capsys.readouterr()
        assert call(monkeypatch, "compare", *arguments) == 2, arguments
        err = capsys.readouterr().err
        assert said in err and "Traceback" not in err, err


def test_a_metric_that_nothing_measures_is_told_before_anything_is_measured(
    make_run, model, monkeypatch, capsys
) -> None:
    first = make_run("first", 0.25)
    assert call(monkeypatch, "compare", first, model, "--metric", "hybrid_ndcg@7") == 2
    out, err = capsys.readouterr()
    assert "--metric 'hybrid_ndcg@7': ndcg@7 is not measured; there are ndcg@1, ndcg@5, ndcg@10" in err
    assert "Measuring" not in out


def test_a_name_that_means_nothing_is_told_before_anything_is_measured(model, rows, monkeypatch, capsys) -> None:
    monkeypatch.setattr("smart_train.models.locating.snapshot_download", _refuse)
    assert call(monkeypatch, "compare", model, "all-minilm", "--data", rows) == 2
    out, err = capsys.readouterr()
    assert "all-minilm: not a local folder, and it could not be fetched" in err and "Measuring" not in out


def _refuse(*_: object, **__: object) -> str:
    raise OSError("no network")


def test_inspect_shows_rank_learning_rate_and_chosen_step(make_run, monkeypatch, capsys) -> None:
    for sections, said in (
        ({"lora": {"r": 8, "alpha": 16}}, r"lora +rank 8, alpha 16, dropout 0.05"),
        ({"projection": {"dim": 16}}, r"projection +width 16"),
        ({"full": {}}, r"training +full, objective"),
    ):
        run = make_run(f"run-{next(iter(sections))}", 0.25, **sections)
        capsys.readouterr()
        assert call(monkeypatch, "inspect", run) == 0
        out = capsys.readouterr().out
        assert re.search(said, out), out
        assert re.search(r"learning rate +\S+, cosine, batch 64 a process", out)
        assert re.search(r"chosen step +2 of 6, the best by hybrid_ndcg@5 on data.evaluation", out)


def test_judgements_that_answer_nothing_are_named(model, monkeypatch, capsys, tmp_path) -> None:
    folder = tmp_path / "set"
    (folder / "qrels").mkdir(parents=True)
    queries = [{"_id": "q1", "text": "red apple"}, {"_id": "q2", "text": "blue sky"}]
    corpus = [{"_id": "d1", "text": "a red apple"}, {"_id": "d2", "text": "a blue sky"}]
    for judged, some_queries, documents, said in (
        ("q1\td1\t0\nq2\td2\t0", queries, corpus, "none of its 2 judgements is above 0 (column 'score'), so no query"),
        ("q9\td1\t1", queries, corpus, "no query 'q9' in"),
        ("q1\td9\t1", queries, corpus, "no document 'd9' among the 2 of"),
        ("q1\td1\t1", queries, [corpus[0], {**corpus[1], "_id": "d1"}], "the id 'd1' is already the id of another row"),
        ("q1\td1\t1", [queries[0], {**queries[1], "_id": "q1"}], corpus, "the id 'q1' is already the id of row 0"),
    ):
        (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}\n")
        write_rows(folder / "queries.jsonl", some_queries)
        write_rows(folder / "corpus.jsonl", documents)
        assert call(monkeypatch, "evaluate", model, "--data", folder) == 2
        err = capsys.readouterr().err
        assert said in err and err.startswith("smart-train: --data: ") and "data.on_error" not in err, err
