"""Letters and lines that a page draws twice or more often, a little apart, to look bold or to cast a shadow.

PDFium leaves out the second copy of a text that is long and large enough against the distance between the copies. Of
letters that are drawn one by one, and of short words, it reads both: "NNooss", "ofof". So it does with lines that are
drawn in pieces, once all pieces of a copy are drawn: "PEST MANAGEMENT: PEST MANAGEMENT:".
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from smart_train.data.formats.pdf_glyphs import Glyphs, size_of

# What the characters alone show where letters are drawn twice; "committee", "banana" and "skiing" show it, too. Where
# the copies are very near, PDFium reads only narrow letters twice.
_REPEATED = re.compile(r"(.)(?:\1(.)\2|(.)\1\3)|ii")
_PRINTED, _WORD = re.compile(r"\S+|\r\n"), re.compile(r"\w{4,}")
# Of the width of a letter, and of the size of the print: how far apart copies are, at most. Letters of a word that are
# the same are a whole width apart, a tenth less in tight print.
_ASIDE, _BELOW = 0.5, 0.15
_FARTHEST = 50  # points: no letter is wider than twice that
_MOSTLY = 0.5  # of a word's characters: fewer of them over others are chance


def drawn_again(page: Glyphs, hidden: set[int]) -> set[int]:
    """Indexes of the characters that are drawn over the same one. The letters of a ligature are at one place, too, and
    stay: they are drawn at once.

    Args:
        hidden: indexes of what is not seen.
    """
    repeated = (match.span() for match in _REPEATED.finditer(page.characters) if match[0].isalpha())
    if any(_copies(page, range(*span), hidden) for span in repeated) or any(
        _is_over(page, *pair) for pair in _same_words(page.characters) if not hidden.intersection(pair)
    ):
        return _copies(page, range(len(page)), hidden)
    return set()  # to look at every character of every page would take as long as to read it


def _same_words(characters: str) -> Iterator[tuple[int, int]]:
    """The first indexes of words that a line holds more than once, of neighbours each."""
    start = 0
    for line in characters.split("\r\n"):
        before: dict[str, int] = {}
        for match in _WORD.finditer(line):
            place = start + match.start()
            if match[0] in before:
                yield before[match[0]], place
            before[match[0]] = place
        start += len(line) + 2


def _copies(page: Glyphs, among: range, hidden: set[int]) -> set[int]:
    """Of two words in one line, one over the other, the first is kept; the second where the first lacks letters, or has
    a blank where the second has a sign: "122 921" under "122,921"."""
    gone: set[int] = set()
    kept: dict[tuple[str, int], list[int]] = defaultdict(list)  # those of this line, by where they are
    for match in _PRINTED.finditer(page.characters, among.start, among.stop):
        if match[0] == "\r\n":
            kept.clear()
            continue
        word = [place for place in range(*match.span()) if place not in hidden]
        under: dict[int, int] = {}  # the characters below those of this word
        for place in word:
            character, column = page.characters[place], _column(page, place)
            near = (other for around in (column - 1, column, column + 1) for other in kept[character, around])
            first = next((other for other in near if other not in gone and _is_over(page, other, place)), None)
            if first is None:
                kept[character, column].append(place)
            else:
                under[place] = first
        # Letters that are drawn one by one have their copies in the same word.
        inside = {place for place, first in under.items() if first >= match.start()}
        below = {place: first for place, first in under.items() if place not in inside}
        gone |= inside
        if _is_copy(page, word, under):
            gone.update(word)
        elif len(below) >= _MOSTLY * len(word):
            gone.update(below.values())
            for place in below:
                kept[page.characters[place], _column(page, place)].append(place)
    return gone


def _is_copy(page: Glyphs, word: list[int], under: dict[int, int]) -> bool:
    """Whether a word says no more than the one below it, but for signs at its ends.

    Args:
        word: the indexes of its characters.
        under: of some of them, the index of the same character below.
    """
    first, last = min(under.values(), default=0), max(under.values(), default=0)
    if not word or last >= word[0] or last - first >= len(under):
        return len(under) == len(word)
    return not any(page.characters[place].isalnum() for place in word if place not in under)


def _column(page: Glyphs, place: int) -> int:
    """Of the page, each as wide as no letter is: all columns would be too many to look at in a long line."""
    return int(page.origin(place)[0] // _FARTHEST)


def _is_over(page: Glyphs, first: int, second: int) -> bool:
    """Whether the second of two equal characters is drawn over the first."""
    (x0, y0), (x1, y1) = page.origin(first), page.origin(second)
    if abs(x1 - x0) >= _FARTHEST:
        return False
    left, _, right, _ = page.room(first)
    if abs(x1 - x0) >= _ASIDE * (right - left):
        return False
    size = size_of(page.textpage, first)
    return abs(y1 - y0) < _BELOW * size == _BELOW * size_of(page.textpage, second) and not page.together(first, second)
