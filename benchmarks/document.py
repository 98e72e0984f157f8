"""Where measured tables go: a section of a Markdown file between two markers, rewritten whole by its benchmark."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path


def replace_section(path: Path, name: str, lines: Sequence[str]) -> None:
    """Puts `lines` between `<!-- begin NAME -->` and `<!-- end NAME -->` of `path`, at its end when it has none yet."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    block = "\n".join([begin, *lines, end])
    if begin in text:
        head, rest = text.split(begin, 1)
        _, tail = rest.split(end, 1)
        text = head + block + tail
    else:
        text = f"{text.rstrip()}\n\n{block}\n".lstrip()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def print_or_write(description: str | None, path: Path, name: str, lines: Callable[[], list[str]]) -> None:
    """The command of a benchmark without options of its own: prints `lines`, and with --write puts them into `path`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write the tables into docs/{path.name}")
    write = parser.parse_args().write
    made = lines()
    print("\n".join(made))
    if write:
        replace_section(path, name, made)
