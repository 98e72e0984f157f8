"""Which rows chose the weights that a report is about, and what that means for its figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Selection:
    """Weights chosen among those of several evaluations of one training run.

    The best of several noisy figures is too high as an estimate, the more so the more there are and the fewer the
    queries; on rows that had no part in the choice it is not.

    Args:
        rows: name of the evaluation set that chose, for example "data.evaluation".
        metric: by which, for example "hybrid_ndcg@5".
        evaluations: how many were compared; at least 2, or nothing was chosen.
        step: the optimiser step that was chosen; None in reports of version 0.1.0.
    """

    rows: str
    metric: str
    evaluations: int
    step: int | None = None

    def note(self, measured_on: str) -> str:
        """What a reader of figures measured on `measured_on` must know, in one sentence."""
        choice = f"The trained weights are the best by {self.metric} of {self.evaluations} evaluations on {self.rows}"
        if measured_on == self.rows:
            return f"{choice}, the rows reported here. The figures after training are therefore biased upwards."
        return f"{choice}; the rows reported here, {measured_on}, were not used for that choice."

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def best_step(records: Iterable[Mapping[str, Any]], metric: str) -> int | None:
    """The step whose weights are kept as the best by `metric` ("hybrid_ndcg@5") of a training log; None where the log
    holds none. Of equal values the first, as the Trainer keeps it; a step that comes twice has its last value."""
    values = {record["step"]: record[f"eval_{metric}"] for record in records if f"eval_{metric}" in record}
    return min(values, key=lambda step: (-values[step], step), default=None)


def selection_note(report: Mapping[str, Any]) -> str | None:
    """The note of an `evaluation.json`, read; None where its weights were not chosen among several."""
    values = report.get("selection")
    return None if values is None else Selection(**values).note(report["measured_on"])
