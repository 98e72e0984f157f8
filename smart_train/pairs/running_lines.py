"""Running heads and feet of a document's pages, which do not count as its text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from smart_train.pairs.page_parts import HEADING_RATIO, HEADING_WORDS, Line

_REPEATED = 3  # a first or last line that comes back on so many pages is a running head or foot
# So is one of a few lines that most pages have, wherever their files put it: share of the pages, characters, lines.
_EVERYWHERE, _LONG, _FEW = 0.6, 12, 4
_EDGE = 2  # lines at the top and at the bottom that may be one
_OF_NUMBER = 60  # characters; a page number has fewer, whatever stands around it
_NUMBER_ALONE = re.compile(r"[\W_]*(?:\d{1,4}|[ivxlc]{1,7})[\W_]*$", re.IGNORECASE)


def without_running_lines(pages: Sequence[Sequence[Line]], body: float) -> list[list[Line]]:
    """The pages of one document without running heads and feet: first and last lines that come back, page numbers
    aside, on several pages; that hold the printed page number; or that are a number alone. They name the chapter on
    each of its pages and would make its heading look common.

    A line larger than running text stays where the others that say the same are of another size: it is the title or
    heading that they repeat.

    Args:
        body: the document's `body_size`.
    """
    texts = Counter(key for page in pages for key in {_mask(line.text) for line in _edges(page)})
    prints = Counter(key for page in pages for key in {(_mask(line.text), line.size) for line in _edges(page)})
    anywhere = Counter(text for page in pages for text in {line.text for line in page if len(line.text) >= _LONG})
    everywhere = {text for text, count in anywhere.items() if count >= max(_REPEATED, _EVERYWHERE * len(pages))}
    if len(everywhere) > _FEW:  # a text that pages repeat
        everywhere.clear()
    shifts = Counter(
        shift
        for number, page in enumerate(pages)
        for shift in {printed - number for line in _edges(page) for printed in _numbers_at_ends(line.text)}
    )

    def runs(number: int, line: Line) -> bool:
        if len(line.text) <= _OF_NUMBER and _NUMBER_ALONE.match(line.text):
            return True
        large, key = line.size >= HEADING_RATIO * body, _mask(line.text)
        if texts[key] >= _REPEATED and (not large or prints[key, line.size] >= _REPEATED):
            return True
        numbered = any(shifts[printed - number] >= _REPEATED for printed in _numbers_at_ends(line.text))
        # A heading in large print may begin with the number of its section.
        return numbered and not large and len(line.text.split()) <= HEADING_WORDS

    def kept_lines(number: int, page: Sequence[Line]) -> list[Line]:
        # A page of hardly anything else, as a form is, keeps its text.
        most = 2 * sum(line.text in everywhere for line in page) > len(page)
        return [
            line
            for place, line in enumerate(page)
            if (most or line.text not in everywhere or line.size >= HEADING_RATIO * body)
            and not (_at_edge(place, len(page)) and runs(number, line))
        ]

    return [kept_lines(number, page) for number, page in enumerate(pages)]


def _edges(page: Sequence[Line]) -> Iterator[Line]:
    return (line for place, line in enumerate(page) if _at_edge(place, len(page)))


def _at_edge(place: int, count: int) -> bool:
    return place < _EDGE or place >= count - _EDGE


def _mask(text: str) -> str:
    return re.sub(r"\d+|\b[ivxlc]+\b", "#", text.lower())


def _numbers_at_ends(text: str) -> set[int]:
    """The numbers that a line begins and ends with."""
    return {int(number) for number in re.findall(r"^\d{1,4}\b(?![.,]\d)|(?<![\d.,])\b\d{1,4}$", text)}
