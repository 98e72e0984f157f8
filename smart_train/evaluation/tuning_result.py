"""What `tune` found: every setting with its quality and its cost, and the decision."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from matplotlib.figure import Figure
from rich.table import Table

from smart_train.evaluation.compare import Comparison, Difference
from smart_train.evaluation.metrics import metric_label
from smart_train.evaluation.plots import save_figure
from smart_train.evaluation.result import EvaluationResult
from smart_train.evaluation.setting_words import content_of, described, form_of
from smart_train.evaluation.tuning_plot import tuning_figure
from smart_train.evaluation.tuning_table import tuning_table
from smart_train.scoring import ScoringConfig
from smart_train.utils.atomic import write_json

ALPHA = 0.05  # two-sided
TUNING_FILE = "tune.json"
TUNING_PLOT = "tune.png"

Verdict = Literal["better", "smaller", "same", "unproved", "worse"]


@dataclass(frozen=True)
class TunedSetting:
    """One setting that was measured.

    Args:
        bytes_per_document: of the pooled vector and the tokens in an index, on average.
        ms_per_query: milliseconds to score all documents for one query on the machine that measured.
        tuning: mean of the metric over the queries that chose. held_out: over those that decide; None where it was not
            measured there.
    """

    scoring: ScoringConfig
    bytes_per_document: float
    ms_per_query: float
    tuning: float
    held_out: float | None

    def record(self) -> dict[str, Any]:
        """One flat row: every key of the scoring configuration, then what was measured."""
        measured = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "scoring"}
        return {**self.scoring.to_dict(), **measured}


@dataclass(frozen=True)
class TuningResult:
    """Every setting, and which one to score with.

    Args:
        metric: of the hybrid score.
        settings: all that were measured; the first is the one in force.
        default: the setting in force. best: the one that the queries to choose by would have.
        comparison: the paired test of the two on the queries that decide; one row.
        chosen_on: name of the rows that chose; queries: how many. tested_on: name of the rows that decide.
        documents: in the corpus that the costs are of.
        max_bytes: the bound that was asked for.
        seed: of the halves and the test.
        encoding_seconds: what the one encoding of all queries and documents took.
        decided: the two evaluations that `comparison` is of: the setting in force, and the best one. Not in `to_dict`.
    """

    metric: str
    settings: list[TunedSetting]
    default: TunedSetting
    best: TunedSetting
    comparison: Comparison
    chosen_on: str
    queries: int
    tested_on: str
    documents: int
    max_bytes: int | None
    seed: int
    encoding_seconds: float
    decided: tuple[EvaluationResult, EvaluationResult] | None = None

    @property
    def difference(self) -> Difference:
        """The best setting against the one in force, on the queries that decide."""
        return self.comparison.rows[0]

    @property
    def verdict(self) -> Verdict:
        """ "better" and "smaller" replace the setting in force; after "same", "unproved" and "worse" it stays."""
        row = self.difference
        if self.best.scoring == self.default.scoring:
            return "same"
        if row.p_value < ALPHA:
            if row.difference > 0:
                return "better"
            return "worse"
        too_large = self.max_bytes is not None and self.default.bytes_per_document > self.max_bytes
        return "smaller" if too_large else "unproved"

    @property
    def changes(self) -> bool:
        """Whether another setting than the one in force is to be used."""
        return self.verdict in ("better", "smaller")

    @property
    def chosen(self) -> TunedSetting:
        """The setting to score with."""
        return self.best if self.changes else self.default

    def conclusion(self) -> str:
        """The decision and its reason, in sentences."""
        row, label = self.difference, metric_label(self.metric)
        p_value = "p < 0.001" if row.p_value < 0.001 else f"p = {row.p_value:.3f}"
        test = (
            f"{label} {row.before:.3f} -> {row.after:.3f} on {self.comparison.queries} other queries "
            f"({row.difference:+.3f}, {self.comparison.confidence:.0%} interval {row.low:+.3f} to {row.high:+.3f}, "
            f"{p_value})"
        )
        unchanged = f"The settings in force stay ({described(self.default.scoring)})"
        best = f"the best of {len(self.settings)} settings on {self.queries} queries"
        if self.verdict == "same":
            return f"{unchanged}: they are {best}."
        best_settings = described(self.best.scoring, self.default.scoring)
        if self.verdict == "better":
            return f"Chosen: {best_settings}. {test}."
        if self.verdict == "smaller":
            sizes = f"{self.best.bytes_per_document:,.0f} bytes a document instead of"
            return f"Chosen: {best_settings}. {sizes} {self.default.bytes_per_document:,.0f}; not told apart: {test}."
        if self.verdict == "worse":
            return f"{unchanged}: {best} ({best_settings}) is worse: {test}."
        return f"{unchanged}: {best} ({best_settings}) does not beat them: {test}."

    def front(self) -> list[TunedSetting]:
        """The settings that no other beats in bytes without losing quality on the queries that chose; fewest bytes
        first."""
        settings: list[TunedSetting] = []
        for item in sorted(self.settings, key=lambda item: (item.bytes_per_document, -item.tuning)):
            if not settings or item.tuning > settings[-1].tuning:
                settings.append(item)
        return settings

    def records(self) -> list[dict[str, Any]]:
        """A plain row for each setting, for a data frame: scoring keys, bytes, milliseconds, both means, whether it is
        on the front, and whether it is in force, the best, or to be used."""
        front = {id(item) for item in self.front()}
        marks = {"in_force": self.default, "best": self.best, "chosen": self.chosen}
        return [
            {
                **item.record(),
                "front": id(item) in front,
                **{name: item.scoring == marked.scoring for name, marked in marks.items()},
            }
            for item in self.settings
        ]

    def table(self) -> Table:
        """The settings in force, the best ones, each score alone, and the front: bytes a document, milliseconds a
        query, and the metric on the queries that chose and on those that decide. Fits 80 columns."""
        return tuning_table(self, self._alone())

    def figure(self) -> Figure:
        """Quality on the queries that chose, against bytes a document and milliseconds a query: every setting, the
        front, the setting in force and the best one."""
        return tuning_figure(self, self._alone())

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "metric": self.metric,
            "verdict": self.verdict,
            "conclusion": self.conclusion(),
            "scoring": self.chosen.scoring.to_dict(),
            "in_force": self.default.record(),
            "best": self.best.record(),
            "comparison": self.comparison.to_dict(),
            "chosen_on": {"rows": self.chosen_on, "queries": self.queries},
            "tested_on": {"rows": self.tested_on, "queries": self.comparison.queries},
            "documents": self.documents,
            "max_bytes": self.max_bytes,
            "seed": self.seed,
            "encoding_seconds": self.encoding_seconds,
            "settings": self.records(),
        }

    def save(self, folder: str | Path) -> Path:
        """Writes FOLDER/tune.json and FOLDER/tune.png, each whole or not at all; returns the first's path."""
        save_figure(self.figure(), Path(folder, TUNING_PLOT))
        return write_json(Path(folder, TUNING_FILE), self.to_dict())

    def _alone(self) -> list[tuple[str, TunedSetting]]:
        """Each score alone, tokens and storage as in force, where the grid had it."""
        settings = []
        for name, other in (("pooled", "late_weight"), ("late", "pooled_weight")):
            settings += [
                (f"{name} alone", item)
                for item in self.settings
                if getattr(item.scoring, other) == 0 and _kind(item) == _kind(self.default)
            ][:1]
        return settings


def _kind(item: TunedSetting) -> tuple[Any, ...]:
    return content_of(item.scoring) + form_of(item.scoring)
