"""The last lines of an evaluation and of a run: their statistics by hand, and what they say of each outcome."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from smart_train.errors import DataError
from smart_train.evaluation import (
    EvaluationResult,
    RetrievalEvaluator,
    Selection,
    best_step,
    compare_scores,
    conclusion,
    fewest_queries,
    least_difference,
    verdict,
)
from smart_train.evaluation.compare import sign_flip_p_values
from smart_train.evaluation.verdict import reach_line
from smart_train.utils.byte_sizes import decimal_size


def result(pooled, hybrid, late=None) -> EvaluationResult:
    scores = {"pooled": pooled, "late": pooled if late is None else late, "hybrid": hybrid}
    return EvaluationResult(
        query_ids=[f"q{i}" for i in range(len(pooled))],
        per_query={score: {"ndcg@5": [float(value) for value in values]} for score, values in scores.items()},
        documents=10,
        chance={"ndcg@5": 0.1},
        scoring={},
        document_bytes={"pooled": 1_536.0, "tokens": 43_200.0},
    )


def test_two_scores_of_one_model_are_paired_by_query():
    # hybrid - pooled is 1, 2, 3: only +++ and --- reach |sum| 6, of 8 patterns. late - pooled is 1, -1, 1: all reach 1.
    comparison = compare_scores(result([0, 0, 0], [1, 2, 3], late=[1, -1, 1]))
    row = comparison.row("hybrid - pooled", "ndcg@5")
    assert (row.before, row.after, row.difference, row.p_value, row.better) == (0, 2, 2, 2 / 8, 3)
    assert comparison.row("late - pooled", "ndcg@5").p_value == 1.0
    rest = comparison.row("hybrid - late", "ndcg@5")
    assert (rest.before, rest.after, rest.better, rest.worse) == (pytest.approx(1 / 3), 2, 2, 0)
    with pytest.raises(DataError, match="no two scores to compare, but pooled"):
        compare_scores(dataclasses.replace(result([1], [1]), per_query={"pooled": {"ndcg@5": [1.0]}}))


def test_the_least_difference_by_hand():
    # Mean 3/4; squares about it 2 x 9/16 + 6 x 1/16 = 1.5, over 7; its root over that of 8: 0.163663; 1.95996 + 0.84162
    # times that.
    differences = [0, 0, 1, 1, 1, 1, 1, 1]
    assert least_difference(differences) == pytest.approx(0.458517, abs=1e-5)
    wider = least_difference(differences, confidence=0.9, power=0.5)
    assert wider == pytest.approx(1.64485 * 0.163663, abs=1e-5)
    for few in ([1, 1, 1, 1, 1], [1, 1, 1, 1, 1] + [0] * 45):
        assert least_difference(few) is None, "where five queries differ, p is at least 2 / 2^5 = 0.0625"
        assert sign_flip_p_values(np.array(few, dtype=float)[:, None], 4_000, np.random.default_rng(0))[0] > 0.05
    assert least_difference([0.0] * 50) is None, "where nothing differs, nothing is known of the spread"


def test_a_difference_of_that_size_is_found_in_four_of_five_tests():
    generator = np.random.default_rng(0)
    drawn = generator.normal(0, 1, size=(50, 600))
    least = least_difference(np.array([1.0, -1.0] * 25))  # standard deviation 1, but for 50 / 49 of its square
    assert least == pytest.approx(2.80159 * math.sqrt(50 / 49 / 50), abs=1e-4)
    found = (sign_flip_p_values(drawn + least, 1_000, generator) < 0.05).mean()
    assert 0.75 < found < 0.87  # 0.80 expected, standard error 0.016


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
def test_fewer_queries_are_never_enough(confidence):
    count = fewest_queries(confidence)
    alike = np.ones((count, 1))  # as clear as differences can be
    generator = np.random.default_rng(0)
    assert sign_flip_p_values(alike, 10_000, generator)[0] < 1 - confidence
    assert sign_flip_p_values(alike[:-1], 10_000, generator)[0] >= 1 - confidence


def test_the_verdict_on_a_model_that_its_tokens_help():
    found = verdict(result([0.0] * 4 + [0.5] * 8, [1.0] * 4 + [0.75] * 8))
    assert found.outcome == "better" and found.hybrid.p_value == 2 / 2**12 and found.needed is None
    first, reach, size, advice = found.lines()
    assert first.startswith(
        "Verdict: hybrid is better than pooled at 12 queries, by nDCG@5: pooled 0.333, hybrid 0.833 (+0.500, 95% "
    )
    assert first.endswith("p <0.001)")
    # 4 of 1 and 8 of 0.25 about 0.5: squares 4/4 + 8/16 = 1.5, over 11; its root over that of 12; times 2.80159.
    assert found.least == pytest.approx(2.80159 * math.sqrt(1.5 / 11 / 12), abs=1e-4)
    assert reach == "  12 queries can show a difference of 0.299 or more (in four of five such tests)"
    assert size == "  a document takes 1.5 kB pooled, and 44.7 kB with its tokens"
    assert advice.startswith("  next: training most often adds to it: smart-train init")
    values = json.loads(json.dumps(found.to_dict()))
    assert values["outcome"] == "better" and values["hybrid"]["difference"] == 0.5


def test_the_verdict_where_nothing_is_told_apart():
    found = verdict(result([0.0, 1.0] * 6, [1.0, 0.75] * 6))
    # +1 and -0.25: mean 0.375, each 0.625 from it.
    assert found.hybrid.difference == 0.375 and found.outcome == "not told apart"
    least = 2.80159 * math.sqrt(12 * 0.625**2 / 11 / 12)
    assert found.least == pytest.approx(least, abs=1e-4)
    assert found.needed == math.ceil(12 * (least / 0.375) ** 2) == 24
    text = "\n".join(found.lines())
    assert "hybrid and pooled are not told apart at 12 queries" in text
    assert "next: about 24 queries would tell a difference as large as this one apart" in text


def test_the_verdict_where_tokens_hurt_or_the_late_score_alone_is_better():
    worse = "\n".join(verdict(result([1.0] * 12, [0.5] * 12, late=[0.5] * 12)).lines())
    assert "hybrid is worse than pooled" in worse and "scoring.late_weight=0" in worse
    late = "\n".join(verdict(result([0.5] * 12, [0.75] * 12, late=[1.0] * 12)).lines())
    assert "the late score alone is better than hybrid (1.000 against 0.750, p <0.001)" in late
    assert "give it more weight, as in scoring.late_weight=4, or" in late
    # Not what is in force already, such as a weight that was learned.
    learned = {"scoring": {"pooled_weight": 1.0, "late_weight": 4.8}}
    late = verdict(dataclasses.replace(result([0.5] * 12, [0.75] * 12, late=[1.0] * 12), **learned))
    worse = verdict(dataclasses.replace(result([1.0] * 12, [0.5] * 12, late=[0.5] * 12), **learned))
    assert "scoring.late_weight=19.2, or let" in "\n".join(late.lines())
    assert "a smaller weight such as scoring.late_weight=1.2; " in "\n".join(worse.lines())
    absent = dataclasses.replace(late, late_weight=0.0)
    assert "scoring.late_weight=1, or let" in "\n".join(absent.lines())


@pytest.mark.parametrize(
    ("queries", "said"),
    [
        (3, "3 queries cannot show any difference; it takes at least 6"),
        (40, "fewer than 6 queries differ, so it is not known what 40 queries can show"),
    ],
)
def test_what_queries_cannot_show_is_said(queries, said):
    found = verdict(result([0.5] * queries, [0.5] * queries))
    assert (found.outcome, found.least, found.needed) == ("not told apart", None, None)
    assert any(said in line for line in found.lines())
    with pytest.raises(DataError, match=r"no row hybrid - pooled ndcg@7; there are late - pooled ndcg@5"):
        verdict(result([0.5], [0.5]), "ndcg@7")


def test_the_conclusion_of_a_run():
    before, after = result([0.0] * 12, [0.0] * 12), result([0.0] * 12, [0.25] * 12)
    said = conclusion(before, after, "hybrid_ndcg@5", chosen_step=4, steps=6)
    assert said == (
        "Conclusion: better than before training at 12 queries, by hybrid nDCG@5: before 0.000, after 0.250 (+0.250, "
        "95% interval +0.250 to +0.250, p <0.001); the weights are those of step 4 of 6"
    )
    selection = Selection("data.evaluation", "hybrid_ndcg@5", 3, 4)
    chosen = conclusion(after, before, "hybrid_ndcg@5", chosen_step=4, steps=6, selection=selection)
    assert chosen.startswith("Conclusion: worse than before training at 12 queries")
    assert chosen.endswith("; step 4 of 6 was chosen, by hybrid_ndcg@5 on data.evaluation")
    same = conclusion(before, after, "pooled_ndcg@5")
    assert same.startswith("Conclusion: not told apart from before training at 12 queries, by pooled nDCG@5")
    assert same.endswith("; fewer than 6 queries differ, so it is not known what 12 queries can show")


def test_queries_are_paired_by_id_in_what_they_can_show():
    before, after = result([0.0] * 8, [0, 1] * 4), result([0.0] * 8, [1, 0] * 4)
    backwards = dataclasses.replace(
        after,
        query_ids=after.query_ids[::-1],
        per_query={score: {"ndcg@5": columns["ndcg@5"][::-1]} for score, columns in after.per_query.items()},
    )
    assert conclusion(before, backwards, "hybrid_ndcg@5") == conclusion(before, after, "hybrid_ndcg@5")


def test_a_run_that_was_measured_once_or_never_says_so():
    one = result([0.0] * 8, [0.5] * 8)
    assert conclusion(None, one, "hybrid_ndcg@5", chosen_step=6, steps=6) == (
        "Conclusion: none, nothing was measured before training; hybrid nDCG@5 after it is 0.500 at 8 queries; the "
        "weights are those of step 6 of 6"
    )
    assert "nothing was measured after training; hybrid nDCG@5 before it" in conclusion(one, None, "hybrid_ndcg@5")
    assert conclusion(None, None, "hybrid_ndcg@5") == "Conclusion: none, no held-out queries were measured"
    with pytest.raises(DataError, match="metric 'ndcg@5': must read SCORE_METRIC with pooled, late, hybrid"):
        conclusion(one, one, "ndcg@5")


def test_the_best_step_is_the_first_of_equals():
    records = [{"step": step, "eval_hybrid_ndcg@5": value} for step, value in ((2, 0.9), (2, 0.3), (4, 0.5), (6, 0.5))]
    assert best_step([{"step": 1, "loss": 1.0}, *records], "hybrid_ndcg@5") == 4
    assert best_step(records, "late_ndcg@5") is None


def test_bytes_for_readers():
    assert [decimal_size(size) for size in (8, 1_536, 44_736, 150_000, 14_700_000, 2.5e10)] == [
        *("8 bytes", "1.5 kB", "44.7 kB", "150 kB", "14.7 MB", "25.0 GB")
    ]
    assert reach_line(0.0312, 100).startswith("100 queries can show a difference of 0.031 or more")


def test_a_result_keeps_texts_pages_found_and_bytes(evaluation_set, make_model, tmp_path):
    model = make_model()
    measured = RetrievalEvaluator(evaluation_set)(model)
    assert measured.query_texts[3] == "page 3|question" and measured.relevant[3] == {"d3": 1}
    assert all(len(found) == 5 for found in measured.found["late"])
    for score, found in measured.found.items():
        hits = [float(ids[0] == f"d{i}") for i, ids in enumerate(found)]
        assert hits == measured.per_query[score]["recall@1"]
    encoded = model.encode_document(evaluation_set.documents)
    assert measured.document_bytes == {"pooled": 8 * 4.0, "tokens": encoded.packed.numel() * 4 / len(encoded)}
    assert EvaluationResult.load(measured.save(tmp_path / "a.json")) == measured
    record = measured.records()[3]
    assert record["query"] == "page 3|question" and record["relevant"] == ["d3"] and len(record["found_hybrid"]) == 5
    assert record["late_mrr@10"] == measured.per_query["late"]["mrr@10"][3]


def test_results_of_version_0_1_0_are_read(evaluation_set, make_model):
    measured = RetrievalEvaluator(evaluation_set)(make_model())
    old = measured.to_dict()
    for name in ("query_texts", "relevant", "found", "document_texts", "document_bytes"):
        del old[name]
    read = EvaluationResult.from_dict(old)
    assert read.metrics == measured.metrics and read.found == {} and "found_late" not in read.records()[0]
    assert len(verdict(read).lines()) == len(verdict(measured).lines()) - 1, "bytes are not known"
    with pytest.raises(DataError, match="query_texts has 1 entries for 30 queries"):
        EvaluationResult.from_dict({**old, "query_texts": ["a"]})
