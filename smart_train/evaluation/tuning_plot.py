"""The figure of what `tune` found: quality against cost, with the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from smart_train.evaluation.metrics import metric_label
from smart_train.evaluation.plots import COLOURS

if TYPE_CHECKING:
    from smart_train.evaluation.tuning_result import TunedSetting, TuningResult


def tuning_figure(result: TuningResult, alone: Sequence[tuple[str, TunedSetting]]) -> Figure:
    """As `TuningResult.figure`.

    Args:
        alone: the settings that use one score alone, each with its title, which begins with the score's name.
    """
    figure = Figure(figsize=(9.6, 4.0), layout="constrained")
    front, label = result.front(), metric_label(result.metric)
    for place, (name, cost) in enumerate((("bytes_per_document", "bytes a document"), ("ms_per_query", "ms a query"))):
        axes = figure.add_subplot(1, 2, place + 1)
        axes.spines[["top", "right"]].set_visible(False)
        xs = [getattr(item, name) for item in result.settings]
        axes.scatter(xs, [item.tuning for item in result.settings], s=9, color="#B8B8B8", label="a setting")
        if name == "bytes_per_document":
            line = [getattr(item, name) for item in front]
            axes.plot(line, [item.tuning for item in front], color=COLOURS["hybrid"], label="front", linewidth=1.4)
        for title, item, marker in (("in force", result.default, "s"), ("best", result.best, "*")):
            held_out = "" if item.held_out is None else f" ({item.held_out:.3f} on other queries)"
            axes.scatter(
                getattr(item, name), item.tuning, marker=marker, s=90, zorder=3, label=f"{title}{held_out}",
                color=COLOURS["before"] if title == "in force" else COLOURS["late"], edgecolors="black",
            )  # fmt: skip
        for title, item in alone:
            axes.axhline(item.tuning, color=COLOURS[title.split()[0]], linestyle=":", linewidth=1.2, label=title)
        axes.set(xscale="log", xlabel=cost, ylabel=f"{label}, {result.queries} queries" if place == 0 else "")
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, frameon=False, loc="outside lower center", ncols=3, fontsize=8)
    figure.suptitle(f"{len(result.settings)} settings against {result.documents} documents")
    return figure
