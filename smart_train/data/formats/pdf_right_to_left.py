"""Lines of Arabic and Hebrew, read from the places of their glyphs.

PDFium turns the pieces of such a line round by the classes of their characters alone. It takes numbers and punctuation
apart ("الفصل :3"), turns the letters of a ligature ("اإل" for "الإ"), and where vowel signs are drawn by themselves it
ends the line at them and puts the parts in the order of their left ends. So a line that is mostly such letters is made
anew: the glyphs on one baseline, each with the signs that are drawn over or below it, from right to left, with numbers
and words of other scripts from left to right.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from unicodedata import combining

import regex

from smart_train.data.formats.pdf_direction import in_logical_order, in_mixed_order
from smart_train.data.formats.pdf_glyphs import Box, Glyphs, middle, size_of
from smart_train.data.formats.pdf_unnamed import NOTHING

if TYPE_CHECKING:
    from pypdfium2 import PdfTextPage

_LETTER = regex.compile(r"[\p{L}--[\u0640]]", regex.V1)
_TO_THE_LEFT = regex.compile("[\u05d0-\u05f2\u0620-\u063f\u0641-\u064a\u066e-\u06d3\u06d5-\u08c7\ufb1d-\ufefc]")
_MARK = regex.compile(r"\p{M}")
_SHADDA = "\u0651"  # is typed before vowels; the other signs come in the order of Unicode's normal forms
# Of the size of the print: how far apart the baselines of one line are, and its parts from side to side, at most.
_LEVEL, _NEAR = 0.3, 0.6
_HYPHENS = "\x02\ufffe"  # what PDFium makes of a hyphen at the end of a line
_BLANK = 0.2  # of the size of the print: letters of one word are nearer
_OVER = 1.5  # of the size of the print: no sign is farther above or below its letter's baseline
_ASIDE = 4  # times: what a distance to the side counts more than one up or down
_SIGN = 0.4  # of the size of the print: the height of a sign, at most
# Of a syllable's height: that of a sign, at most. Of the size of the print: how far apart their baselines are, at most.
_LOW, _RAISED = 0.7, 0.6
_AROUND = 40  # glyphs before and after a sign in which its syllable is looked for
_TURNED = 0.01  # up for each point to the right: print that runs in another direction is left as it is


@dataclass(eq=False)
class _Glyph:
    """What is drawn at once, and the indexes of its characters.

    Args:
        text: its characters as they are spelt.
        left, right: from where to where the pen moves.
        ink: what it covers.
        level: of its baseline.
    """

    places: list[int]
    text: str
    left: float
    right: float
    ink: Box
    level: float
    size: float
    signs: str = ""

    @property
    def is_sign(self) -> bool:
        return bool(self.text) and all(_MARK.match(character) for character in self.text)


@dataclass
class _Line:
    first: int  # where it stands in the order of the page's lines
    glyphs: list[_Glyph]
    signs: list[_Glyph] = field(default_factory=list)

    @property
    def has_words(self) -> bool:
        """Whether there are letters that run to the left: PDFium turns them round in lines of other scripts, too."""
        return any(_TO_THE_LEFT.search(glyph.text) for glyph in self.glyphs)

    @property
    def to_the_left(self) -> bool:
        """Whether the line runs to the left: its first and last letter say it, and if these differ, what most are."""
        ordered = sorted(self.glyphs, key=lambda glyph: glyph.left)
        letters = [letter for glyph in ordered for letter in _LETTER.findall(glyph.text)]
        ends = [bool(_TO_THE_LEFT.match(letter)) for letter in letters[:1] + letters[-1:]]
        return any(ends) and (all(ends) or 2 * sum(map(bool, map(_TO_THE_LEFT.match, letters))) > len(letters))


class _Across:
    """Glyphs of a line by where they begin. Those at a place are found without a look at all, of which a line may have
    thousands."""

    def __init__(self, glyphs: Sequence[_Glyph]) -> None:
        self._ordered = sorted(enumerate(glyphs), key=lambda item: item[1].left)
        self._lefts = [glyph.left for _, glyph in self._ordered]
        self._widest = max((glyph.right - glyph.left for glyph in glyphs), default=0.0)
        self.size = max((glyph.size for glyph in glyphs), default=0.0)

    def between(self, left: float, right: float) -> list[_Glyph]:
        """The glyphs of which a part is from `left` to `right`, in the order that they were given in."""
        first, stop = bisect_left(self._lefts, left - self._widest), bisect_right(self._lefts, right)
        found = [(number, glyph) for number, glyph in self._ordered[first:stop] if glyph.right >= left]
        return [glyph for _, glyph in sorted(found, key=lambda item: item[0])]

    def near(self, sign: _Glyph) -> list[_Glyph]:
        """The glyphs that a sign may belong to: others are too far to the side, see `_distance`."""
        at, reach = middle(sign.ink), _OVER * self.size / _ASIDE
        return self.between(at - reach, at + reach)


_Part = tuple[int, int, list[_Glyph]]  # where a line of PDFium's begins and stops, and what is on it
ReadLine = list[tuple[int, str]]  # the indexes of a line's glyphs in their order, and what each stands for


def lines_to_the_left(textpage: PdfTextPage, characters: str, hidden: set[int]) -> tuple[dict[int, ReadLine], set[int]]:
    """The lines of a page that run from right to left, each by the index at which PDFium's first part of it begins, and
    the indexes of all characters of these parts.

    Args:
        hidden: indexes of what is not seen.
    """
    if not _TO_THE_LEFT.search(characters):
        return {}, set()
    page = Glyphs(textpage, characters)
    parts, start = [], 0
    for raw in characters.split("\r\n"):
        for part in re.split(f"(?<=[{_HYPHENS}])", raw):  # after a hyphen at its end, PDFium goes on with the next line
            parts.append((start, start + len(part), _glyphs(page, range(start, start + len(part)), hidden)))
            start += len(part)
        start += 2
    kept = _without_repeated(parts)
    repeated = {place for part in parts for glyph in part[2] for place in glyph.places}
    repeated -= {place for part in kept for glyph in part[2] for place in glyph.places}
    lines = _lines(kept)
    read: dict[int, ReadLine] = {}
    taken: set[int] = set()
    for line, spans in lines:
        to_the_left = line.to_the_left
        if not line.has_words or (not to_the_left and any(_is_divided(characters, span) for span in spans)):
            continue  # a divided word is made whole where both of its lines are
        _put_signs(line)
        drawn = [(glyph.places[0], glyph.text) for glyph in _with_blanks(line.glyphs)]
        read[line.first] = in_logical_order(drawn) if to_the_left else in_mixed_order(drawn)
        taken.update(place for span in spans for place in span)
    return read, taken | repeated


def _is_divided(characters: str, span: range) -> bool:
    """Whether a hyphen stands at the end of a part of a line, or before it."""
    return any(characters[at : at + 1] in tuple(_HYPHENS) for at in (span.start - 1, span.stop - 1))


def _glyphs(page: Glyphs, span: range, hidden: set[int]) -> list[_Glyph]:
    """What PDFium put on one line; nothing where it runs up or down the page."""
    import pypdfium2.raw as pdfium

    matrix = pdfium.FS_MATRIX()
    groups: dict[tuple[object, ...], list[int]] = {}
    for place in span:
        owner = page.owners[place]
        character = page.characters[place]
        if owner is None or (place in hidden and character != NOTHING) or (character == " " and page.put_in(place)):
            continue  # what has no name takes room
        pdfium.FPDFText_GetMatrix(page.textpage.raw, place, matrix)
        if matrix.a <= 0 or abs(matrix.b) > _TURNED * matrix.a:
            return []
        spelling = page.spelt(place)
        key = (spelling,) if spelling is not None else (owner, page.box(place), page.origin(place))
        groups.setdefault(key, []).append(place)
    return [_glyph(page, places) for places in groups.values()]


def _glyph(page: Glyphs, places: list[int]) -> _Glyph:
    text = page.spelling(places[0]) if page.spelt(places[0]) is not None else _turned(page, places)
    text = re.sub(f"[{_HYPHENS}]", "-", text.replace(NOTHING, ""))
    boxes = [page.room(place) for place in places]
    inks = [page.box(place) for place in places]
    ink = (min(i[0] for i in inks), min(i[1] for i in inks), max(i[2] for i in inks), max(i[3] for i in inks))
    left, right = min(min(box[0] for box in boxes), page.origin(places[0])[0]), max(box[2] for box in boxes)
    # Of a syllable that is spelt out and drawn in parts, the highest part is the letter.
    letter = max(places, key=lambda place: page.box(place)[3] - page.box(place)[1])
    return _Glyph(places, text, left, right, ink, page.origin(letter)[1], size_of(page.textpage, letter))


def _turned(page: Glyphs, places: Sequence[int]) -> str:
    """The characters of one glyph. PDFium has turned its letters round, and the signs of each kept their order."""
    text = "".join(page.characters[place] for place in places)
    if len(places) < 2 or not _TO_THE_LEFT.search(text):
        return text
    return "".join(reversed(regex.findall(r"\p{M}+|.", text)))


def _without_repeated(parts: Sequence[_Part]) -> list[_Part]:
    """The parts without signs that are named with their whole syllable, as typst names them."""
    named = [glyph for _, _, glyphs in parts for glyph in glyphs if len(glyph.text) > 1 and _MARK.search(glyph.text)]
    signs = {
        id(glyph)
        for place, glyph in enumerate(named)
        if any(_is_sign_of(glyph, other) for other in named[max(0, place - _AROUND) : place + _AROUND])
    }
    kept = [(start, stop, [glyph for glyph in glyphs if id(glyph) not in signs]) for start, stop, glyphs in parts]
    return [part for part, (_, _, before) in zip(kept, parts, strict=True) if part[2] or not before]


def _lines(parts: Sequence[_Part]) -> list[tuple[_Line, list[range]]]:
    """PDFium's lines, those that are parts of one line on the paper put together."""
    lines: list[tuple[_Line, list[range]]] = []
    signs: list[_Glyph] = []  # of parts that have nothing else, since the last part that has
    spans: list[range] = []
    for start, stop, glyphs in parts:
        signs += [glyph for glyph in glyphs if glyph.is_sign]
        spans.append(range(start, stop))
        bases = [glyph for glyph in glyphs if not glyph.is_sign]
        if glyphs and not bases:
            continue
        if not lines or not _go_on(lines[-1][0], bases):
            own_signs = {id(glyph) for glyph in glyphs}
            across = _Across(lines[-1][0].glyphs) if lines and signs else None
            above = [sign for sign in signs if across and id(sign) not in own_signs and _is_on(sign, across)]
            if above:
                lines[-1][0].signs += above
                lines[-1][1].extend(spans[:-1])
                spans = spans[-1:]
            taken = {id(sign) for sign in above}
            signs = [sign for sign in signs if id(sign) not in taken]
            lines.append((_Line(start, []), []))
        line, own = lines[-1]
        line.glyphs += bases
        line.signs += signs
        own += spans
        signs, spans = [], []
    if lines:
        lines[-1][0].signs += signs
        lines[-1][1].extend(spans)
    return lines


def _is_on(sign: _Glyph, line: _Across) -> bool:
    return any(_distance(sign, letter) < _OVER * letter.size for letter in line.near(sign))


def _go_on(line: _Line, glyphs: Sequence[_Glyph]) -> bool:
    """Whether a line goes on beside its end or beginning, with letters that run to the left in it or in the glyphs."""
    if not line.glyphs or not glyphs:
        return False
    both = [*line.glyphs, *glyphs]
    size = max(glyph.size for glyph in both)
    levels = sorted(glyph.level for glyph in line.glyphs if not _MARK.search(glyph.text))
    level = levels[len(levels) // 2] if levels else line.glyphs[0].level
    # A sign may have the name of its whole syllable: its level is its own.
    if any(abs(glyph.level - level) > (_OVER if _MARK.search(glyph.text) else _LEVEL) * size for glyph in glyphs):
        return False
    room, across = _NEAR * size, _Across(line.glyphs)
    beside = any(
        max(first.left - second.right, second.left - first.right) < room
        for second in glyphs
        for first in across.between(second.left - room, second.right + room)
    )
    return beside and any(_TO_THE_LEFT.search(glyph.text) for glyph in both)


def _put_signs(line: _Line) -> None:
    """Each sign to the letter that it is over or below."""
    across = _Across(line.glyphs)
    misnamed = {id(glyph): glyph for glyph in line.glyphs if _is_misnamed(glyph, across)}
    line.glyphs = [glyph for glyph in line.glyphs if id(glyph) not in misnamed]
    for glyph in misnamed.values():
        glyph.text = "".join(_MARK.findall(glyph.text))
        line.signs.append(glyph)
    letters = [glyph for glyph in line.glyphs if _LETTER.search(glyph.text)]
    over = _Across(letters)
    for sign in line.signs:
        letter = min(over.near(sign), key=lambda other: _distance(sign, other), default=None)
        if letter is not None and _distance(sign, letter) < _OVER * letter.size:
            letter.signs += sign.text
    for glyph in letters:
        base, own = glyph.text.rstrip(), ""
        while base and _MARK.match(base[-1]):
            base, own = base[:-1], base[-1] + own
        glyph.text = base + "".join(sorted(own + glyph.signs, key=lambda sign: (sign != _SHADDA, combining(sign))))


def _is_misnamed(glyph: _Glyph, line: _Across) -> bool:
    """Whether a sign over a letter is named with another letter, as where it was first used: WeasyPrint names so. The
    second letter of a ligature, "إِ" over "ل", is one that has no other name."""
    if not _MARK.search(glyph.text) or glyph.ink[3] - glyph.ink[1] > _SIGN * glyph.size:
        return False
    at = middle(glyph.ink)
    under = [other for other in line.between(at, at) if other is not glyph]
    letters = [other.text for other in under if _LETTER.fullmatch(other.text)]
    return bool(letters) and not ("\u0644" in letters and glyph.text[0] in "\u0622\u0623\u0625\u0627")


def _is_sign_of(glyph: _Glyph, other: _Glyph) -> bool:
    same = sorted(glyph.text) == sorted(other.text)
    low = glyph.ink[3] - glyph.ink[1] < _LOW * (other.ink[3] - other.ink[1])
    near = glyph.size == other.size and abs(glyph.level - other.level) < _RAISED * other.size
    return same and low and near and min(glyph.ink[2], other.ink[2]) > max(glyph.ink[0], other.ink[0])


def _distance(sign: _Glyph, letter: _Glyph) -> float:
    """How far a sign is from a letter, first of all from side to side."""
    at = middle(sign.ink)
    beside = max(letter.left - at, at - letter.right, 0)
    over = max(sign.ink[1] - letter.ink[3], letter.ink[1] - sign.ink[3], 0)
    return _ASIDE * beside + over + abs(at - (letter.left + letter.right) / 2) / 4


def _with_blanks(glyphs: Sequence[_Glyph]) -> list[_Glyph]:
    """The glyphs from left to right, with a blank where the paper shows one and none is drawn."""
    made: list[_Glyph] = []
    across = _Across(glyphs)
    for glyph in sorted(glyphs, key=lambda glyph: _order(glyph, across)):
        before = made[-1] if made else None
        words = before is not None and not before.text.isspace() and not glyph.text.isspace()
        if before is not None and words and glyph.left - before.right > _BLANK * glyph.size:
            blank = (before.right, glyph.level, glyph.left, glyph.level)
            made.append(_Glyph(glyph.places, " ", before.right, glyph.left, blank, glyph.level, glyph.size))
        made.append(glyph)
    return [glyph for glyph in made if glyph.text]


def _order(glyph: _Glyph, line: _Across) -> tuple[float, float]:
    """What glyphs are sorted by from left to right. A sign that has the name of a syllable and is over another letter
    belongs to the second letter of a ligature."""
    if _MARK.search(glyph.text):
        for other in line.between(min(glyph.left, glyph.right), max(glyph.left, glyph.right)):
            if other is not glyph and other.left <= glyph.left and glyph.right <= other.right:
                return other.left - 0.01, glyph.right
    return glyph.left, glyph.right
