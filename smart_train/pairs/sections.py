"""Headings with the one that they stand under: "Rotary pumps: Maintenance" asks for more than "Maintenance"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from smart_train.pairs.generic_headings import is_generated, is_generic
from smart_train.pairs.words import as_words, without_numbering, words_of

# What generators of references write around a name.
_AROUND_A_NAME = re.compile(
    r"^(?:\w+::)+|\s*(?:(?:class|struct|file|namespace|union|module) (?:template )?reference)$", re.I
)
_OVERLOADED = re.compile(r"\s*(?:\(\))?\s*(?:\[\d+/\d+\])?$")
_FILE_AND_PAGE = re.compile(r"[\w./+-]+\.\w{1,4}\s\d+")
_MOST_ABOVE = 6  # headings that one stands under; real documents have fewer
_MOST_CHARACTERS = 240  # of a heading that is asked
_MOST_WORDS = 8  # of a heading that others stand under; longer ones are running text in large print


def of_bookmarks(bookmarks: Iterable[tuple[int, int, str]], title: str = "") -> list[tuple[int, str]]:
    """Page and "heading above: heading", in order, with the nearest heading first.

    Args:
        bookmarks: (page, level, title). title: of the document, which stands above all of them.
    """
    above = {-1: title}
    headings = []
    for page, level, title in bookmarks:
        above = {other: text for other, text in above.items() if other < level}
        headings += [(page, text) for text in _joined([above[other] for other in sorted(above, reverse=True)], title)]
        above[level] = title
    return headings


def of_headings(pages: Sequence[Sequence[tuple[float, str]]]) -> list[tuple[int, str]]:
    """The same of print: a heading stands under the last one before it that is larger.

    Args:
        pages: size and text of the headings of each page, in order.
    """
    above: list[tuple[float, str]] = []
    page_headings = []
    for page, headings in enumerate(pages):
        for size, text in headings:
            while above and above[-1][0] <= size:
                above.pop()
            nearest = [title for _, title in reversed(above[-_MOST_ABOVE:])]
            page_headings += [(page, joined) for joined in _joined(nearest, text)]
            above.append((size, text))
    return page_headings


def _joined(above: Sequence[str], heading: str) -> list[str]:
    """The heading with each one above it that says something, from the nearest on: its page may not have the words of
    that one. None of what generators of references write."""
    if len(heading) > _MOST_CHARACTERS:
        return []
    text = _OVERLOADED.sub("", without_numbering(heading)).strip(" :")
    if not text or _FILE_AND_PAGE.fullmatch(text) or is_generated(text):
        return []
    titles = [
        _AROUND_A_NAME.sub("", without_numbering(title)).strip(" :")
        for title in above
        if len(title) <= _MOST_CHARACTERS
    ]
    return [
        f"{title}: {text}"
        for title in titles
        if not is_generic(title) and as_words(text) not in as_words(title) and len(words_of(title)) <= _MOST_WORDS
    ]
