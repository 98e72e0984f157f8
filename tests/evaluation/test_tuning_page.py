"""The page of `tune`: the queries that decided, under the settings in force beside the best ones."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from smart_train import SmartModel
from smart_train.errors import ModelError
from smart_train.evaluation import EvaluationSet, TuningGrid, TuningResult, tune
from smart_train.evaluation.tuning_page import tuned_queries, tuning_report
from smart_train.explain import explain
from smart_train.report import Report, render_report, write_report
from smart_train.scoring import ScoringConfig
from smart_train.types import ModelInput
from tests.browser import scripted
from tests.evaluation.suites.layouts import pages
from tests.evaluation.test_tuning import SMALL
from tests.runs import OVERRIDES, TINY
from tests.tuned import Toy, make_toy

HOSTILE = "<script>alert(1)</script>" + "w" * 200


@pytest.fixture(scope="module")
def found(toy: Toy) -> TuningResult:
    return tune(toy.model, toy.data(), grid=SMALL)


def shown(result: TuningResult, toy: Toy) -> str:
    return render_report(tuning_report(result, "toy", tuned_queries(result, toy.model, toy.data())))


def test_queries_that_decided_stand_under_both_settings(found: TuningResult, toy: Toy) -> None:
    own = toy.model.scoring
    text = shown(found, toy)
    assert toy.model.scoring is own
    assert re.findall(r"<h2>(.*?)</h2>", text)[-2:] == ["Worst queries", "Queries that gained most"]
    assert text.count("<b>in force</b>") == text.count("<b>chosen</b>") == 6
    assert "in force: pooled:late 1:1" in text and "chosen: pooled:late 0:1" in text
    # One of those that gained most, by hand.
    assert found.decided is not None
    before, after = (result.per_query["hybrid"]["ndcg@5"] for result in found.decided)
    place = max(range(len(before)), key=lambda i: (after[i] - before[i], after[i], -i))
    name = found.decided[0].query_ids[place]
    query = toy.queries[int(name[1:])]
    assert f"<h3>{query} (hybrid nDCG@5 {before[place]:.3f} -&gt; {after[place]:.3f})</h3>" in text
    toy.model.family.scoring = found.best.scoring
    try:
        seen = explain(toy.model, query, toy.documents[toy.answers[int(name[1:])]])
    finally:
        toy.model.family.scoring = own
    assert f"score {seen.score:.3f}: pooled 0.000 + late {seen.score:.3f}" in text
    assert "not of what the index keeps" not in text


def test_another_form_is_told_and_settings_that_were_not_chosen_are_called_so(found: TuningResult, toy: Toy) -> None:
    row = replace(found.difference, p_value=0.4)
    best = replace(found.best, scoring=replace(found.best.scoring, width=8))
    kept = replace(found, comparison=replace(found.comparison, rows=[row]), best=best)
    text = shown(kept, toy)
    assert text.count("<b>the best of the others, not chosen</b>") == 6 and "<b>chosen</b>" not in text
    assert "Heat is that of all tokens at full width, not of what the index keeps." in text


def test_settings_that_are_the_best_have_no_other_beside_them(tmp_path: Path) -> None:
    toy = make_toy(tmp_path, ScoringConfig(pooled_weight=0))
    result = tune(toy.model, toy.data(), grid=SMALL)
    text = shown(result, toy)
    assert re.findall(r"<h2>(.*?)</h2>", text)[-2:] == ["Worst queries", "Best queries"]
    assert text.count("<b>in force</b>") == 6 and "chosen</b>" not in text and "-&gt; " not in text.split("<h3>", 1)[1]


def test_what_cannot_be_explained_is_told(found: TuningResult, toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise ModelError("no places")

    monkeypatch.setattr("smart_train.evaluation.explained.explain", refused)
    own = toy.model.scoring
    text = shown(found, toy)
    assert "chosen: no heat can be shown (no places)" in text and toy.model.scoring is own
    assert tuned_queries(replace(found, decided=None), toy.model, toy.data()) == []


@pytest.fixture(scope="module")
def pictured() -> Report:
    """The page of a model that reads images, on rows with a hostile text."""
    drawn, words = pages(16)
    data = EvaluationSet(
        [ModelInput(f"{HOSTILE} {text}") for text in words],
        [f"q{i}" for i in range(16)],
        [ModelInput(images=(page,)) for page in drawn],
        [f"d{i}" for i in range(16)],
        [{f"d{i}"} for i in range(16)],
        name=HOSTILE,
    )
    model = SmartModel.from_config(TINY, overrides=OVERRIDES, init_std=0.05)
    grid = TuningGrid(**{name: value[:1] for name, value in vars(SMALL).items() if name != "weights"})
    result = tune(model, data, grid=replace(grid, weights=((1, 1), (0, 1), (1, 0))))
    return tuning_report(result, HOSTILE, tuned_queries(result, model, data))


def test_pages_stand_under_heat_and_texts_are_texts(pictured: Report) -> None:
    text = render_report(pictured)
    assert "<script" not in text and text.count("&lt;script&gt;alert(1)") >= 3
    assert 'alt="in force, image 1 of 1" src="data:image/jpeg' in text


@pytest.mark.slow
def test_a_browser_shows_it_wide_and_narrow(pictured: Report, tmp_path: Path) -> None:
    page = write_report(pictured, tmp_path / "report.html")
    asked = (
        "[document.documentElement.scrollWidth <= innerWidth, document.querySelectorAll('script').length,"
        " [...document.querySelectorAll('img')].every(i => i.naturalWidth > 0)].join(' ')"
    )
    for width in (1200, 500):
        assert scripted(page, asked, tmp_path, width) == "true 1 true"
