"""Combining marks where they are drawn: behind the letter that they are over or below.

PDFium sorts what is drawn on a line by where it begins. A mark that is drawn by itself (the second of two Thai marks,
points of Hebrew, signs of Khmer, as LibreOffice and Pango write them) then comes after other letters. Because it has no
width, PDFium takes what follows it for another word: "ศักดิ ์และ".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import regex

from smart_train.data.formats.pdf_glyphs import Box, Glyphs, middle
from smart_train.data.formats.pdf_spelt import lost_blanks, repeated

if TYPE_CHECKING:
    from pypdfium2 import PdfTextPage

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


def with_drawn_marks(textpage: PdfTextPage, characters: str) -> tuple[list[str], set[int]]:
    """What stands at the index of each of a page's characters, with the marks that belong to it, and the indexes of
    what is to be left out: marks that went to their letters, repeated syllables, and blanks and ends of lines that the
    paper does not show."""
    pieces = list(characters)
    if not _MARK.search(characters):
        return pieces, set()
    page = _Marks(textpage, characters)
    gone = repeated(page)
    for run in page.runs(gone):
        target = page.letter_of(run, gone)
        if target is not None:
            pieces[page.end_of_syllable(target, gone)] += "".join(characters[place] for place in run)
            gone |= {*run}
    for place in page.false_breaks(gone):
        pieces[place : place + 2] = "  "
        gone |= {place, place + 1}
    gone |= page.false_blanks(gone)
    for place in lost_blanks(page, gone):
        pieces[place] += " "
    return pieces, gone


class _Marks(Glyphs):
    """A page's characters, and to which letters its marks belong."""

    def runs(self, gone: set[int]) -> Iterator[range]:
        """Marks that do not belong to what is before them, each with those that were drawn together with it."""
        place = 0
        while match := _MARK.search(self.characters, place):
            place = match.start()
            stop = place + 1
            while (
                stop < len(self.characters)
                and self.together(place, stop)
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
        if before < 0 or self.together(before, run.start):
            return before >= 0
        if before == run.start - 1 and self._touches(before, self.around(run)):
            return True  # there are marks that are drawn beside their letter: of Malayalam, for example
        while before >= 0:
            if self._holds(before, self.around(run)):
                return True
            if not _ADDED.match(self.characters[before]):
                return False
            before -= 1
        return False

    def letter_of(self, run: range, gone: set[int]) -> int | None:
        """The index of the letter that marks are drawn over or below."""
        drawn = self.around(run)
        near = range(max(0, run.start - _AROUND), min(len(self.characters), run.stop + _AROUND))
        holding = (place for place in near if place not in gone and place not in run and self._holds(place, drawn))
        return min(holding, key=lambda place: _distance(self.box(place), drawn), default=None)

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
            after = self._next(match.end(), gone)
            last = self._last(place)
            if after is None or not last:
                continue
            if not any(_ADDED.match(self.characters[other]) for other in range(last[0], after + 1)):
                continue
            left, _, right, _ = self.box(after)
            _, bottom, _, top = self.box(self._next(after, gone, blanks=True) or after)  # a blank has no height
            for other in last:
                before = self.box(other)
                height = max(top - bottom, before[3] - before[1])
                level = min(top, before[3]) - max(bottom, before[1]) > (top - bottom) / 2
                if (
                    level
                    and max(left - before[2], before[0] - right) < _GAP_LEFT_BEHIND * height
                    and (left > before[0])
                ):
                    breaks.append(place)
                    break
        return breaks

    def _next(self, place: int, gone: set[int], *, blanks: bool = False) -> int | None:
        """The index of the next character that takes room on the paper; without the blanks if asked."""
        passed = "\r\n " if blanks else "\r\n"
        while place < len(self.characters) and (place in gone or self.characters[place] in passed):
            place += 1
        return place if place < len(self.characters) else None

    def _last(self, place: int) -> list[int]:
        """The indexes of the last characters before a place, in a line that a mark ended as well. What is left out was
        drawn, too."""
        last: list[int] = []
        while place > 0 and len(last) < _LAST:
            place -= 1
            if self.characters[place] not in "\r\n":
                last.insert(0, place)
        return last

    def false_blanks(self, gone: set[int]) -> set[int]:
        """Indexes of the blanks that PDFium put in beside a mark, or where one was, and that the paper does not
        show."""
        blanks = set()
        for place, character in enumerate(self.characters):
            if character != " " or not self.put_in(place):
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
            put_in = character == " " and self.put_in(place)
            if character.isspace() and (boxes or not put_in):
                break
            if place not in gone and not put_in and not _MARK.match(character):
                boxes.append(self.box(place))
            place += step
        return boxes

    def _holds(self, place: int, mark: Box) -> bool:
        """Whether the character at `place` is a letter, and `mark` over, in or below it."""
        if not _LETTER.match(self.characters[place]):
            return False
        left, bottom, right, top = self.box(place)
        apart = max(mark[1] - top, bottom - mark[3])
        return left <= middle(mark) <= right and apart <= _AWAY * (top - bottom)

    def _touches(self, place: int, mark: Box) -> bool:
        left, bottom, right, top = self.box(place)
        apart = max(mark[0] - right, left - mark[2])
        return apart < _TOUCHING * (top - bottom) and min(top, mark[3]) > max(bottom, mark[1])


def _distance(letter: Box, mark: Box) -> float:
    """How far a mark is above or below a letter, and, which says less, from its middle."""
    return max(mark[1] - letter[3], letter[1] - mark[3], 0) + abs(middle(letter) - middle(mark)) / 4
