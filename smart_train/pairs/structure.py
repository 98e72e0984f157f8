"""What a document says about its own pages: bookmarks, tables of contents, and its index."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from smart_train.pairs.words import as_words, clean, without_numbering

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

# "name . . . . 12, 14" and "name, 12, 14": an entry of an index or of a table of contents
_ENTRY = re.compile(r"^(?P<term>\S.*?)(?:(?:\s*\.){3,}\s*|,\s+|\s+)(?P<numbers>\d+(?:,\s*\d+)*)$")
_FRONT_MATTER = 60  # pages that may lie between a page's printed number and its place in the file


def is_listing(lines: Sequence[str]) -> bool:
    """Whether a page is a table of contents or an index: more than half of its lines end in page numbers."""
    return len(lines) >= 8 and sum(1 for line in lines if _ENTRY.match(line)) > len(lines) / 2


def read_bookmarks(pdf: PdfDocument) -> Iterator[tuple[int, int, str]]:
    """Page (from 0), level (from 0, the top) and title, without its section number, of every bookmark that points to a
    page."""
    for bookmark in pdf.get_toc():
        target = bookmark.get_dest()
        number = target.get_index() if target else None
        title = without_numbering(clean(bookmark.get_title() or "").replace("\n", " "))
        if number is not None and title:
            yield number, bookmark.level, title


def read_index(listings: Sequence[Sequence[str]], pages: Mapping[int, str]) -> Iterator[tuple[int, str]]:
    """Page (from 0) and term of index entries with a single page.

    An index gives printed numbers, which start after the front matter. The shift between the two is the one under which
    most entries are found on their page.

    Args:
        listings: the lines of the pages that are an index. pages: page -> its text `as_words`.
    """
    entries = []
    for line in (line for listing in listings for line in listing):
        match = _ENTRY.match(line)
        if match and "," not in match["numbers"]:
            term = re.sub(r"\s*\([^)]*\)$", "", match["term"]).rstrip(" .,")
            entries.append((int(match["numbers"]), term, as_words(term)))
    votes = Counter(
        number - printed for printed, _, words in entries for number, text in pages.items()
        if abs(number - printed) <= _FRONT_MATTER and words.strip() and words in text
    )  # fmt: skip
    if not votes:
        return
    shift = votes.most_common(1)[0][0]
    for printed, term, words in entries:
        if words in pages.get(printed + shift, ""):
            yield printed + shift, term
