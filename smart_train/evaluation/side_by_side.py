"""Several evaluations of the same queries beside each other: what they score, and which queries tell them apart.

The first one is what the others are compared with, each by the paired test of `compare`. With several of them, each has
a chance to look better by luck; the p values of one metric are therefore also given after Holm's correction (Holm,
1979): the smallest p times their number, the next times one less, and so on, none below the one before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from smart_train.errors import DataError
from smart_train.evaluation.compare import Comparison, compare
from smart_train.evaluation.metrics import metric_label
from smart_train.evaluation.result import EvaluationResult
from smart_train.evaluation.verdict import count_text, paired_values, split_metric
from smart_train.utils.terms import HEADLINE


@dataclass(frozen=True)
class SideBySide:
    """Evaluations of the same queries, and how each differs from the first.

    Args:
        results: name -> result, the one that the others are compared with first.
        comparisons: name -> its comparison with the first, of all but the first.
        metric: what decides, for example "hybrid_ndcg@5".
        settings: name -> flat settings of the run that made it; empty of what is not a run.
    """

    results: dict[str, EvaluationResult]
    comparisons: dict[str, Comparison]
    metric: str
    settings: dict[str, dict[str, Any]]

    @property
    def first(self) -> str:
        return next(iter(self.results))

    def differing_settings(self) -> list[dict[str, Any]]:
        """A record for every setting that is not the same in all runs: {"key": ..., NAME: value, ...}. A run without
        the setting has None."""
        runs = {name: values for name, values in self.settings.items() if values}
        keys = dict.fromkeys(key for values in runs.values() for key in values)
        rows = [{"key": key} | {name: values.get(key) for name, values in runs.items()} for key in keys]
        return [row for row in rows if any(row[one] != row[other] for one, other in pairwise(runs))]

    def metrics(self) -> list[dict[str, Any]]:
        """A record for every score and metric that all have: {"score", "metric", "chance", NAME: mean, ..., and for all
        but the first "NAME p": its p value}."""
        rows = []
        means = {name: result.metrics for name, result in self.results.items()}
        for score, columns in means[self.first].items():
            for metric in columns:
                if not all(metric in values.get(score, {}) for values in means.values()):
                    continue
                row = {"score": score, "metric": metric, "chance": self.results[self.first].chance[metric]}
                row |= {name: values[score][metric] for name, values in means.items()}
                row |= {
                    f"{name} p": comparison.row(score, metric).p_value for name, comparison in self.comparisons.items()
                }
                rows.append(row)
        return rows

    def tests(self) -> list[dict[str, Any]]:
        """A record for each comparison with the first, by `metric`: {"name", "against", "before", "after",
        "difference", "low", "high", "p_value", "adjusted_p", "better", "worse", "outcome"}."""
        score, metric = split_metric(self.metric)
        rows = {name: comparison.row(score, metric) for name, comparison in self.comparisons.items()}
        adjusted = holm([row.p_value for row in rows.values()])
        records = []
        for (name, row), p_value in zip(rows.items(), adjusted, strict=True):
            values = {key: getattr(row, key) for key in ("before", "after", "difference", "low", "high", "p_value")}
            significant = p_value < 1 - self.comparisons[name].confidence
            outcome = "not told apart" if not significant else "better" if row.difference > 0 else "worse"
            values |= {"adjusted_p": p_value, "better": row.better, "worse": row.worse, "outcome": outcome}
            records.append({"name": name, "against": self.first, **values})
        return records

    def queries(self, name: str, count: int = 5) -> list[dict[str, Any]]:
        """The queries whose value by `metric` rose most from the first to `name`, then those that fell most: at most
        `count` of each, the largest change first.

        Returns:
            {"query_id", "query", "relevant", "before", "after", "difference", "found_before", "found_after"} of each;
            texts and documents only where the results keep them. `EvaluationResult.document_texts` has the beginnings
            of documents that are texts.
        """
        score, metric = split_metric(self.metric)
        first, other = self.results[self.first], self.results[name]
        before, after = paired_values(first, first, score, metric), paired_values(other, first, score, metric)
        place = {query: i for i, query in enumerate(other.query_ids)}
        order = sorted(range(len(before)), key=lambda i: (before[i] - after[i], i))
        rose = [i for i in order if after[i] > before[i]][:count]
        fell = [i for i in reversed(order) if after[i] < before[i]][:count]
        records = []
        for i in [*rose, *fell]:
            row: dict[str, Any] = {"query_id": first.query_ids[i]}
            row |= {"query": first.query_texts[i]} if first.query_texts else {}
            row |= {"relevant": list(first.relevant[i])} if first.relevant else {}
            row |= {"before": float(before[i]), "after": float(after[i]), "difference": float(after[i] - before[i])}
            row |= {"found_before": first.found[score][i]} if first.found else {}
            row |= {"found_after": other.found[score][place[first.query_ids[i]]]} if other.found else {}
            records.append(row)
        return records

    def to_dict(self, count: int = 5) -> dict[str, Any]:
        """All of it as plain records, for JSON; `count` as in `queries`."""
        return {
            "metric": self.metric,
            "queries": len(self.results[self.first].query_ids),
            "documents": self.results[self.first].documents,
            "settings": self.differing_settings(),
            "metrics": self.metrics(),
            "tests": self.tests(),
            "changes": {name: self.queries(name, count) for name in self.comparisons},
        }

    def lines(self) -> list[str]:
        """What the tests say, a line each."""
        said = {"better": "is better than", "worse": "is worse than", "not told apart": "is not told apart from"}
        score, metric = split_metric(self.metric)
        corrected = f", corrected for {len(self.comparisons)} comparisons" if len(self.comparisons) > 1 else ""
        lines = []
        for row in self.tests():
            comparison = self.comparisons[row["name"]]
            figures = comparison.row(score, metric).figures(comparison.confidence, (self.first, row["name"]))
            adjusted = f"{corrected} {row['adjusted_p']:.3f}" if corrected else ""
            lines.append(
                f"{row['name']} {said[row['outcome']]} {self.first} at {count_text(comparison.queries)}, by {score} "
                f"{metric_label(metric)}: {figures}{adjusted}; {row['better']} queries better, {row['worse']} worse"
            )
        return lines


def side_by_side(
    results: Mapping[str, EvaluationResult],
    metric: str = f"hybrid_{HEADLINE}",
    *,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> SideBySide:
    """Compares evaluations of the same queries with the first of them.

    Args:
        results: name -> result; at least two.
        metric: what decides, and orders the queries.
        settings: name -> flat settings of the run that made it, to be shown where they differ.

    Raises:
        DataError: fewer than two results, other queries or another corpus, or no such metric. Names the results.
    """
    if len(results) < 2:
        raise DataError(f"compare: it takes at least two results, and there is {len(results)}")
    first, *others = results
    score, name = split_metric(metric)
    for title, result in results.items():
        if name not in result.per_query.get(score, {}):
            available = ", ".join(f"{score}_{name}" for score, columns in result.per_query.items() for name in columns)
            raise DataError(f"compare: {title} has no {metric}; it has {available}")
    comparisons = {}
    for other in others:
        try:
            comparisons[other] = compare(results[first], results[other])
        except DataError as error:
            raise DataError(f"{first} and {other}: {str(error).removeprefix('compare: ')}") from error
    run_settings = {title: dict((settings or {}).get(title, {})) for title in results}
    return SideBySide(dict(results), comparisons, metric, run_settings)


def holm(p_values: Sequence[float]) -> list[float]:
    """p values corrected for their number, in the same order (Holm, 1979)."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, least = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = least
    return corrected
