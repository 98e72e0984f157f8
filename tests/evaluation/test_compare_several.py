"""Several results beside each other: corrections by hand, and what is recorded of settings, metrics and queries."""

from __future__ import annotations

import dataclasses
import json

import pytest

from smart_train.errors import DataError
from smart_train.evaluation import EvaluationResult, compare, side_by_side
from smart_train.evaluation.compare_several import holm
from smart_train.evaluation.compare_tables import metrics_note


def result(hybrid, texts: bool = True) -> EvaluationResult:
    count = len(hybrid)
    return EvaluationResult(
        query_ids=[f"q{i}" for i in range(count)],
        per_query={score: {"ndcg@5": list(map(float, hybrid))} for score in ("pooled", "hybrid")},
        documents=10,
        chance={"ndcg@5": 0.1},
        scoring={},
        query_texts=[f"question {i}" for i in range(count)] if texts else [],
        relevant=[{f"d{i}": 1} for i in range(count)] if texts else [],
        found={"hybrid": [[f"d{i}" if value else "wrong"] for i, value in enumerate(hybrid)]} if texts else {},
    )


@pytest.mark.parametrize(
    ("given", "corrected"),
    [
        ([0.03], [0.03]),
        ([0.01, 0.04], [0.02, 0.04]),
        ([0.04, 0.01, 0.03], [0.06, 0.03, 0.06]),  # 3 x 0.01, 2 x 0.03, and not below that: 0.04 becomes 0.06
        ([0.5, 0.9], [1.0, 1.0]),
        ([], []),
    ],
)
def test_holms_correction_by_hand(given, corrected) -> None:
    assert holm(given) == pytest.approx(corrected)


def test_each_is_tested_against_the_first_and_corrected_for_their_number() -> None:
    base, same = result([0] * 6), result([0] * 6)
    better = result([1] * 6)  # p = 2 / 2^6: below 0.05 alone, and 0.0625 when it is one of two
    alone = side_by_side({"base": base, "better": better}).tests()
    assert [(row["name"], row["against"], row["p_value"], row["outcome"]) for row in alone] == [
        ("better", "base", 2 / 2**6, "better")
    ]
    found = side_by_side({"base": base, "better": better, "same": same})
    assert [(row["adjusted_p"], row["outcome"]) for row in found.tests()] == [
        (4 / 2**6, "not told apart"),
        (1.0, "not told apart"),
    ]
    assert found.comparisons["better"] == compare(base, better)
    said = found.lines()
    assert said[0].startswith(
        "better is not told apart from base at 6 queries, by hybrid nDCG@5: base 0.000, better 1."
    )
    assert "p 0.031), corrected for 2 comparisons 0.062; 6 queries better, 0 worse" in said[0]
    worse = side_by_side({"base": result([1] * 6), "worse": result([0] * 6)})
    assert worse.lines()[0].startswith("worse is worse than base at 6 queries") and "corrected" not in worse.lines()[0]


def test_queries_are_ordered_by_their_change_and_paired_by_id() -> None:
    first, other = result([0, 0.5, 1, 0.5]), result([0.25, 0.5, 0, 1])
    backwards = dataclasses.replace(
        other,
        query_ids=other.query_ids[::-1],
        per_query={score: {"ndcg@5": values["ndcg@5"][::-1]} for score, values in other.per_query.items()},
        query_texts=other.query_texts[::-1],
        relevant=other.relevant[::-1],
        found={"hybrid": other.found["hybrid"][::-1]},
    )
    found = side_by_side({"first": first, "other": backwards})
    rows = found.queries("other")
    assert [(row["query_id"], row["difference"]) for row in rows] == [("q3", 0.5), ("q0", 0.25), ("q2", -1.0)]
    assert [row["query_id"] for row in found.queries("other", 1)] == ["q3", "q2"] and found.queries("other", 0) == []
    assert rows[2] == {
        "query_id": "q2",
        "query": "question 2",
        "relevant": ["d2"],
        "before": 1.0,
        "after": 0.0,
        "difference": -1.0,
        "found_before": ["d2"],
        "found_after": ["wrong"],
    }
    old = side_by_side({"first": result([0], texts=False), "other": result([1], texts=False)}).queries("other")
    assert old == [{"query_id": "q0", "before": 0.0, "after": 1.0, "difference": 1.0}]


def test_settings_that_differ_and_metrics_are_records() -> None:
    results = {"a": result([0, 1]), "b": result([1, 1]), "model": result([0, 0])}
    settings = {"a": {"lora.r": 8, "seed": 0, "only": 1}, "b": {"lora.r": 16, "seed": 0}}
    found = side_by_side(results, settings=settings)
    assert found.differing_settings() == [{"key": "lora.r", "a": 8, "b": 16}, {"key": "only", "a": 1, "b": None}]
    (pooled, hybrid) = found.metrics()
    assert hybrid == {
        **{"score": "hybrid", "metric": "ndcg@5", "chance": 0.1, "a": 0.5, "b": 1.0, "model": 0.0},
        **{"b p": 1.0, "model p": 1.0},
    }
    assert json.loads(json.dumps(found.to_dict()))["changes"]["b"][0]["query_id"] == "q0"


def test_a_model_that_is_late_only_is_compared_by_its_own_score() -> None:
    """Hybrid of the one against late of the other, paired by query id; the shared score keeps its own row."""
    hybrid = dataclasses.replace(
        result([0, 0, 0, 0.5, 1, 0]),
        per_query={
            "pooled": {"ndcg@5": [1.0] * 6},
            "late": {"ndcg@5": [0.0] * 6},
            "hybrid": {"ndcg@5": [0, 0, 0, 0.5, 1, 0]},
        },
    )
    hybrid = dataclasses.replace(hybrid, found={score: [["there"]] * 6 for score in ("pooled", "late", "hybrid")})
    late = result([1, 1, 1, 1, 0, 1])
    late = dataclasses.replace(
        late,
        query_ids=late.query_ids[::-1],
        per_query={"late": {"ndcg@5": late.per_query["hybrid"]["ndcg@5"][::-1]}},
        query_texts=late.query_texts[::-1],
        relevant=late.relevant[::-1],
        found={"late": [["here"]] * 6},
    )
    found = side_by_side({"ours": hybrid, "colpali": late}, "own_ndcg@5")
    assert found.metric == "own_ndcg@5" and found.deciding == {"ours": "hybrid", "colpali": "late"}
    by_hand = compare(
        dataclasses.replace(hybrid, per_query={"own": hybrid.per_query["hybrid"]}),
        dataclasses.replace(late, per_query={"own": late.per_query["late"]}),
    )
    assert found.comparisons["colpali"].row("own", "ndcg@5") == by_hand.row("own", "ndcg@5")
    (test,) = found.tests()
    assert (test["before"], test["after"], test["better"], test["worse"]) == (0.25, pytest.approx(5 / 6), 5, 1)
    shared, own = found.metrics()
    assert (shared["score"], shared["ours"], shared["colpali"]) == ("late", 0.0, pytest.approx(5 / 6))
    assert (own["score"], own["ours"], own["colpali p"]) == ("own", 0.25, test["p_value"])
    assert "by nDCG@5, late of colpali and hybrid of ours: ours 0.250, colpali 0.833" in found.lines()[0]
    assert [row["query_id"] for row in found.queries("colpali")] == ["q0", "q1", "q2", "q5", "q3", "q4"]
    assert (
        found.queries("colpali")[0] | {"found_before": ["there"], "found_after": ["here"]}
        == found.queries("colpali")[0]
    )
    assert found.to_dict()["scores"] == found.deciding
    assert "own: the score that each ranks by, hybrid of ours, late of colpali" in metrics_note(found)
    two = side_by_side({"one": late, "other": late}, "own_ndcg@5")
    assert two.metric == "late_ndcg@5" and "own" not in two.results["one"].per_query
    assert side_by_side({"ours": hybrid, "colpali": late}, "late_ndcg@5").deciding == {
        "ours": "late",
        "colpali": "late",
    }
    with pytest.raises(
        DataError, match=r"colpali has no hybrid_ndcg@5; it has late_ndcg@5\. own_ndcg@5 compares each by"
    ):
        side_by_side({"ours": hybrid, "colpali": late}, "hybrid_ndcg@5")
    with pytest.raises(DataError, match="ours has no own_ndcg@7; it has pooled_ndcg@5"):
        side_by_side({"ours": hybrid, "colpali": late}, "own_ndcg@7")


def test_what_cannot_be_compared_is_named() -> None:
    with pytest.raises(DataError, match="at least two results, and there is 1"):
        side_by_side({"a": result([0])})
    with pytest.raises(DataError, match="^a and b: the two results have different queries; 1 are in only one"):
        side_by_side({"a": result([0]), "b": result([0, 1])})
    with pytest.raises(DataError, match="compare: a has no late_ndcg@5; it has pooled_ndcg@5, hybrid_ndcg@5"):
        side_by_side({"a": result([0]), "b": result([1])}, "late_ndcg@5")
    with pytest.raises(DataError, match="metric 'ndcg': must read SCORE_METRIC"):
        side_by_side({"a": result([0]), "b": result([1])}, "ndcg")
