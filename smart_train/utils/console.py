"""The terminal: standard output for text that this package did not write (rows, file names, answers of servers), and
whether bars are drawn."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.segment import Segment

from smart_train.errors import printable


def bars() -> bool | None:
    """What a command hands on as `show_progress_bar`: None, which shows a bar where it takes long, on a terminal; False
    elsewhere, because a bar in a file is a thousand lines. A notebook is not a terminal and shows bars: calls from
    Python do not ask here."""
    return None if sys.stderr.isatty() else False


class PlainConsole(Console):
    """Standard output without rich's own markup (a page called `a[1].png` is printed as that), and without control
    characters in what is printed, which a terminal would obey. `quiet`: prints nothing."""

    def __init__(self, *, quiet: bool = False) -> None:
        super().__init__(quiet=quiet, markup=False, emoji=False, highlight=False, soft_wrap=True)

    def render(self, renderable: Any, options: Any = None) -> Iterable[Segment]:
        """As rich's: pieces of text and their style, each piece `printable`."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)
