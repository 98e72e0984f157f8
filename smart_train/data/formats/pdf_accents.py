"""Accents that are drawn over a letter as characters of their own: the place on the paper says whose they are.

In the text layer such an accent may come a dozen characters after its letter, between two blanks, because pdfium sorts
characters by where they begin: "Zakonczenie zako ´ nczenia". The order of the characters alone cannot mend that.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING

from smart_train.data.formats.pdf_characters import ACCENTS, DOTLESS

if TYPE_CHECKING:
    from pypdfium2 import PdfTextPage

Box = tuple[float, float, float, float]  # left, bottom, right, top

_TYPED = "`^"  # code and formulas have them too, beside letters rather than over them
_DRAWN = frozenset(ACCENTS) - frozenset(_TYPED)
_BELOW = "¸˛"
_BEFORE, _AFTER = 60, 4  # characters before and after an accent in which its letter is looked for
_OVERLAP, _DISTANCE = 0.35, 0.45  # of the letter's height: how far an accent reaches into it, or is away from it
_BLANK = 0.3  # of the letter's height: a smaller gap divides no words


def with_drawn_accents(textpage: PdfTextPage, characters: str) -> tuple[str, set[int]]:
    """The characters of a page with drawn accents put on their letters, each at its index, and the indexes of what is
    then to be left out: the accents, and blanks that stood around them inside a word."""
    places = [place for place, character in enumerate(characters) if character in _DRAWN]
    if not places:
        return characters, set()
    boxes: dict[int, Box] = {}

    def box(place: int) -> Box:
        if place not in boxes:
            boxes[place] = textpage.get_charbox(place)
        return boxes[place]

    made, gone = list(characters), set[int]()
    for place in places:
        for other in _near(place, len(characters)):
            if not made[other].isalpha() or not _belongs(characters[place], box(place), box(other)):
                continue
            letter = unicodedata.normalize("NFC", DOTLESS.get(made[other], made[other]) + ACCENTS[characters[place]])
            if len(letter) == 1:
                made[other] = letter
                gone.add(place)
                break
    for place in sorted(gone):
        gone |= _blanks_around(place, made, gone, box)
    return "".join(made), gone


def _near(place: int, count: int) -> list[int]:
    """Indexes near an accent, nearest first."""
    around = range(max(0, place - _BEFORE), min(count, place + _AFTER + 1))
    return sorted(around, key=lambda other: abs(other - place))


def _belongs(accent: str, drawn: Box, letter: Box) -> bool:
    """Whether an accent is drawn over (or below) a letter."""
    left, bottom, right, top = drawn
    height = letter[3] - letter[1]
    if height <= 0 or not letter[0] <= (left + right) / 2 <= letter[2]:
        return False
    apart = letter[1] - top if accent in _BELOW else bottom - letter[3]
    return -_OVERLAP * height <= apart <= _DISTANCE * height


def _blanks_around(place: int, made: list[str], gone: set[int], box: Callable[[int], Box]) -> set[int]:
    """Indexes of the blanks beside an accent that the paper does not show."""
    before, after = place - 1, place + 1
    while before >= 0 and (made[before] == " " or before in gone):
        before -= 1
    while after < len(made) and (made[after] == " " or after in gone):
        after += 1
    blanks = [other for other in range(before + 1, after) if made[other] == " " and other not in gone]
    if not blanks or before < 0 or after >= len(made) or made[before] in "\r\n" or made[after] in "\r\n":
        return set()
    first, last = box(before), box(after)
    inside_a_word = last[0] - first[2] < _BLANK * (first[3] - first[1])
    return set(blanks if inside_a_word else blanks[1:])
