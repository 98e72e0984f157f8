"""The console table of what `tune` found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from smart_train.evaluation.setting_words import short_differences, weights_of

if TYPE_CHECKING:
    from smart_train.evaluation.tuning_result import TunedSetting, TuningResult

_ROWS = 8  # of the front in the table


def tuning_table(result: TuningResult, alone: Sequence[tuple[str, TunedSetting]]) -> Table:
    """As `TuningResult.table`.

    Args:
        alone: the settings that use one score alone, each with its title.
    """
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    table.add_column("pooled:late", no_wrap=True)
    table.add_column("not as in force")
    for name in ("bytes", "ms", "chose", "decide"):
        table.add_column(name, justify="right", no_wrap=True)
    shown = [("in force", result.default), ("best", result.best), *alone]
    front = [item for item in result.front() if item.scoring not in [one.scoring for _, one in shown]]
    step = max(1, -(-len(front) // _ROWS))
    shown += [("smaller", item) for item in front[::-1][::step]]
    for name, item in shown:
        held_out = "" if item.held_out is None else f"{item.held_out:.3f}"
        cost = (f"{item.bytes_per_document:,.0f}", f"{item.ms_per_query:.2f}", f"{item.tuning:.3f}", held_out)
        differs = short_differences(item.scoring, result.default.scoring)
        table.add_row(name, weights_of(item.scoring), ", ".join(differs), *cost)
    return table
