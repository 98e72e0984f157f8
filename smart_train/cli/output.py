"""Prints text of the user (paths, queries, values) unchanged."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from os.path import exists, isdir  # False, where Path's raise PermissionError below a folder that may not be searched
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


def check_place(option: str, path: Path, *, inside: bool = False) -> None:
    """Raises RunError where nothing can be made at `path`, which `option` gave, or `inside` it: before minutes of work,
    not after."""
    whole = path.absolute()
    there = next(folder for folder in ((whole, *whole.parents) if inside else whole.parents) if exists(folder))
    if not isdir(there):
        raise RunError(f"{option} {path}: {there} is a file; name a place in a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise RunError(f"{option} {path}: {there} cannot be written to; name another place, or make it writable")


def check_folder(option: str, folder: Path) -> None:
    """Raises RunError where files cannot be written into `folder`, which `option` gave, and which need not exist."""
    if exists(folder) and not isdir(folder):
        raise RunError(f"{option} {folder}: is a file; name a folder")
    check_place(option, folder, inside=True)


def check_page(option: str, file: Path) -> None:
    """Raises RunError or DataError where an HTML page cannot be written to `file`, which `option` gave."""
    from smart_train.report.html import check_replaceable

    if file.suffix.lower() != ".html":
        raise RunError(f"{option} {file}: must end in .html")
    check_replaceable(option, file)
    check_place(option, file)


def check_outputs(output: Path | None, report: Path | None, check_replaceable: Callable[[Path], None]) -> None:
    """Raises RunError or DataError where the files that --output and --report name cannot be written.

    Args:
        check_replaceable: raises RunError where a file is not what an earlier call wrote to --output.
    """
    if output is not None and output.is_dir():
        raise RunError(f"--output {output}: is a folder; name a file in it")
    if output is not None and output.exists():
        check_replaceable(output)
    if output is not None:
        check_place("--output", output)
    if report is not None:
        check_page("--report", report)
