"""Printing of text that is the user's: paths, queries and values stay as they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def plain_console() -> Console:
    """Standard output without rich's own markup: a page called `a[1].png` is printed as that."""
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False, soft_wrap=True)


def print_pairs(rows: Iterable[tuple[str, str]]) -> None:
    """Two columns: what it is, and its value."""
    from rich.table import Table

    table = Table(show_header=False, box=None, padding=(0, 2))
    for row in rows:
        table.add_row(*row)
    plain_console().print(table)
