"""Combining marks where they are drawn: behind the letter that they are over or below.

PDFium sorts what is drawn on a line by where it begins. A mark that is drawn by itself (the second of two Thai marks,
points of Hebrew, signs of Khmer, as LibreOffice and Pango write them) then comes after other letters. Because it has no
width, PDFium takes what follows it for another word: "ศักดิ ์และ". A syllable that a file spells out (`ActualText`) and
draws in parts is read once for each part that is not beside the others.

Arabic with vowel signs stays broken: there PDFium also ends the line at some signs, and the parts come from the left.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import regex

if TYPE_CHECKING:
    from pypdfium2 import PdfTextPage

Box = tuple[float, float, float, float]  # left, bottom, right, top

_MARK = regex.compile(r"\p{Mn}")  # of these a syllable's letter has any number; they take no room
_ADDED = regex.compile(r"\p{M}")
_LETTER = regex.compile(r"\p{L}|\p{Mc}")
_AROUND = 150  # characters before and after a mark in which its letter is looked for
_AWAY = 0.6  # of the letter's height: no mark is farther above or below it
_LAST = 6  # characters before a line's end in which what the next line goes on with is looked for
# Of the higher of two letters: a smaller gap divides no words. Letters of Thai may be 0.35 apart, which is as wide as a
# narrow blank of TeX: only blanks that a displaced mark left behind are judged by that.
_GAP, _GAP_LEFT_BEHIND = 0.25, 0.4
_TOUCHING = 0.1  # of the letter's height: what is nearer touches it
_SPELT = b"ActualText"


def with_drawn_marks(textpage: PdfTextPage, characters: str) -> tuple[list[str], set[int]]:
    """What stands at the index of each of a page's characters, with the marks that belong to it, and the indexes of
    what is to be left out: marks that went to their letters, repeated syllables, and blanks and ends of lines that the
    paper does not show."""
    pieces = list(characters)
    if not _MARK.search(characters):
        return pieces, set()
    page = _Page(textpage, characters)
    gone = page.repeated()
    for run in page.runs(gone):
        target = page.letter_of(run, gone)
        if target is not None:
            pieces[page.end_of_syllable(target, gone)] += "".join(characters[place] for place in run)
            gone |= {*run}
    for place in page.false_breaks(gone):
        pieces[place : place + 2] = "  "
        gone |= {place, place + 1}
    return pieces, gone | page.false_blanks(gone)


class _Page:
    """A page's characters, with what drew them and where."""

    def __init__(self, textpage: PdfTextPage, characters: str) -> None:
        self.textpage, self.characters = textpage, characters
        self._boxes: dict[int, Box] = {}

    @cached_property
    def owners(self) -> list[int | None]:
        """The address of the text object that drew each character; None where PDFium put it in."""
        import pypdfium2.raw as pdfium

        items = (pdfium.FPDFText_GetTextObject(self.textpage.raw, place) for place in range(len(self.characters)))
        return [ctypes.addressof(item.contents) if item else None for item in items]

    def repeated(self) -> set[int]:
        """Indexes of what belongs to a syllable that is spelt out and drawn in parts, but for the highest part of each,
        which is its letter."""
        import pypdfium2.raw as pdfium

        parts: dict[int, dict[int, list[int]]] = {}  # spelt syllable -> text object -> its characters
        spans: dict[int, int | None] = {}
        for place, owner in enumerate(self.owners):
            if owner is None:
                continue
            if owner not in spans:
                spans[owner] = _spelling(pdfium.FPDFText_GetTextObject(self.textpage.raw, place))
            span = spans[owner]
            if span is not None:
                parts.setdefault(span, {}).setdefault(owner, []).append(place)
        gone: set[int] = set()
        for objects in parts.values():
            kept = max(objects.values(), key=lambda places: self.box(places[0])[3] - self.box(places[0])[1])
            gone.update(place for places in objects.values() if places is not kept for place in places)
        return gone

    def runs(self, gone: set[int]) -> Iterator[range]:
        """Marks that do not belong to what is before them, each with those that were drawn together with it."""
        place = 0
        while match := _MARK.search(self.characters, place):
            place = match.start()
            stop = place + 1
            while (
                stop < len(self.characters)
                and self._together(place, stop)
                and (_MARK.match(self.characters[stop]) or self.box(stop) == self.box(stop - 1))
            ):  # of one glyph there may be several characters
                stop += 1
            if place not in gone and not self._in_place(range(place, stop), gone):
                yield range(place, stop)
            place = stop

    def _in_place(self, run: range, gone: set[int]) -> bool:
        """Whether marks were drawn together with what is before them, or over or below it."""
        before = run.start - 1
        while before >= 0 and before in gone:
            before -= 1
        if before < 0 or self._together(before, run.start):
            return before >= 0
        if before == run.start - 1 and self._touches(before, self._around(run)):
            return True  # there are marks that are drawn beside their letter: of Malayalam, for example
        while before >= 0:
            if self._holds(before, self._around(run)):
                return True
            if not _ADDED.match(self.characters[before]):
                return False
            before -= 1
        return False

    def letter_of(self, run: range, gone: set[int]) -> int | None:
        """The index of the letter that marks are drawn over or below."""
        drawn = self._around(run)
        near = range(max(0, run.start - _AROUND), min(len(self.characters), run.stop + _AROUND))
        holding = (place for place in near if place not in gone and place not in run and self._holds(place, drawn))
        return min(holding, key=lambda place: abs(_middle(self.box(place)) - _middle(drawn)), default=None)

    def end_of_syllable(self, place: int, gone: set[int]) -> int:
        """The index of the last mark that stands behind a letter."""
        while (
            place + 1 < len(self.characters) and place + 1 not in gone and _ADDED.match(self.characters[place + 1])
        ) and self._in_place(range(place + 1, place + 2), gone):
            place += 1
        return place

    def false_breaks(self, gone: set[int]) -> list[int]:
        """Indexes of the ends of lines where the paper goes on beside them, after a mark or with one."""
        breaks = []
        for match in regex.finditer("\r\n", self.characters):
            place = match.start()
            after = next((other for other in range(match.end(), len(self.characters)) if other not in gone), None)
            last = [other for other in range(max(0, place - _LAST), place) if other not in gone]
            if after is None or not any(_ADDED.match(self.characters[other]) for other in (*last, after)):
                continue
            left, bottom, right, top = self.box(after)
            for other in last:
                before = self.box(other)
                level = min(top, before[3]) - max(bottom, before[1]) > (top - bottom) / 2
                if (
                    level
                    and max(left - before[2], before[0] - right) < _GAP_LEFT_BEHIND * (top - bottom)
                    and (left > before[0])
                ):
                    breaks.append(place)
                    break
        return breaks

    def false_blanks(self, gone: set[int]) -> set[int]:
        """Indexes of the blanks that PDFium put in beside a mark, or where one was, and that the paper does not
        show."""
        blanks = set()
        for place, character in enumerate(self.characters):
            if character != " " or not self._put_in(place):
                continue
            left_behind = place - 1 in gone or place + 1 in gone
            if not left_behind and not _ADDED.search(self.characters[max(0, place - 2) : place + 2]):
                continue
            before, after = self._beside(place, -1, gone, _LAST), self._beside(place, 1, gone, 1)
            if not before or not after:
                continue
            (second,) = after
            apart = min(max(second[0] - first[2], first[0] - second[2]) for first in before)
            height = max(box[3] - box[1] for box in (*before, second))
            if apart < (_GAP_LEFT_BEHIND if left_behind else _GAP) * height:
                blanks.add(place)
        return blanks

    def _beside(self, place: int, step: int, gone: set[int], most: int) -> list[Box]:
        """The boxes of the next characters in one direction that take room, up to the end of a word."""
        boxes: list[Box] = []
        place += step
        while 0 <= place < len(self.characters) and len(boxes) < most:
            character = self.characters[place]
            put_in = character == " " and self._put_in(place)
            if character.isspace() and (boxes or not put_in):
                break
            if place not in gone and not put_in and not _MARK.match(character):
                boxes.append(self.box(place))
            place += step
        return boxes

    def _put_in(self, place: int) -> bool:
        """Whether a blank is PDFium's, and takes no room; between letters that run to the left it has an owner, too."""
        left, _, right, _ = self.box(place)
        return left == right

    def _together(self, first: int, second: int) -> bool:
        return self.owners[first] is not None and self.owners[first] == self.owners[second]

    def _holds(self, place: int, mark: Box) -> bool:
        """Whether the character at `place` is a letter, and `mark` over, in or below it."""
        if not _LETTER.match(self.characters[place]):
            return False
        left, bottom, right, top = self.box(place)
        apart = max(mark[1] - top, bottom - mark[3])
        return left <= _middle(mark) <= right and apart <= _AWAY * (top - bottom)

    def _touches(self, place: int, mark: Box) -> bool:
        left, bottom, right, top = self.box(place)
        apart = max(mark[0] - right, left - mark[2])
        return apart < _TOUCHING * (top - bottom) and min(top, mark[3]) > max(bottom, mark[1])

    def _around(self, run: range) -> Box:
        boxes = [self.box(place) for place in run]
        return (min(box[0] for box in boxes), min(box[1] for box in boxes)) + (
            max(box[2] for box in boxes),
            max(box[3] for box in boxes),
        )

    def box(self, place: int) -> Box:
        if place not in self._boxes:
            self._boxes[place] = self.textpage.get_charbox(place)
        return self._boxes[place]


def _middle(box: Box) -> float:
    return (box[0] + box[2]) / 2


def _spelling(item: Any) -> int | None:
    """What tells the spelt syllable that a text object is a part of from others; None where there is none."""
    import pypdfium2.raw as pdfium

    for place in range(pdfium.FPDFPageObj_CountMarks(item)):
        mark = pdfium.FPDFPageObj_GetMark(item, place)
        if pdfium.FPDFPageObjMark_GetParamValueType(mark, _SPELT) == pdfium.FPDF_OBJECT_STRING:
            return ctypes.addressof(mark.contents)
    return None
