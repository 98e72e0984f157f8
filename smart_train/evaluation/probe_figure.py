"""What `probe` found of several models, as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from smart_train.evaluation.plots import COLOURS
from smart_train.evaluation.probe_result import ProbeResult
from smart_train.utils.terms import SCORES

_COLUMNS = 3
_LINE: dict[str, Any] = {"marker": "o", "markersize": 3}


def probe_figure(results: Sequence[ProbeResult]) -> Figure:
    """A line for every model. By layer: late quality (its pooled one dotted), mean cosine, effective rank, winners, and
    for each kind of position the mean norm of a pooled loss's gradient. And by score the local-binding test."""
    by_layer = {
        "late": f"late {results[0].metric}",
        "mean_cosine": "mean cosine, tokens of different documents",
        "effective_rank": "effective rank",
        "winning": "share of document tokens that win",
    }
    kinds = list(dict.fromkeys(item.kind for result in results for item in result.gradients))
    tested = any(result.binding for result in results)
    rows = -(-(len(by_layer) + len(kinds) + tested) // _COLUMNS)
    figure = Figure(figsize=(4.6 * _COLUMNS, 3.1 * rows), layout="constrained")
    panels = (_panel(figure, rows, place) for place in range(_COLUMNS * rows))
    spare = [*dict.fromkeys(COLOURS.values())]
    colours = [spare[number % len(spare)] for number in range(len(results))]
    for name, title in by_layer.items():
        _layers(next(panels), results, colours, name, title)
    for kind in kinds:
        _gradients(next(panels), results, colours, kind)
    if tested:
        _binding(next(panels), results, colours)
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, frameon=False, loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _panel(figure: Figure, rows: int, place: int) -> Axes:
    axes = figure.add_subplot(rows, _COLUMNS, place + 1)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _layers(axes: Axes, results: Sequence[ProbeResult], colours: Sequence[str], name: str, title: str) -> None:
    for result, colour in zip(results, colours, strict=True):
        values = [getattr(item, name) for item in result.layers]
        axes.plot([item.layer for item in result.layers], values, color=colour, label=result.name, **_LINE)
        if name == "late":
            axes.axhline(result.pooled, color=colour, linestyle=":", linewidth=1.0)
    axes.set(xlabel="layer", title=title)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _gradients(axes: Axes, results: Sequence[ProbeResult], colours: Sequence[str], kind: str) -> None:
    """Norms differ by orders of magnitude. One of 0, as after the last layer where one position is pooled, has no place
    on a logarithmic axis, and is left out."""
    for result, colour in zip(results, colours, strict=True):
        points = [(item.layer, item.mean_norm) for item in result.gradients if item.kind == kind and item.mean_norm > 0]
        axes.plot([x for x, _ in points], [y for _, y in points], color=colour, **_LINE)
    last = max(item.layer for result in results for item in result.gradients)
    axes.set(xlabel="layer", xlim=(0.8, last + 0.2), yscale="log", title=f"mean gradient norm, positions: {kind}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _binding(axes: Axes, results: Sequence[ProbeResult], colours: Sequence[str]) -> None:
    for number, (result, colour) in enumerate(zip(results, colours, strict=True)):
        aside = 0.5 * ((number + 1) / (len(results) + 1) - 0.5)
        for item in result.binding:
            spread = [[item.pairs - item.low], [item.high - item.pairs]]
            axes.errorbar(SCORES.index(item.score) + aside, item.pairs, yerr=spread, color=colour, capsize=2, **_LINE)
    axes.axhline(0.5, color=COLOURS["chance"], linestyle=":")
    axes.set(xticks=range(len(SCORES)), xticklabels=SCORES, ylim=(0, 1.05), title="right pairs before swapped ones")
