"""Headings with the one that they stand under: "Rotary pumps: Maintenance" asks for more than "Maintenance"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from smart_train.pairs.heads import is_generic
from smart_train.pairs.words import as_words, without_numbering

# What generators of references write around a name.
_AROUND_A_NAME = re.compile(
    r"^(?:\w+::)+|\s*(?:(?:class|struct|file|namespace|union|module) (?:template )?reference)$", re.I
)
_OVERLOADED = re.compile(r"\s*(?:\(\))?\s*(?:\[\d+/\d+\])?$")
_FILE_AND_PAGE = re.compile(r"[\w./+-]+\.\w{1,4}\s\d+")
_MOST_WORDS = 8  # of a heading that others stand under; longer ones are running text in large print


def of_bookmarks(bookmarks: Iterable[tuple[int, int, str]]) -> list[tuple[int, str]]:
    """Page and "heading above: heading", in order.

    Args:
        bookmarks: (page, level, title).
    """
    above: dict[int, str] = {}
    found = []
    for page, level, title in bookmarks:
        above = {other: text for other, text in above.items() if other < level}
        found += [(page, text) for text in _joined([above[other] for other in sorted(above, reverse=True)], title)]
        above[level] = title
    return found


def of_headings(pages: Sequence[Sequence[tuple[float, str]]]) -> list[tuple[int, str]]:
    """The same of print: a heading stands under the last one before it that is larger.

    Args:
        pages: size and text of the headings of each page, in order.
    """
    above: list[tuple[float, str]] = []
    found = []
    for page, headings in enumerate(pages):
        for size, text in headings:
            above = [(other, title) for other, title in above if other > size]
            found += [(page, joined) for joined in _joined([title for _, title in reversed(above)], text)]
            above.append((size, text))
    return found


def _joined(above: Sequence[str], heading: str) -> list[str]:
    """The heading with the nearest one above it that says something; none where no such one is there."""
    text = _OVERLOADED.sub("", without_numbering(heading)).strip(" :")
    if _FILE_AND_PAGE.fullmatch(text):
        return []
    for title in above:
        title = _AROUND_A_NAME.sub("", without_numbering(title)).strip(" :")
        if is_generic(title) or len(as_words(title).split()) > _MOST_WORDS:
            continue
        return [f"{title}: {text}"] if text and as_words(text) not in as_words(title) else []
    return []
