"""Prints text of the user (paths, queries, values) unchanged."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from smart_train.errors import RunError, printable

if TYPE_CHECKING:
    from rich.console import Console


def plain_console() -> Console:
    """Standard output for text that is the user's; see `PlainConsole`."""
    from smart_train.utils.console import PlainConsole

    return PlainConsole()


def print_pairs(rows: Iterable[tuple[str, str]]) -> None:
    """What it is, and its value, one pair per line whatever the width of the terminal."""
    rows = list(rows)
    width = max(len(label) for label, _ in rows)
    for label, value in rows:
        print(printable(f"{label:<{width}}  {value}"))


def check_page(option: str, file: Path) -> None:
    """Raises RunError or DataError where an HTML page cannot be written to `file`, which `option` gave."""
    from smart_train.report.html import check_replaceable

    if file.suffix.lower() != ".html":
        raise RunError(f"{option} {file}: must end in .html")
    check_replaceable(option, file)
