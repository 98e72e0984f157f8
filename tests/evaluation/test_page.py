"""Which queries a report shows, and its table."""

from __future__ import annotations

import pytest
from PIL import Image

from smart_train.errors import ModelError
from smart_train.evaluation import EvaluationResult, EvaluationSet
from smart_train.evaluation.page import chosen_queries, headline, query_sections, result_section
from smart_train.report import Report, render_report
from smart_train.run.report import explanations
from smart_train.types import ModelInput

HOSTILE = "<script>alert(1)</script>"


def result(values: list[float]) -> EvaluationResult:
    ids = [f"q{place}" for place in range(len(values))]
    columns = {score: {"ndcg@5": values, "recall@1": values} for score in ("pooled", "late", "hybrid")}
    return EvaluationResult(ids, columns, 7, {"ndcg@5": 0.1, "recall@1": 0.1}, {}, measured_on="rows")


def rows(count: int) -> EvaluationSet:
    return EvaluationSet(
        queries=[ModelInput(f"{HOSTILE} {place}") for place in range(count)],
        query_ids=[f"q{place}" for place in range(count)],
        documents=[ModelInput(f"document {place}") for place in range(count)],
        document_ids=[f"d{place}" for place in range(count)],
        relevant=[{f"d{place}": 1, f"d{(place + 1) % count}": 2} for place in range(count)],
    )


def test_the_worst_and_those_that_gained_most() -> None:
    before, after = result([0.5, 0.0, 0.2, 0.9, 0.0, 0.3]), result([0.1, 1.0, 0.2, 0.9, 0.1, 1.0])
    worst, best = chosen_queries(rows(6), before, after, 2)
    assert [query.query_id for query in worst] == ["q0", "q4"]  # of two equal ones, the one that lost more first
    assert [query.query_id for query in best] == ["q1", "q5"]
    assert (best[0].before, best[0].after) == (0.0, 1.0)
    assert best[0].document.text == "document 2"  # graded higher
    assert best[0].heading == f"{HOSTILE} 1 (hybrid nDCG@5 0.000 -> 1.000)"


def test_a_query_that_did_not_gain_is_not_among_those_that_gained() -> None:
    _, best = chosen_queries(rows(4), result([0.5, 0.5, 0.2, 0.2]), result([0.4, 0.1, 0.2, 0.3]), 2)
    assert [query.query_id for query in best] == ["q3"]


def test_one_evaluation_alone_has_worst_and_best() -> None:
    for before, after in ((result([0.5, 0.0, 1.0]), None), (None, result([0.5, 0.0, 1.0]))):
        worst, best = chosen_queries(rows(3), before, after, 1)
        assert [query.query_id for query in (*worst, *best)] == ["q1", "q2"]
        assert worst[0].heading.endswith("(hybrid nDCG@5 0.000)")


def test_a_query_is_shown_once_where_there_are_few() -> None:
    worst, best = chosen_queries(rows(2), None, result([0.1, 0.2]), 3)
    assert [query.query_id for query in worst] == ["q0", "q1"] and best == []


def test_the_headline_and_the_table() -> None:
    before, after = result([0.0, 0.0, 0.5]), result([1.0, 1.0, 0.5])
    assert headline(before, after).startswith(
        "hybrid nDCG@5 0.167 -> 0.833 over 3 queries (change +0.667, 95% interval "
    )
    assert headline(None, after) == "hybrid nDCG@5 0.833 over 3 queries (chance 0.100)."
    text = render_report(Report("t", [result_section(before, after)]))
    assert text.count('<tr class="marked">') == 3 and "2 / 0" in text and "p = 0.500" in text
    assert render_report(Report("t", [result_section(None, after)])).count('<tr class="marked">') == 3


def test_hostile_queries_are_text_and_what_is_missing_is_said() -> None:
    worst, best = chosen_queries(rows(4), result([0.0] * 4), result([1.0] * 4), 1)
    explained = {"before": "no heat can be shown (out of memory)", "after": {}}
    text = render_report(Report("t", query_sections(worst, best, explained, gained=True)))
    assert "<script" not in text and text.count("&lt;script&gt;") == 2
    assert text.count("before: no heat can be shown (out of memory)") == 2
    assert "Queries that gained most" in text


def test_a_video_has_no_heat() -> None:
    data = rows(2)
    data.documents[1] = ModelInput(video=(Image.new("RGB", (8, 8)),))
    worst, _ = chosen_queries(data, None, result([0.0, 1.0]), 1)
    assert worst[0].shows_video
    text = render_report(Report("t", query_sections(worst, [], {"after": {}}, gained=False)))
    assert "A video; no heat can be shown of it." in text


def test_a_model_that_does_not_fit_leaves_a_reason_and_a_mistake_of_ours_does_not() -> None:
    def fails(error: Exception):
        def load():
            raise error

        return load

    assert explanations(fails(MemoryError("no room")), []) == "no heat can be shown (no room)"
    assert explanations(fails(ModelError("gone")), []) == "no heat can be shown (gone)"
    with pytest.raises(RuntimeError, match="ours"):
        explanations(fails(RuntimeError("ours")), [])
