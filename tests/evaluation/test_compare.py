"""The paired comparison by hand, against scipy, and on differences that are nothing but luck."""

from __future__ import annotations

import dataclasses
import json
import sys

import numpy as np
import pytest
from scipy import stats

from smart_train.errors import DataError
from smart_train.evaluation import Comparison, EvaluationResult, compare
from smart_train.evaluation.compare import bootstrap_interval, sign_flip_p_values, sign_flip_test


def result(values, ids=None, documents: int = 10, metric: str = "ndcg@5") -> EvaluationResult:
    values = [float(value) for value in values]
    return EvaluationResult(
        query_ids=ids or [f"q{i}" for i in range(len(values))],
        per_query={"hybrid": {metric: values}},
        documents=documents,
        chance={metric: 0.1},
        scoring={},
    )


def test_all_patterns_by_hand():
    # Differences 1, 2, 3: only +++ and --- reach |sum| 6, of 8 patterns.
    comparison = compare(result([0, 0, 0]), result([1, 2, 3]))
    row = comparison.row("hybrid", "ndcg@5")
    assert (row.before, row.after, row.difference, row.better, row.worse) == (0, 2, 2, 3, 0)
    assert row.p_value == 2 / 8
    # 1, -1, 1: the observed |sum| 1 is the smallest there is; every pattern reaches it.
    assert compare(result([0, 1, 0]), result([1, 0, 1])).rows[0].p_value == 1.0


def test_no_difference_is_never_significant():
    row = compare(result([0.3] * 40), result([0.3] * 40)).rows[0]
    assert (row.p_value, row.difference, row.better, row.worse) == (1, 0, 0, 0)
    assert (row.low, row.high) == pytest.approx((0, 0))


def test_a_single_query_proves_nothing():
    row = compare(result([0]), result([1])).rows[0]
    assert (row.p_value, row.low, row.high) == (1.0, -1.0, 1.0)


def test_exact_p_values_equal_scipy():
    differences = np.random.default_rng(1).normal(0.3, 1, size=(9, 1)).round(2)
    expected = stats.permutation_test(
        (differences[:, 0],), np.mean, permutation_type="samples", n_resamples=np.inf
    ).pvalue
    found = sign_flip_p_values(differences, 1000, np.random.default_rng(0))
    assert found[0] == pytest.approx(expected)


def test_sampled_p_values_are_close_to_the_exact_ones():
    differences = np.random.default_rng(2).normal(0.4, 1, size=(12, 3))
    exact = sign_flip_p_values(differences, 4096, np.random.default_rng(0))
    sampled = sign_flip_p_values(differences, 4095, np.random.default_rng(0))
    assert sampled == pytest.approx(exact, abs=0.03)
    assert not np.array_equal(sampled, exact)


def test_chunks_do_not_change_the_exact_test(monkeypatch):
    differences = np.random.default_rng(3).normal(0.4, 1, size=(10, 2))
    whole = sign_flip_p_values(differences, 2000, np.random.default_rng(0))
    monkeypatch.setattr(sys.modules[compare.__module__], "_CHUNK_CELLS", 70)
    assert np.array_equal(sign_flip_p_values(differences, 2000, np.random.default_rng(0)), whole)


def test_luck_alone_is_significant_as_often_as_promised():
    generator = np.random.default_rng(4)
    differences = generator.normal(0, 1, size=(40, 400))
    share = (sign_flip_p_values(differences, 1000, generator) < 0.05).mean()
    assert 0.01 < share < 0.09  # 0.05 expected, standard error 0.011


def test_the_interval_by_hand():
    # Differences 0.1 to 0.5. The halves with the least means are none, 0.1 alone, 0.1 with 0.2, 0.1 with 0.3, and 0.2;
    # each twice, as a pattern and as its opposite. At 80 % a fifth of 32 patterns is 6.4: the seventh is the bound.
    differences = np.array([[0.1], [0.2], [0.3], [0.4], [0.5]])
    _, low, high = sign_flip_test(differences, 32, 0.8, np.random.default_rng(0))
    assert (low[0], high[0]) == pytest.approx((0.2, 0.4))
    _, low, high = sign_flip_test(differences, 32, 0.95, np.random.default_rng(0))
    assert (low[0], high[0]) == (-1, 1), "five queries reject nothing at 5 %"


@pytest.mark.parametrize("count", [6, 8, 12, 40])
def test_zero_lies_in_the_interval_where_p_tells_nothing_apart_and_nowhere_else(count):
    generator = np.random.default_rng(7)
    differences = generator.normal(0.35, 1, size=(count, 300)).round(1)  # many unchanged, many ties
    p_values, low, high = sign_flip_test(differences, 4096, 0.95, generator)
    assert np.array_equal(p_values >= 0.05, (low <= 0) & (high >= 0))
    assert 10 < (p_values < 0.05).sum() < 290, "else this test could not fail"


def test_a_bound_is_where_the_test_begins_to_reject():
    differences = np.random.default_rng(8).normal(0.3, 1, size=(11, 1))
    _, low, high = sign_flip_test(differences, 2048, 0.9, np.random.default_rng(0))
    for bound, inwards in ((low[0], 1e-6), (high[0], -1e-6)):
        inside, outside = (
            sign_flip_p_values(differences - bound - step, 2048, np.random.default_rng(0))[0]
            for step in (inwards, -inwards)
        )
        assert outside < 0.1 <= inside


@pytest.mark.parametrize("way", [bootstrap_interval, lambda *given: sign_flip_test(*given)[1:]], ids=["mean", "test"])
def test_interval_is_close_to_the_normal_one(way):
    differences = np.random.default_rng(5).normal(0.2, 0.5, size=(400, 1))
    low, high = way(differences, 4000, 0.95, np.random.default_rng(0))
    error = 1.96 * differences.std() / 20
    assert low[0] == pytest.approx(differences.mean() - error, abs=0.015)
    assert high[0] == pytest.approx(differences.mean() + error, abs=0.015)


def test_queries_are_paired_by_id():
    before = result([0.1, 0.2, 0.9], ids=["a", "b", "c"])
    after = result([0.9, 0.1, 0.2], ids=["c", "a", "b"])
    assert compare(before, after).rows[0].difference == pytest.approx(0)
    assert compare(before, after).rows[0].better == 0


def test_the_seed_decides_everything():
    generator = np.random.default_rng(6)
    before, after = result(generator.random(50)), result(generator.random(50))
    assert compare(before, after, seed=3) == compare(before, after, seed=3)
    assert compare(before, after, seed=3) != compare(before, after, seed=4)


def test_survives_json():
    comparison = compare(result([0, 0, 1]), result([1, 0, 1]))
    assert Comparison.from_dict(json.loads(json.dumps(comparison.to_dict()))) == comparison
    with pytest.raises(DataError, match="rows"):
        Comparison.from_dict({"queries": 3})


@pytest.mark.parametrize(
    ("after", "options", "message"),
    [
        (result([1, 1], ids=["q0", "x"]), {}, "2 are in only one of them, such as 'q1'"),
        (result([1, 1], documents=11), {}, "10 documents before and 11 after"),
        (result([1, 1], metric="ndcg@1"), {}, "no metric in common"),
        (result([1, 1]), {"samples": 0}, "samples=0"),
        (result([1, 1]), {"confidence": 95}, "confidence=95 between 0 and 1"),
    ],
)
def test_refusals(after, options, message):
    with pytest.raises(DataError, match=message):
        compare(result([0, 0]), after, **options)


def test_the_same_ids_of_other_queries_are_not_pairs():
    first = dataclasses.replace(result([0, 0]), query_texts=["a", "b"], relevant=[{"d": 1}, {"d": 1}])
    for change, message in (
        ({"query_texts": ["a", "c"]}, "1 queries have other texts under the same id in the two results, such as 'q1'"),
        ({"relevant": [{"d": 2}, {"e": 1}]}, "2 queries have other relevant documents .* such as 'q0'"),
    ):
        with pytest.raises(DataError, match=message):
            compare(first, dataclasses.replace(first, **change))
    assert compare(first, result([0, 1])).queries == 2, "version 0.1.0 did not keep them"


def test_unknown_row_lists_the_known():
    with pytest.raises(DataError, match=r"no row late ndcg@5; there are hybrid ndcg@5"):
        compare(result([0]), result([1])).row("late", "ndcg@5")
