"""Letters that a page draws twice, a little apart, to look bold or to cast a shadow.

PDFium leaves out the second copy of a text that is long and large enough against the distance between the copies. Of
letters that are drawn one by one, and of short words, it reads both: "NNooss", "ofof".
"""

from __future__ import annotations

import re

from smart_train.data.formats.pdf_glyphs import Glyphs, size_of

# What the characters alone show where letters are drawn twice; "committee", "banana" and "skiing" show it, too. Where
# the copies are very near, PDFium reads only narrow letters twice.
_REPEATED = re.compile(r"(.)(?:\1(.)\2|(.)\1\3)|ii")
_BACK = 8  # characters before a copy among which the letter is
# Of the width of a letter, and of the size of the print: how far apart copies are, at most. Letters of a word that are
# the same are a whole width apart, a tenth less in tight print.
_ASIDE, _BELOW = 0.5, 0.15


def drawn_again(page: Glyphs, hidden: set[int]) -> set[int]:
    """Indexes of the characters that are drawn over the same one. The letters of a ligature are at one place, too, and
    stay: they are drawn at once.

    Args:
        hidden: indexes of what is not seen.
    """
    repeated = (match.span() for match in _REPEATED.finditer(page.characters) if match[0].isalpha())
    if not any(_copies(page, range(*span), hidden) for span in repeated):
        return set()  # to look at every character of every page would take as long as to read it
    return _copies(page, range(len(page)), hidden)


def _copies(page: Glyphs, among: range, hidden: set[int]) -> set[int]:
    gone: set[int] = set()
    for place in among:
        character = page.characters[place]
        start = max(among.start, place - _BACK)
        before = page.characters.rfind(character, start, place)
        while before >= 0 and not character.isspace():
            if before not in gone and before not in hidden and _is_over(page, before, place):
                gone.add(place)
                break
            before = page.characters.rfind(character, start, before)
    return gone


def _is_over(page: Glyphs, first: int, second: int) -> bool:
    """Whether the second of two equal characters is drawn over the first."""
    (x0, y0), (x1, y1) = page.origin(first), page.origin(second)
    left, _, right, _ = page.room(first)
    if abs(x1 - x0) >= _ASIDE * (right - left):
        return False
    size = size_of(page.textpage, first)
    return abs(y1 - y0) < _BELOW * size == _BELOW * size_of(page.textpage, second) and not page.together(first, second)
