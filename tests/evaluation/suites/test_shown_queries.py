"""The worst and best queries of each task in the report of `benchmark`, kept for calls that find the task done."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from smart_train.evaluation import EvaluationResult
from smart_train.report import Report, render_report, write_report
from tests.browser import scripted
from tests.evaluation.suites import layouts
from tests.evaluation.suites.conftest import quick
from tests.evaluation.suites.test_ranking import VECTORS

mteb = pytest.importorskip("mteb", reason="needs the extra mteb")

from smart_train.evaluation.suites import BenchmarkRun, MtebModel, RunSettings, choose, run_tasks  # noqa: E402
from smart_train.evaluation.suites.page import benchmark_report  # noqa: E402
from smart_train.evaluation.suites.rows import read_rows  # noqa: E402
from smart_train.evaluation.suites.shown_queries import kept_queries, write_queries  # noqa: E402

HOSTILE = "<script>alert(1)</script>" + "w" * 200
TASK = SimpleNamespace(metadata=SimpleNamespace(name="Made", main_score="recall_at_1"))


@pytest.fixture(scope="module")
def run(page_model, tmp_path_factory):
    """ViDoRe v1's layout with a hostile query; the model, what came of it, and its folder."""
    folder = tmp_path_factory.mktemp("shown")
    drawn, texts = layouts.pages(8)
    layouts.write_configs(
        folder / "DATA" / "mteb" / "docvqa_test_subsampled_beir",
        {
            "queries": layouts.rows_of(query__id=range(8), query=[f"{HOSTILE} {text}" for text in texts]),
            "corpus": layouts.rows_of(corpus__id=range(8), image=drawn),
            "qrels": layouts.rows_of(query__id=range(8), corpus__id=range(8), score=[1] * 8),
        },
    )

    def call(output: str) -> tuple[MtebModel, BenchmarkRun, Path]:
        model = MtebModel(page_model, cache=folder / "cache")
        with pytest.MonkeyPatch.context() as patch:
            import datasets

            patch.setattr(datasets.config, "HF_DATASETS_CACHE", folder / "datasets")
            settings = RunSettings(folder / output, data=folder / "DATA")
            done = run_tasks(model, quick(choose(["VidoreDocVQARetrieval"])), settings, say=lambda line: None)
        return model, done, folder / output

    return call


def page_of(model: MtebModel, done: BenchmarkRun, output: Path) -> Report:
    return benchmark_report(model, choose(["VidoreDocVQARetrieval"]), done, None, output)


def test_each_task_shows_its_worst_and_best_pages_under_heat(run) -> None:
    model, done, output = run("out")
    text = render_report(page_of(model, done, output))
    titles = [f"VidoreDocVQARetrieval (default, test): {kind} queries" for kind in ("worst", "best")]
    assert re.findall(r"<h2>(.*?)</h2>", text)[-2:] == titles
    assert text.count("<b>the document that answers it</b>") == text.count("image 1 of 1") == 4
    assert "<script" not in text and text.count("&lt;script&gt;alert(1)") == 4
    values = EvaluationResult.load(output / "per_query" / "VidoreDocVQARetrieval" / "test-default.json")
    shown = [float(value) for value in re.findall(r"\(hybrid nDCG@5 ([0-9.]+)\)</h3>", text)]
    ordered = sorted(values.per_query["hybrid"]["ndcg@5"])
    assert shown == [round(value, 3) for value in (*ordered[:2], *reversed(ordered[-2:]))]


def test_a_task_that_could_not_be_run_is_named_in_the_report(run) -> None:
    model, done, output = run("out")
    failed = BenchmarkRun(done.scores, [], [(choose(["NFCorpus"])[0].tasks[0], "no such folder")])
    text = render_report(page_of(model, failed, output))
    assert "NFCorpus was not measured, its data cannot be loaded: no such folder" in text


def test_a_task_that_was_done_before_shows_them_again(run, monkeypatch) -> None:
    before = render_report(page_of(*run("again")))
    with monkeypatch.context() as patch:
        patch.setattr(mteb, "evaluate", None)
        patch.setattr("smart_train.evaluation.explained.explain", None)
        assert render_report(page_of(*run("again"))) == before


@pytest.mark.slow
def test_a_browser_shows_it_wide_and_narrow(run, tmp_path: Path) -> None:
    page = write_report(page_of(*run("out")), tmp_path / "report.html")
    asked = (
        "[document.documentElement.scrollWidth <= innerWidth, document.querySelectorAll('script').length,"
        " [...document.querySelectorAll('img')].filter(i => i.naturalWidth > 0).length].join(' ')"
    )
    for width in (1200, 500):
        assert scripted(page, asked, tmp_path, width) == "true 1 4"


@pytest.fixture
def made(hand_model):
    """A model of known vectors, and a task of four queries of which two have no answer in the corpus."""
    names = ["near", "far", "best"]
    queries = read_rows(layouts.rows_of(id=["a", "b", "c", "d"], text=["question"] * 4), "query", ["text"], "hand")
    documents = read_rows(layouts.rows_of(id=names, text=names), "document", ["text"], "hand")
    qrels = {"a": {"near": 1, "gone": 2}, "b": {"gone": 1}, "c": {"far": 1, "best": 2}, "d": {"near": 0, "gone": 1}}
    columns = {"hybrid": {"recall@1": [1.0, 0.0, 0.5, 0.0], "ndcg@10": [0.0, 0.0, 1.0, 0.0]}}
    result = EvaluationResult(list(qrels), columns, 3, {}, {}, measured_on="Made (default, test)")
    return hand_model(VECTORS), (queries, documents, qrels, None), result


def test_the_main_metric_chooses_among_queries_that_can_be_answered(made, tmp_path: Path) -> None:
    write_queries(tmp_path, made[0], TASK, made[1], made[2])
    text = render_report(Report("t", kept_queries(tmp_path, "Made")[0]))
    assert re.findall(r"<h3>(.*?)</h3>", text) == [
        "question (hybrid recall@1 0.500)",
        "question (hybrid recall@1 1.000)",
    ]
    assert text.count("no heat can be shown (HandModel is not a SmartModel)") == 1
    other = SimpleNamespace(metadata=SimpleNamespace(name="Other", main_score="hit_rate_at_1"))
    write_queries(tmp_path, made[0], other, made[1], made[2])
    assert "question (hybrid nDCG@10 1.000)" in render_report(Report("t", kept_queries(tmp_path, "Other")[0]))


@pytest.mark.parametrize("text", [None, "{", "[1]", '{"sections": [{"title": "t"}]}', '{"sections": []}', "null"])
def test_what_is_not_there_or_not_whole_is_not_shown(made, tmp_path: Path, text: str | None) -> None:
    file = write_queries(tmp_path, made[0], TASK, made[1], made[2])
    assert json.loads(file.read_text())["sections"][0]["title"] == "Made (default, test): worst queries"
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    assert kept_queries(tmp_path, "Made") == ([], [])
