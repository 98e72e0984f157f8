"""What `probe` found of several models, as tables of the console."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table

from smart_train.evaluation.probe_result import ProbeResult


def probe_table(results: Sequence[ProbeResult]) -> Table:
    """A row for the pooled score and for the late score of every layer, of every model. Fits 80 columns."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("model", overflow="fold")
    for title in ("layer", results[0].metric, "mean cosine", "eff. rank", "winning", "busiest"):
        table.add_column(title, justify="right", no_wrap=True)
    for result in results:
        table.add_row(result.name, "pooled", f"{result.pooled:.3f}", "", "", "", "")
        for item in result.layers:
            rank = f"{item.effective_rank:.1f}"
            shares = (f"{item.winning:.3f}", f"{item.busiest:.3f}")
            table.add_row(result.name, str(item.layer), f"{item.late:.3f}", f"{item.mean_cosine:.3f}", rank, *shares)
    return table


def gradient_table(results: Sequence[ProbeResult]) -> Table:
    """How much of a pooled loss's gradient each kind of position has after each layer, and the mean norm of one such
    position's: a share of the gradient means little without the number of positions. Fits 80 columns."""
    kinds = list(dict.fromkeys(item.kind for result in results for item in result.gradients))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("model", overflow="fold")
    for title in ("layer", *(f"{kind}:\nshare, norm" for kind in kinds)):
        table.add_column(title, justify="right", no_wrap=True)
    for result in results:
        cells: dict[int, dict[str, str]] = {}
        for item in result.gradients:
            cells.setdefault(item.layer, {})[item.kind] = f"{item.share:.3f} {item.mean_norm:.1e}"
        for layer, of_kind in cells.items():
            table.add_row(result.name, str(layer), *(of_kind.get(kind, "") for kind in kinds))
    return table


def binding_table(results: Sequence[ProbeResult]) -> Table:
    """Of the local-binding test, a row for each score of every model that took it. Fits 80 columns."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("model", overflow="fold")
    table.add_column("score", no_wrap=True)
    for title in ("other codes", "other pairs", "95% interval"):
        table.add_column(title, justify="right", no_wrap=True)
    for result in results:
        for item in result.binding:
            interval = f"{item.low:.3f} to {item.high:.3f}"
            table.add_row(result.name, item.score, f"{item.codes:.3f}", f"{item.pairs:.3f}", interval)
    forms = sorted({f"{item.queries} queries, pages as {item.form}s" for result in results for item in result.binding})
    table.caption = (
        f"local binding: how often the answer is before a page with other codes, or with the same codes beside other "
        f"marks; chance 0.5 ({'; '.join(forms)})"
    )
    table.caption_justify = "left"
    return table
