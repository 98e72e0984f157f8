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
    """What it is, and its value, one pair per line whatever the width of the terminal."""
    rows = list(rows)
    width = max(len(label) for label, _ in rows)
    for label, value in rows:
        print(f"{label:<{width}}  {value}")
