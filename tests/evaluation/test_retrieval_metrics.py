"""Metrics against values worked out by hand, and chance against many random rankings."""

from __future__ import annotations

import math
import random

import pytest

from smart_train.errors import DataError
from smart_train.evaluation.metrics import chance, check_ks, depth_for, metric_names, score_rankings

LOG3 = math.log2(3)


def score(ranking: list[str], grades: dict[str, int], ks=(1, 2, 5)) -> dict[str, float]:
    return {name: values[0] for name, values in score_rankings({"q": ranking}, {"q": grades}, ks).items()}


def test_one_relevant_document_at_the_second_place():
    found = score(["x", "a", "y"], {"a": 1})
    assert [found[f"ndcg@{k}"] for k in (1, 2, 5)] == pytest.approx([0, 1 / LOG3, 1 / LOG3])
    assert [found[f"recall@{k}"] for k in (1, 2, 5)] == [0, 1, 1]
    assert found["mrr@10"] == 0.5


def test_two_relevant_documents():
    # Places 1 and 3: DCG@5 = 1 + 1/2; ideal = 1 + 1/log2(3).
    found = score(["a", "x", "b"], {"a": 1, "b": 1})
    assert found["ndcg@5"] == pytest.approx(1.5 / (1 + 1 / LOG3))
    assert found["ndcg@2"] == pytest.approx(1 / (1 + 1 / LOG3))
    assert (found["recall@1"], found["recall@2"], found["recall@5"]) == (0.5, 0.5, 1.0)
    assert found["mrr@10"] == 1.0


def test_graded_relevance_uses_the_grade_as_gain():
    # Grades 1 then 3 found, ideal 3 then 1: (1 + 3/log2(3)) / (3 + 1/log2(3)).
    found = score(["low", "high", "zero"], {"high": 3, "low": 1, "zero": 0})
    assert found["ndcg@1"] == pytest.approx(1 / 3)
    assert found["ndcg@5"] == pytest.approx((1 + 3 / LOG3) / (3 + 1 / LOG3))
    assert found["recall@2"] == 1.0
    assert found["mrr@10"] == 1.0


def test_reciprocal_rank_stops_at_ten():
    filler = [f"x{i}" for i in range(20)]
    assert score([*filler[:9], "a"], {"a": 1})["mrr@10"] == pytest.approx(0.1)
    assert score([*filler[:10], "a"], {"a": 1}, ks=(20,))["mrr@10"] == 0.0


def test_ids_that_would_sort_the_other_way_change_nothing():
    # trec_eval breaks its own ties by document id; our places must win whatever the ids are.
    for first, second in (("a", "b"), ("b", "a"), ("10", "9")):
        assert score([first, second], {first: 1})["ndcg@1"] == 1.0
        assert score([first, second], {second: 1})["ndcg@1"] == 0.0


def test_file_names_that_are_not_unicode_do_not_crash():
    assert score(["\udce9", "b"], {"\udce9": 1})["ndcg@1"] == 1.0


def test_values_stay_in_the_order_of_the_queries():
    rankings = {f"q{i}": ["a", "b"] for i in range(12)}
    qrels = {f"q{i}": {"a" if i % 3 else "b": 1} for i in range(12)}
    assert score_rankings(rankings, qrels, (1,))["ndcg@1"] == [1.0 if i % 3 else 0.0 for i in range(12)]


def test_a_query_without_judgements_is_named():
    with pytest.raises(DataError, match="1 queries have no relevant document, the first is 'q2'"):
        score_rankings({"q1": ["a"], "q2": ["a"]}, {"q1": {"a": 1}, "q2": {"a": 0}}, (1,))


def test_names_and_depth():
    assert metric_names((5, 1)) == ["ndcg@1", "ndcg@5", "recall@1", "recall@5", "mrr@10"]
    assert (depth_for((1, 5)), depth_for((100,))) == (10, 100)


@pytest.mark.parametrize("ks", [(), (0,), (1.5,), (True,), (-1, 5)])
def test_bad_cutoffs(ks):
    with pytest.raises(DataError, match="cut-offs must be whole numbers"):
        check_ks(ks)


def test_chance_by_hand():
    # One relevant document among four: recall@2 = 1/2; nDCG@2 = 1/4 (1 + 1/log2 3); MRR = 1/4 (1 + 1/2 + 1/3 + 1/4).
    found = chance({"q": {"a": 1}}, 4, (1, 2))
    expected = {
        "ndcg@1": 0.25,
        "ndcg@2": (1 + 1 / LOG3) / 4,
        "recall@1": 0.25,
        "recall@2": 0.5,
        "mrr@10": (1 + 1 / 2 + 1 / 3 + 1 / 4) / 4,
    }
    assert found == pytest.approx(expected)


def test_chance_equals_the_mean_of_random_rankings():
    documents = [f"d{i}" for i in range(12)]
    qrels = {"one": {"d0": 1}, "graded": {"d1": 3, "d2": 1, "d5": 2, "d7": 0}, "many": dict.fromkeys(documents[:8], 1)}
    generator = random.Random(0)
    trials = 4000
    totals = dict.fromkeys(metric_names((1, 5, 20)), 0.0)
    rankings, judged = {}, {}
    for trial in range(trials):
        for query, grades in qrels.items():
            rankings[f"{query}{trial}"] = generator.sample(documents, len(documents))
            judged[f"{query}{trial}"] = grades
    for name, values in score_rankings(rankings, judged, (1, 5, 20)).items():
        totals[name] = sum(values) / len(values)
    assert chance(qrels, len(documents), (1, 5, 20)) == pytest.approx(totals, abs=0.01)


def test_chance_when_everything_is_relevant():
    found = chance({"q": {"a": 1, "b": 1}}, 2, (1, 5))
    assert found == pytest.approx({"ndcg@1": 1, "ndcg@5": 1, "recall@1": 0.5, "recall@5": 1, "mrr@10": 1})
