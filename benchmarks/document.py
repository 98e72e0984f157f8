"""Where measured tables go: a section of a Markdown file between two markers, rewritten whole by its benchmark."""

from __future__ import annotations

from collections.abc import Sequence
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
