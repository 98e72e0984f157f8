"""Pictures of a run, as PNG: losses, learning rate, retrieval metrics over steps, and before against after; and of one
recipe's runs under several seeds, over each other.

Figures are built without pyplot: no window, no state shared with the caller's own figures.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from smart_train.evaluation.compare import bootstrap_interval
from smart_train.evaluation.metrics import HEADLINES, chance, metric_label
from smart_train.evaluation.result import EvaluationResult
from smart_train.evaluation.sets import EvaluationSet
from smart_train.utils.atomic import replace_whole
from smart_train.utils.terms import SCORES

Record = Mapping[str, Any]
Series = tuple[list[float], list[float]]

SHOWN_OVER_STEPS = HEADLINES[:2]
_WHISKERS: dict[str, Any] = {"ecolor": "#555555", "elinewidth": 0.9, "capsize": 2.0, "fmt": "none"}

# Colours that stay apart in print and for colour-blind readers (Okabe and Ito, 2008).
COLOURS = {
    "pooled": "#0072B2",
    "late": "#E69F00",
    "hybrid": "#009E73",
    "total": "#333333",
    "chance": "#999999",
    "before": "#B8C4CE",
    "chosen": "#CC79A7",
}
_SPARE = ("#CC79A7", "#D55E00", "#56B4E9", "#F0E442")
# Of seeds: whatever is not told by its colour is told by its kind of line.
_OF_SEEDS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#333333")
_LINES = ("-", "--", ":", "-.")
_DPI = 150
_SAMPLES = 2_000  # of an interval that is drawn a few pixels wide
_CLOSE = 0.02  # values closer than this need a third decimal to be told apart


def run_figures(
    records: Iterable[Record],
    *,
    before: EvaluationResult | None = None,
    after: EvaluationResult | None = None,
    steering: EvaluationSet | None = None,
    chosen_step: int | None = None,
) -> dict[str, Figure]:
    """What there is to draw of a run, by name: "loss" and "learning_rate" need log records, "metrics" needs records
    with `eval_{score}_{metric}` keys (`before` is then its step 0), "before_after" needs both results.

    Args:
        records: log records, such as `trainer.state.log_history`: {"step": 10, "loss": ..., "loss_pooled": ...,
            "learning_rate": ..., "eval_hybrid_ndcg@5": ...}; other keys are ignored. A step that comes twice (a resumed
            run) counts once, with its last value.
        before, after: the evaluations before and after training.
        steering: what the records were measured on, where that is not what `before` and `after` were: then `before` is
            not their step 0, and chance is that of `steering`.
        chosen_step: the step that the trained weights are of, which "metrics" marks.
    """
    records = list(records)
    drawn: dict[str, Figure] = {}
    parts = _series(records, [key for key in _keys(records) if key.startswith("loss_")])
    # The total of a single part is that part.
    losses = parts if len(parts) == 1 else {**parts, **_series(records, ["loss"])}
    if losses:
        drawn["loss"] = _loss_figure(losses)
    rates = _series(records, ["learning_rate"])
    if rates:
        drawn["learning_rate"] = _rate_figure(rates["learning_rate"])
    start = [{"step": 0, **before.flat()}] if before is not None and steering is None else []
    metrics = {metric: _metric_series(start, records, metric) for metric in SHOWN_OVER_STEPS}
    metrics = {metric: series for metric, series in metrics.items() if series}
    if metrics:
        drawn["metrics"] = _metrics_figure(metrics, *_measured(after or before, steering), chosen_step)
    if before is not None and after is not None:
        drawn["before_after"] = _before_after_figure(before, after)
    return drawn


def plot_run(records: Iterable[Record], folder: str | Path, **measured: Any) -> list[Path]:
    """Draws the figures of `run_figures`, whose arguments these are, into `folder`, each as NAME.png; returns the
    files."""
    figures = run_figures(records, **measured)
    return [save_figure(figure, Path(folder, f"{name}.png")) for name, figure in figures.items()]


def seed_figures(
    logs: Mapping[int, Iterable[Record]],
    metric: str,
    *,
    chance: float | None = None,
    chosen: int | None = None,
    failed: Collection[int] = (),
) -> dict[str, Figure]:
    """What there is to draw of runs that differ in their seed alone, by name: the score of which `metric` was measured
    over the steps, and "loss". A line for each seed.

    Args:
        logs: seed -> log records, as `run_figures` takes them.
        metric: without its score, for example "ndcg@5".
        chance: what a random ranking has of it.
        chosen: the seed whose line is thicker.
        failed: seeds whose runs diverged: their lines are dashed and end in a cross.
    """
    records = {seed: list(log) for seed, log in logs.items()}
    drawn: dict[str, Figure] = {}
    for name, key in {**{score: f"eval_{score}_{metric}" for score in SCORES}, "loss": "loss"}.items():
        curves = {seed: series[key] for seed, log in records.items() if (series := _series(log, [key]))}
        if curves:
            top = _top(curves, failed) if name == "loss" else None
            drawn[name] = _seeds_figure(curves, chosen, failed, top)
            (axes,) = drawn[name].axes
            if name == "loss":
                axes.set(title="Training loss")
                axes.set_ylim(bottom=0, top=top)
            else:
                axes.set(title=f"{name} {metric_label(metric)}", ylim=(0, 1.02))
                if chance is not None:
                    axes.axhline(chance, color=COLOURS["chance"], linestyle=":", label="chance")
            _legend(drawn[name], axes, below=True)
    return drawn


def _top(curves: Mapping[int, Series], failed: Collection[int]) -> float | None:
    """Where the axis ends: a loss that diverges would press all others to the bottom. None: matplotlib decides."""
    ended = [value for seed, (_, values) in curves.items() if seed not in failed for value in values]
    return 1.1 * max(ended) if ended and len(curves.keys() & set(failed)) else None


def _seeds_figure(
    curves: Mapping[int, Series], chosen: int | None, failed: Collection[int], top: float | None
) -> Figure:
    figure, axes = _figure(width=4.8)  # words stay legible where the page is as narrow as a telephone
    for place, (seed, (steps, values)) in enumerate(curves.items()):
        look = {**_marks(steps), "linestyle": _LINES[place // len(_OF_SEEDS) % len(_LINES)]}
        if seed == chosen:
            look["linewidth"] = 2.8
        colour = _OF_SEEDS[place % len(_OF_SEEDS)]
        name = f"seed {seed}{' (chosen)' if seed == chosen else ' (diverged)' if seed in failed else ''}"
        if seed in failed:
            look["linestyle"] = "--"
            numbers = [(step, value) for step, value in zip(steps, values, strict=True) if math.isfinite(value)]
            # At the edge where it left the picture. The log may have no number at all.
            for step, value in numbers[-1:]:
                height = value if top is None else min(value, top)
                axes.plot(step, height, "X", color=colour, markersize=9, clip_on=False, zorder=3)
        axes.plot(steps, values, label=name, color=colour, **look)
    axes.set(xlabel="optimiser step")
    return figure


def _loss_figure(losses: Mapping[str, Series]) -> Figure:
    figure, axes = _figure()
    spare = iter(_SPARE * len(losses))
    for key, (steps, values) in losses.items():
        name = "total" if key == "loss" else key.removeprefix("loss_")
        colour = COLOURS.get(name) or next(spare)
        axes.plot(steps, values, label=name, color=colour, **_marks(steps))
    axes.set(xlabel="optimiser step", ylabel="loss", title="Training loss")
    axes.set_ylim(bottom=0)
    _legend(figure, axes)
    return figure


def _rate_figure(rates: Series) -> Figure:
    figure, axes = _figure(height=2.8)
    axes.plot(*rates, color=COLOURS["total"], **_marks(rates[0]))
    axes.set(xlabel="optimiser step", ylabel="learning rate", title="Learning rate")
    axes.set_ylim(bottom=0)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    return figure


def _measured(result: EvaluationResult | None, steering: EvaluationSet | None) -> tuple[str, Mapping[str, float]]:
    """The name of the rows that the curves were measured on, and what chance scores there."""
    if steering is not None:
        cuts = [int(metric.partition("@")[2]) for metric in SHOWN_OVER_STEPS]
        return steering.name, chance(steering.qrels, len(steering.documents), cuts, steering.own)
    return (result.measured_on, result.chance) if result is not None else ("", {})


def _metrics_figure(
    metrics: Mapping[str, Mapping[str, Series]],
    measured_on: str,
    chance: Mapping[str, float],
    chosen_step: int | None = None,
) -> Figure:
    figure = Figure(figsize=(4.2 * len(metrics) + 1.0, 3.6), layout="constrained")
    for place, (metric, scores) in enumerate(metrics.items()):
        axes = _clean(figure.add_subplot(1, len(metrics), place + 1))
        for score, (steps, values) in scores.items():
            axes.plot(steps, values, label=score, color=COLOURS[score], **_marks(steps))
        if metric in chance:
            axes.axhline(chance[metric], color=COLOURS["chance"], linestyle=":", label="chance")
        if chosen_step is not None:
            axes.axvline(
                chosen_step, color=COLOURS["chosen"], linestyle="--", linewidth=1.2, label=f"chosen: step {chosen_step}"
            )
        axes.set(xlabel="optimiser step", title=f"Held-out {metric_label(metric)}", ylim=(0, 1.02))
    _legend(figure, axes)
    if measured_on:
        figure.suptitle(f"While training, on {measured_on}")
    return figure


def _before_after_figure(before: EvaluationResult, after: EvaluationResult) -> Figure:
    names = [name for name in HEADLINES if name in before.chance and name in after.chance]
    figure = Figure(figsize=(3.1 * len(names) + 0.8, 3.6), layout="constrained")
    scores = [score for score in SCORES if score in before.per_query and score in after.per_query]
    for place, name in enumerate(names):
        axes = _clean(figure.add_subplot(1, len(names), place + 1))
        chance = after.chance[name]
        for i, score in enumerate(scores):
            values = [result.metrics[score][name] for result in (before, after)]
            decimals = 3 if abs(values[1] - values[0]) < _CLOSE else 2
            for side, result, colour in ((-0.2, before, COLOURS["before"]), (0.2, after, COLOURS[score])):
                value = result.metrics[score][name]
                axes.bar(
                    i + side, value, width=0.38, color=colour, label="before" if result is before and not i else None
                )
                low, high = _interval(result, score, name)
                axes.errorbar(i + side, value, yerr=[[value - low], [high - value]], **_WHISKERS)
                # Above the line of chance and the interval too, or they would run through the number.
                height = max(high, chance) if abs(high - chance) < 0.06 else high
                axes.text(i + side, height + 0.015, f"{value:.{decimals}f}", ha="center", fontsize=10 - decimals)
        axes.axhline(chance, color=COLOURS["chance"], linestyle=":", label="chance", zorder=0.9)
        axes.set(title=metric_label(name), ylim=(0, 1.12), xticks=range(len(scores)), xticklabels=scores)
        axes.tick_params(axis="x", length=0)
    _legend(figure, axes)
    figure.suptitle(f"Before and after training, {after.title}")
    figure.supxlabel("bars: means over the queries; lines: 95% bootstrap interval of each mean", fontsize=8)
    return figure


def _interval(result: EvaluationResult, score: str, metric: str) -> tuple[float, float]:
    """The 95% interval of a mean over the queries."""
    values = np.array(result.per_query[score][metric])[:, None]
    low, high = bootstrap_interval(values, _SAMPLES, 0.95, np.random.default_rng(0))
    mean = float(values.mean())  # within it, whatever the rounding of either
    return min(float(low[0]), mean), max(float(high[0]), mean)


def _figure(height: float = 3.6, width: float = 6.4) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, _clean(figure.add_subplot())


def _clean(axes: Axes) -> Axes:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.8)
    axes.set_axisbelow(True)
    return axes


def _marks(steps: Sequence[float]) -> dict[str, Any]:
    """Dots where points are few: a line through one point is invisible."""
    return {"linewidth": 1.6, "marker": "o" if len(steps) <= 25 else None, "markersize": 3.5}


def _legend(figure: Figure, axes: Axes, *, below: bool = False) -> None:
    """One legend for all panels, beside or below them: within a panel it would cover lines."""
    handles, labels = axes.get_legend_handles_labels()
    if below:
        figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=3)
    else:
        figure.legend(handles, labels, frameon=False, loc="outside right center")


def _metric_series(start: Sequence[Record], records: Sequence[Record], metric: str) -> dict[str, Series]:
    """score -> (steps, values) of one metric; empty unless it was measured during training."""
    keys = {score: f"eval_{score}_{metric}" for score in SCORES}
    if not any(key in record for record in records for key in keys.values()):
        return {}
    series = _series([*start, *records], list(keys.values()))
    return {score: series[key] for score, key in keys.items() if key in series}


def _keys(records: Iterable[Record]) -> list[str]:
    return list(dict.fromkeys(key for record in records for key in record))


def _series(records: Sequence[Record], keys: Sequence[str]) -> dict[str, Series]:
    """key -> (steps, values), rising in steps; keys without a value are left out."""
    series: dict[str, Series] = {}
    for key in keys:
        points = {record["step"]: record[key] for record in records if key in record and "step" in record}
        if points:
            steps = sorted(points)
            series[key] = (steps, [points[step] for step in steps])
    return series


def save_figure(figure: Figure, path: Path) -> Path:
    """Writes `figure` as PNG, whole or not at all; returns `path`."""
    canvas = FigureCanvasAgg(figure)
    return replace_whole(path, lambda temporary: canvas.print_figure(temporary, dpi=_DPI, format="png"))
