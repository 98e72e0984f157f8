"""What runs of one recipe under several seeds have measured: each of them, mean and spread, and which is chosen."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from rich import box
from rich.table import Table

from smart_train.errors import RunError
from smart_train.evaluation import EvaluationResult, compare
from smart_train.evaluation.compare import Comparison, p_text
from smart_train.recipe import Recipe
from smart_train.run.folder import AFTER_FILE, BEFORE_FILE
from smart_train.run.outcome import Weights, weights_of
from smart_train.training.training_log import LOG_NAME, read_log

_WATCHED = "watch_"  # how the log calls what `state_geometry` measures


@dataclass(frozen=True)
class SeedRun:
    """One of the runs, as its folder has it.

    Args:
        before: what was measured before training; None where it was not.
        after: the same after it.
        log: the records of log.jsonl.
        weights: which step the trained weights are of.
    """

    folder: Path
    before: EvaluationResult | None
    after: EvaluationResult
    log: list[dict[str, Any]]
    weights: Weights

    @classmethod
    def read(cls, recipe: Recipe) -> SeedRun:
        """The run of `recipe`, which has ended."""
        folder = Path(recipe.training["output_dir"])
        before = EvaluationResult.load(folder / BEFORE_FILE) if (folder / BEFORE_FILE).is_file() else None
        after = EvaluationResult.load(folder / AFTER_FILE)
        return cls(folder, before, after, read_log(folder / LOG_NAME), weights_of(recipe, folder))

    @property
    def watched(self) -> dict[str, float]:
        """What the last evaluation of the training said of the model's states; empty where there was none."""
        records = [record for record in self.log if any(name.startswith(_WATCHED) for name in record)]
        last = records[-1] if records else {}
        return {name.removeprefix(_WATCHED): value for name, value in last.items() if name.startswith(_WATCHED)}


class Choice(NamedTuple):
    """Which seed is chosen.

    seed: it. metric: by which, for example "hybrid_ndcg@5". rows: name of the rows that it was measured on. values:
    seed -> its metric there.
    """

    seed: int
    metric: str
    rows: str
    values: dict[int, float]


@dataclass(frozen=True)
class SeedsResult:
    """The runs of `recipe` under several seeds.

    Args:
        runs: seed -> its run; at least two.
        failed: seed -> why its run did not come to its end. These count nowhere.
        failed_logs: seed -> the records of its log.jsonl, up to that place; for the curves.
    """

    recipe: Recipe
    runs: Mapping[int, SeedRun]
    failed: Mapping[int, str] = field(default_factory=dict)
    failed_logs: Mapping[int, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    @cached_property
    def after(self) -> dict[int, EvaluationResult]:
        """Of each seed."""
        return {seed: run.after for seed, run in self.runs.items()}

    @cached_property
    def before(self) -> dict[int, EvaluationResult]:
        """Of each seed; empty unless all of them were measured."""
        measured = {seed: run.before for seed, run in self.runs.items() if run.before is not None}
        return measured if len(measured) == len(self.runs) else {}

    @cached_property
    def mean(self) -> tuple[EvaluationResult | None, EvaluationResult]:
        """`mean_of` all results before training, and of all after it."""
        return mean_of(self.before) if self.before else None, mean_of(self.after)

    @cached_property
    def comparison(self) -> Comparison | None:
        """The paired test of the means; None where nothing was measured before training."""
        before, after = self.mean
        return compare(before, after) if before is not None else None

    @cached_property
    def choice(self) -> Choice:
        """By the rows that steered the runs, so that those of data.test keep out of the choice; without them, by the
        ones reported. Of equal seeds the first."""
        metric = self.recipe.evaluation.metric
        steering = {
            seed: [record[f"eval_{metric}"] for record in run.log if f"eval_{metric}" in record]
            for seed, run in self.runs.items()
        }
        if all(steering.values()):
            best = self.recipe.training.get("load_best_model_at_end")
            values = {seed: max(measured) if best else measured[-1] for seed, measured in steering.items()}
            rows = "data.evaluation"
        else:  # no run came to an evaluation while it trained: none was asked for, or the steps were too few
            values = {seed: result.flat("")[metric] for seed, result in self.after.items()}
            rows = self.mean[1].measured_on
        return Choice(max(values, key=lambda seed: values[seed]), metric, rows, values)

    def to_dict(self) -> dict[str, Any]:
        """What seeds.json holds. Lists have a value for each of "seeds", in their order."""
        choice, watched = self.choice, [run.watched for run in self.runs.values()]
        return {
            "seeds": list(self.runs),
            **({"failed": {str(seed): why for seed, why in self.failed.items()}} if self.failed else {}),
            "chosen": {
                "seed": choice.seed,
                "metric": choice.metric,
                "rows": choice.rows,
                "values": list(choice.values.values()),
            },
            "measured_on": self.mean[1].measured_on,
            "steps": [run.weights.step for run in self.runs.values()],
            "after": spread_of(self.after),
            **({"before": spread_of(self.before)} if self.before else {}),
            **({"comparison": self.comparison.to_dict()} if self.comparison is not None else {}),
            **({"watch": {name: [item.get(name) for item in watched] for name in watched[0]}} if all(watched) else {}),
        }

    def conclusion(self) -> str:
        """Which seed is chosen, by what, and what to expect of another one."""
        seed, metric, rows, values = self.choice
        return (
            f"Chosen: seed {seed}, {metric} {values[seed]:.4f} on {rows}, in {self.runs[seed].folder}. Expect the "
            "mean, not this one's figures, of a new seed."
        )

    def table(self) -> Table:
        """A row per score and metric: mean before and after, spread over the seeds, p of the paired test."""
        comparison = self.comparison
        caption = (
            None if comparison is None else "p: paired randomisation test over queries, each the mean of all seeds"
        )
        table = Table(caption=caption, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), caption_justify="left")
        before, tested = (["before"], ["p"]) if comparison is not None else ([], [])
        for place, name in enumerate(["score", "metric", *before, "mean", "sd", "lowest", "highest", *tested]):
            table.add_column(name, justify="left" if place < 2 else "right", no_wrap=True)
        for score, columns in spread_of(self.after).items():
            for place, (metric, figures) in enumerate(columns.items()):
                cells = [f"{number:.3f}" for number in summary(figures)]
                if comparison is not None:
                    row = comparison.row(score, metric)
                    cells = [f"{row.before:.3f}", *cells, p_text(row.p_value)]
                ends = place == len(columns) - 1
                table.add_row(score if place == 0 else "", metric, *cells, end_section=ends)
        return table


def mean_of(results: Mapping[int, EvaluationResult]) -> EvaluationResult:
    """Per query the mean over the seeds. A paired test of two of these asks whether training helps on these queries,
    whatever the seed.

    Raises:
        RunError: the runs were not measured on the same queries.
    """
    first, *others = results.values()
    if any(other.query_ids != first.query_ids or other.documents != first.documents for other in others):
        raise RunError(
            "--seeds: the runs were measured on different rows, so they have no common mean; start again with "
            "--overwrite"
        )
    per_query = {
        score: {
            metric: [
                statistics.fmean(values)
                for values in zip(*(r.per_query[score][metric] for r in results.values()), strict=True)
            ]
            for metric in columns
        }
        for score, columns in first.per_query.items()
    }
    return EvaluationResult(
        first.query_ids, per_query, first.documents, first.chance, first.scoring, first.measured_on, first.own
    )


def spread_of(results: Mapping[int, EvaluationResult]) -> dict[str, dict[str, dict[str, Any]]]:
    """Score -> metric -> mean, standard deviation (of a sample) and the value of each seed, in their order."""
    means = [result.metrics for result in results.values()]
    spread: dict[str, dict[str, dict[str, Any]]] = {}
    for score, columns in means[0].items():
        for metric in columns:
            values = [one_run[score][metric] for one_run in means]
            figures = {"mean": statistics.fmean(values), "sd": statistics.stdev(values), "by_seed": values}
            spread.setdefault(score, {})[metric] = figures
    return spread


def summary(figures: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """Mean, standard deviation, lowest and highest of a value of `spread_of`."""
    return figures["mean"], figures["sd"], min(figures["by_seed"]), max(figures["by_seed"])
