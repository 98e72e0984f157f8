"""What an evaluation says, in the words of its last lines: a verdict on one model, a conclusion on a training run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from smart_train.errors import DataError
from smart_train.evaluation.compare import (
    Comparison,
    Difference,
    compare,
    compare_scores,
    fewest_queries,
    least_difference,
    p_text,
)
from smart_train.evaluation.metrics import metric_label
from smart_train.evaluation.result import EvaluationResult
from smart_train.evaluation.selection import Selection
from smart_train.utils.byte_sizes import decimal_size
from smart_train.utils.terms import HEADLINE, SCORES


@dataclass(frozen=True)
class Verdict:
    """Whether the token states of one model help it on one evaluation set.

    Args:
        metric: for example "ndcg@5"; queries: how many.
        hybrid: hybrid minus pooled. late: late minus pooled. rest: hybrid minus late.
        least: the least difference of hybrid and pooled that so many queries can show; None where that is not known.
        needed: queries that would tell a difference as large as the observed one apart; None where it is told apart
            already, or there is none.
        document_bytes: mean bytes of a document, "pooled" and "tokens"; empty where they were not counted.
        confidence: of the tests and intervals.
        late_weight: of the hybrid score that was measured.
    """

    metric: str
    queries: int
    hybrid: Difference
    late: Difference
    rest: Difference
    least: float | None
    needed: int | None
    document_bytes: dict[str, float]
    confidence: float
    late_weight: float = 1.0

    @property
    def outcome(self) -> str:
        """Of hybrid against pooled: "better", "worse" or "not told apart"."""
        return self.hybrid.outcome(self.confidence)

    def lines(self) -> list[str]:
        """The verdict for readers: what was found, what the queries can show, what it costs, and what to try next."""
        label = metric_label(self.metric)
        said = {
            "better": "hybrid is better than pooled",
            "worse": "hybrid is worse than pooled",
            "not told apart": "hybrid and pooled are not told apart",
        }[self.outcome]
        figures = self.hybrid.figures(self.confidence, ("pooled", "hybrid"))
        first = f"Verdict: {said} at {count_text(self.queries)}, by {label}: {figures}"
        lines = [first, reach_line(self.least, self.queries, self.confidence)]
        if self.document_bytes:
            pooled, tokens = self.document_bytes["pooled"], self.document_bytes["tokens"]
            lines.append(
                f"a document takes {decimal_size(pooled)} pooled, and {decimal_size(pooled + tokens)} with its tokens"
            )
        return [lines[0], *(f"  {line}" for line in (*lines[1:], *self.advice()))]

    def advice(self) -> list[str]:
        """What to try next, a line each."""
        lines = []
        if self.rest.outcome(self.confidence) == "worse":
            lines.append(
                f"the late score alone is better than hybrid ({self.rest.before:.3f} against {self.rest.after:.3f}, p "
                f"{p_text(self.rest.p_value)}): give it more weight, as in scoring.late_weight="
                f"{4 * self.late_weight or 1:.3g}, or let `smart-train tune` choose the weights"
            )
        elif self.outcome == "worse":
            lines.append(
                "token states do not help here: keep the pooled score (scoring.late_weight=0), or try a smaller weight "
                f"such as scoring.late_weight={self.late_weight / 4:.3g}; `smart-train tune` chooses one"
            )
        if self.outcome == "not told apart":
            if self.needed is not None:
                lines.append(f"about {count_text(self.needed)} would tell a difference as large as this one apart")
            lines.append(
                "training changes more than weights do: smart-train init MODEL DATA --method lora writes a first recipe"
            )
        elif self.outcome == "better":
            lines.append(
                "training most often adds to it: smart-train init MODEL DATA --method lora writes a first recipe"
            )
        return [f"next: {line}" for line in lines]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with the outcome."""
        return {**asdict(self), "outcome": self.outcome}


def verdict(result: EvaluationResult, metric: str = HEADLINE, *, confidence: float = 0.95, seed: int = 0) -> Verdict:
    """Compares hybrid with pooled within one result, by a paired test.

    Args:
        metric: one that the result has.

    Raises:
        DataError: the result lacks a score or the metric; lists what there is.
    """
    comparison = compare_scores(result, confidence=confidence, seed=seed)
    rows = {name: comparison.row(name, metric) for name in ("hybrid - pooled", "late - pooled", "hybrid - late")}
    hybrid = rows["hybrid - pooled"]
    differences = np.subtract(result.per_query["hybrid"][metric], result.per_query["pooled"][metric])
    least = least_difference(differences, confidence=confidence)
    return Verdict(
        metric,
        len(result.query_ids),
        hybrid,
        rows["late - pooled"],
        rows["hybrid - late"],
        least,
        _needed(hybrid, least, len(result.query_ids), confidence),
        dict(result.document_bytes),
        confidence,
        float(result.scoring.get("late_weight", 1.0)),
    )


def verdict_lines(result: EvaluationResult, metric: str = HEADLINE) -> list[str]:
    """The last lines of an evaluation: those of `verdict`, or why there is none of a model that is late only."""
    if len(result.per_query) > 1:
        return verdict(result, metric).lines()
    value = result.metrics[result.own_score][metric]
    return [
        f"Verdict: none, the model has the {result.own_score} score alone; {result.own_score} {metric_label(metric)} "
        f"{value:.3f} at {count_text(len(result.query_ids))}",
        "  next: smart-train compare MODEL OTHER tests it against another model, each by the score that it ranks by; "
        f"--metric {result.own_score}_{metric} tests both by this one",
    ]


def conclusion(
    before: EvaluationResult | None,
    after: EvaluationResult | None,
    metric: str,
    *,
    chosen_step: int | None = None,
    steps: int | None = None,
    selection: Selection | None = None,
    comparison: Comparison | None = None,
) -> str:
    """The last line of a training run: better, worse or not told apart, at how many queries, by which score; and which
    step the weights are of.

    Args:
        before, after: of the same queries; None where it was not measured.
        metric: what the run is judged by, for example "hybrid_ndcg@5".
        chosen_step: the optimiser step that the weights are of, of `steps` in all; None where not known.
        selection: how it was chosen; None where there was no choice.
        comparison: of both; made when not given.
    """
    step = _step(chosen_step, steps, selection)
    score, name = split_metric(metric)
    if after is None or before is None:
        measured = after or before
        if measured is None:
            return f"Conclusion: none, no held-out queries were measured{step}"
        when, missing = ("after", "before") if before is None else ("before", "after")
        return (
            f"Conclusion: none, nothing was measured {missing} training; {score} {metric_label(name)} {when} it is "
            f"{measured.metrics[score][name]:.3f} at {count_text(len(measured.query_ids))}{step}"
        )
    comparison = comparison or compare(before, after)
    row, confidence = comparison.row(score, name), comparison.confidence
    said = {
        "better": "better than before training",
        "worse": "worse than before training",
        "not told apart": "not told apart from before training",
    }[row.outcome(confidence)]
    line = (
        f"Conclusion: {said} at {count_text(comparison.queries)}, by {score} {metric_label(name)}: "
        f"{row.figures(confidence)}"
    )
    if row.outcome(confidence) == "not told apart":
        differences = paired_values(after, before, score, name) - np.array(before.per_query[score][name])
        least = least_difference(differences, confidence=confidence)
        line += f"; {reach_line(least, comparison.queries, confidence)}"
    return line + step


def paired_values(result: EvaluationResult, other: EvaluationResult, score: str, metric: str) -> np.ndarray:
    """The values of `result` [Q] in the order of the queries of `other`."""
    values = dict(zip(result.query_ids, result.per_query[score][metric], strict=True))
    return np.array([values[query] for query in other.query_ids])


def split_metric(metric: str, scores: Sequence[str] = SCORES) -> tuple[str, str]:
    """Score and metric of a name such as "hybrid_ndcg@5", of one of `scores`. Raises DataError for another form."""
    score, _, name = metric.partition("_")
    if score not in scores or not name:
        raise DataError(f"metric {metric!r}: must read SCORE_METRIC with {', '.join(scores)}, as in hybrid_{HEADLINE}")
    return score, name


def reach_line(least: float | None, queries: int, confidence: float = 0.95) -> str:
    """What so many queries can show."""
    fewest = fewest_queries(confidence)
    if queries < fewest:
        return (
            f"{count_text(queries)} cannot show any difference; it takes at least {fewest}, and hundreds for small ones"
        )
    if least is None:
        return f"fewer than {fewest} queries differ, so it is not known what {count_text(queries)} can show"
    return f"{count_text(queries)} can show a difference of {least:.3f} or more (in four of five such tests)"


def count_text(queries: int) -> str:
    """`1 query`, `1,000 queries`."""
    return f"{queries:,} {'query' if queries == 1 else 'queries'}"


def _needed(row: Difference, least: float | None, queries: int, confidence: float) -> int | None:
    """Queries at which a difference like that of `row` is found in four of five tests. The least difference falls with
    the root of their number."""
    if least is None or row.difference == 0 or row.outcome(confidence) != "not told apart":
        return None
    return math.ceil(queries * (least / abs(row.difference)) ** 2)


def _step(chosen_step: int | None, steps: int | None, selection: Selection | None) -> str:
    if chosen_step is None:
        return ""
    of_all = f" of {steps}" if steps is not None else ""
    if selection is not None:
        return f"; step {chosen_step}{of_all} was chosen, by {selection.metric} on {selection.rows}"
    return f"; the weights are those of step {chosen_step}{of_all}"
