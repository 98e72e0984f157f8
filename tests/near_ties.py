"""Ranking metrics of two runs that round differently: two processes and one, or two processors.

A ranking jumps where two scores are nearly equal, and among some hundred pairs of scores a few always are: there the
last bit decides. So a metric is compared with the range that it has when every relevant document may score a little
more or less.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import pytest

from smart_train.evaluation import RetrievalEvaluator
from smart_train.evaluation.metrics import score_rankings
from smart_train.evaluation.ranking import RankingBuilder

# Scores of one model on two processors, or of runs as `tests.runs.GENTLE` trains them, differ by at most 3e-6.
MARGIN = 2e-5
Ranges = dict[str, dict[str, tuple[float, float]]]  # score -> metric -> lowest and highest mean


@contextmanager
def metric_ranges() -> Iterator[list[Ranges]]:
    """The ranges of every evaluation that this process makes while the context lasts, in order."""
    seen: list[Ranges] = []
    usual = RetrievalEvaluator._result

    def noted(evaluator: RetrievalEvaluator, builders: dict[str, RankingBuilder], *rest: object) -> object:
        seen.append({score: _ranges(evaluator, builder) for score, builder in builders.items()})
        return usual(evaluator, builders, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RetrievalEvaluator, "_result", noted)
        yield seen


def assert_within(metrics: dict[str, dict[str, float]], ranges: Ranges) -> None:
    """All `metrics` (score -> metric -> mean) lie in their range. A range is at most a tenth wide: one query of ten."""
    for score, expected in ranges.items():
        for name, (low, high) in expected.items():
            assert high - low <= 0.1 + 1e-9, (
                f"{score} {name}: {low} to {high}: too many near-ties to compare runs by it"
            )
            assert low - 1e-9 <= metrics[score][name] <= high + 1e-9, f"{score} {name}"


def assert_each_within(logged: Mapping[int, float], evaluations: list[Ranges]) -> None:
    """As `assert_within`, of the one metric that a log holds of every evaluation: step -> mean nDCG@5 of the hybrid."""
    for mean, ranges in zip(logged.values(), evaluations, strict=True):
        assert_within({"hybrid": {"ndcg@5": mean}}, {"hybrid": {"ndcg@5": ranges["hybrid"]["ndcg@5"]}})


def best_of(evaluations: list[Ranges], score: str, metric: str) -> int:
    """The place of the best evaluation, which no near-tie may decide."""
    lows, highs = zip(*(ranges[score][metric] for ranges in evaluations), strict=True)
    best = int(np.argmax(lows))
    assert all(lows[best] > high for place, high in enumerate(highs) if place != best), (lows, highs)
    return best


def _ranges(evaluator: RetrievalEvaluator, builder: RankingBuilder) -> dict[str, tuple[float, float]]:
    data = evaluator.evaluation_set
    assert builder.depth >= len(data.documents), "documents beyond the depth may be near-ties, too"
    means = []
    for shift in (-MARGIN, MARGIN):
        rankings = {}
        for query, (scores, columns) in zip(data.query_ids, builder.kept(), strict=True):
            ids = [data.document_ids[column] for column in columns]
            relevant = np.array([data.qrels[query].get(document, 0) > 0 for document in ids])
            rankings[query] = [ids[place] for place in np.argsort(-(scores + shift * relevant), kind="stable")]
        found = score_rankings(rankings, data.qrels, evaluator.ks)
        means.append({name: float(np.mean(values)) for name, values in found.items()})
    lowest, highest = means
    return {name: (lowest[name], highest[name]) for name in lowest}
