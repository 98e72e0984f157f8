"""Blanks that a page draws by themselves.

PDFium leaves out what has no ink and puts a blank where two characters are far apart, which a narrow blank of a
justified line is not: "thischapter". Taking a smaller distance for a blank everywhere was rejected: letters of spaced
print are as far apart. So only a distance in which the file draws something without ink is one.
"""

from __future__ import annotations

import ctypes
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence

import regex

from smart_train.data.formats.pdf_glyphs import Glyphs, PageObject, size_of
from smart_train.data.formats.pdf_hyphens import HYPHENS

# Pages with fewer objects for each character are not drawn word by word, nor letter by letter.
_OBJECTS = 0.1
# A look at so many objects tells whether a page draws blanks by themselves: of its texts, so many are blanks, at least.
_SAMPLE, _SHARE = 100, 0.05
_NO_INK = 0.01  # points: as wide as nothing
_LEVEL = 0.1  # points: the baselines of a blank and of the letters beside it are no farther apart
_AFTER = 0.5  # points: a blank begins so far after the origin of a letter, at least
_ROOM = 0.1  # of the size of the print: letters of a word are nearer
_WORD = re.compile(rf"[^\s{HYPHENS}]{{2,}}")  # what a hyphen divides is on two lines
# Characters of scripts with blanks; lines of Arabic and Hebrew are read from the places of their glyphs.
_DIVIDED = regex.compile(
    r"[^\s\p{C}\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Hebrew}\p{Arabic}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
    r"\u3000-\u303f\uff00-\uffef]{2}"
)

_Blanks = dict[int, list[float]]  # by the level of their baseline: where they begin, in order


def blanks_before(page: Glyphs, objects: Sequence[PageObject]) -> set[int]:
    """Indexes of the characters before which the page draws a blank that the text lacks.

    Args:
        objects: of the page.
    """
    if len(objects) < _OBJECTS * len(page) or not _draws_blanks(objects[:: max(1, len(objects) // _SAMPLE)]):
        return set()
    blanks = _blanks(objects)
    found: set[int] = set()
    for match in _WORD.finditer(page.characters):
        first, last = match.start(), match.end() - 1
        left, level = page.origin(first)
        across = blanks.get(_level(level))
        if across and _is_between(across, left, page.origin(last)[0]):
            found.update(place for place in range(first + 1, last + 1) if _is_before(across, page, place))
    return found


def _is_before(across: Sequence[float], page: Glyphs, place: int) -> bool:
    """Whether a blank is drawn between a character and the one before it, which are apart.

    Args:
        across: where the blanks on the baseline begin.
    """
    (left, level), (right, other) = page.origin(place - 1), page.origin(place)
    if abs(level - other) > _LEVEL or not _is_between(across, left, right):
        return False
    if not _DIVIDED.match(page.characters, place - 1):
        return False
    return right - page.room(place - 1)[2] > _ROOM * size_of(page.textpage, place)


def _is_between(across: Sequence[float], left: float, right: float) -> bool:
    at = bisect_left(across, left + _AFTER)
    return at < len(across) and across[at] <= right


def _level(height: float) -> int:
    return round(height / _LEVEL)


def _draws_blanks(sample: Sequence[PageObject]) -> bool:
    import pypdfium2.raw as pdfium

    texts = sum(kind == pdfium.FPDF_PAGEOBJ_TEXT for kind, _ in sample)
    return len(list(_without_ink(sample))) > _SHARE * texts


def _blanks(objects: Sequence[PageObject]) -> _Blanks:
    found: _Blanks = defaultdict(list)
    for left, height in _without_ink(objects):
        level = _level(height)
        for near in (level - 1, level, level + 1):
            found[near].append(left)
    return {level: sorted(across) for level, across in found.items()}


def _without_ink(objects: Sequence[PageObject]) -> Iterator[tuple[float, float]]:
    """Where the texts without ink begin, and how high their baselines are."""
    import pypdfium2.raw as pdfium

    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    matrix = pdfium.FS_MATRIX()
    bounds = pdfium.FPDFPageObj_GetBounds
    for kind, item in objects:
        if kind != pdfium.FPDF_PAGEOBJ_TEXT or (
            bounds(item, left, bottom, right, top) and right.value - left.value > _NO_INK
        ):
            continue
        if pdfium.FPDFPageObj_GetMatrix(item, matrix):
            yield matrix.e, matrix.f
