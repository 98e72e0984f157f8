"""Several evaluations of the same queries beside each other: what they score, and which queries tell them apart.

The first one is what the others are compared with, each by the paired test of `compare`. With several of them, each has
a chance to look better by luck; the p values of one metric are therefore also given after Holm's correction (Holm,
1979): the smallest p times their number, the next times one less, and so on, none below the one before it.

A model that is late only has no hybrid score. "own" is the score that each ranks by: hybrid, or late where that is the
only one. Where it is not the same of all, it is a score of its own beside the three, paired by query like them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from smart_train.errors import DataError
from smart_train.evaluation.compare import Comparison, compare
from smart_train.evaluation.metrics import metric_label
from smart_train.evaluation.result import EvaluationResult
from smart_train.evaluation.verdict import count_text, paired_values, split_metric
from smart_train.utils.terms import HEADLINE, SCORES

OWN = "own"


@dataclass(frozen=True)
class SideBySide:
    """Evaluations of the same queries, and how each differs from the first.

    Args:
        results: name -> result, the one that the others are compared with first. Where `metric` is of "own", each has
            this score too.
        comparisons: name -> its comparison with the first, of all but the first.
        metric: what decides, for example "hybrid_ndcg@5"; of "own" only where it is not the same score of all.
        settings: name -> flat settings of the run that made it; empty of what is not a run.
    """

    results: dict[str, EvaluationResult]
    comparisons: dict[str, Comparison]
    metric: str
    settings: dict[str, dict[str, Any]]

    @property
    def first(self) -> str:
        return next(iter(self.results))

    @property
    def deciding(self) -> dict[str, str]:
        """Name -> the score by which it is compared: for example "hybrid", or what "own" is of each."""
        score, _ = check_metric(self.metric)
        return {name: result.own_score if score == OWN else score for name, result in self.results.items()}

    def decided_by(self, name: str) -> str:
        """By what `name` is compared with the first, in words."""
        score, metric = check_metric(self.metric)
        here, there = self.deciding[name], self.deciding[self.first]
        if score != OWN:
            return f"{here} {metric_label(metric)}"
        return f"{metric_label(metric)}, {here} of {name} and {there} of {self.first}"

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
        score, metric = check_metric(self.metric)
        differences = {name: comparison.row(score, metric) for name, comparison in self.comparisons.items()}
        adjusted = holm([row.p_value for row in differences.values()])
        records = []
        for (name, row), p_value in zip(differences.items(), adjusted, strict=True):
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
        score, metric = check_metric(self.metric)
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
            "scores": self.deciding,
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
        score, metric = check_metric(self.metric)
        corrected = f", corrected for {len(self.comparisons)} comparisons" if len(self.comparisons) > 1 else ""
        lines = []
        for row in self.tests():
            comparison = self.comparisons[row["name"]]
            figures = comparison.row(score, metric).figures(comparison.confidence, (self.first, row["name"]))
            adjusted = f"{corrected} {row['adjusted_p']:.3f}" if corrected else ""
            lines.append(
                f"{row['name']} {said[row['outcome']]} {self.first} at {count_text(comparison.queries)}, by "
                f"{self.decided_by(row['name'])}: {figures}{adjusted}; {count_text(row['better'])} "
                f"better, {row['worse']} worse"
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
        metric: what decides, and orders the queries: a score and a metric. The score "own" is the one that each ranks
            by.
        settings: name -> flat settings of the run that made it, to be shown where they differ.

    Raises:
        DataError: fewer than two results, other queries or another corpus, or no such metric. Names the results.
    """
    if len(results) < 2:
        raise DataError(f"compare: it takes at least two results, and there is {len(results)}")
    score, name = check_metric(metric)
    measured = dict(results)
    if score == OWN:
        own_scores = {result.own_score for result in results.values()}
        if len(own_scores) == 1:
            (score,) = own_scores
            metric = f"{score}_{name}"
        else:
            measured = {title: _with_own(result) for title, result in results.items()}
    for title, result in measured.items():
        if name not in result.per_query.get(score, {}):
            raise DataError(f"compare: {title} has no {metric}; {_instead(results[title], score, name)}")
    first, *others = measured
    comparisons = {}
    for other in others:
        try:
            comparisons[other] = compare(measured[first], measured[other])
        except DataError as error:
            raise DataError(f"{first} and {other}: {str(error).removeprefix('compare: ')}") from error
    flat_settings = {title: dict((settings or {}).get(title, {})) for title in results}
    return SideBySide(measured, comparisons, metric, flat_settings)


def check_metric(metric: str) -> tuple[str, str]:
    """Score and metric of a name such as "hybrid_ndcg@5" or "own_ndcg@5". Raises DataError for another form."""
    return split_metric(metric, (*SCORES, OWN))


def _with_own(result: EvaluationResult) -> EvaluationResult:
    """The same with the score that it ranks by once more, as "own"."""
    own_score = result.own_score
    found_documents = {**result.found, OWN: result.found[own_score]} if result.found else {}
    return replace(result, per_query={**result.per_query, OWN: result.per_query[own_score]}, found=found_documents)


def _instead(result: EvaluationResult, score: str, name: str) -> str:
    """What a result has that lacks `name` of `score`, and what to do."""
    metrics = ", ".join(
        f"{other_score}_{metric}" for other_score, columns in result.per_query.items() for metric in columns
    )
    if score in SCORES and name in result.per_query[result.own_score]:
        return f"it has {metrics}. {OWN}_{name} compares each by the score that it ranks by"
    return f"it has {metrics}"


def holm(p_values: Sequence[float]) -> list[float]:
    """p values corrected for their number, in the same order (Holm, 1979)."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, least = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = least
    return corrected
