"""Numbers in the margin that count the lines of a page, as manuscripts and laws have them: they are not text.

They stand in a column of their own beside running text, and count by one, or by five at every fifth line. Items of a
list, rows of a table and lines of code may be numbered so, too. They are told by what is beside the numbers: a line of
running text often begins in the middle of a sentence, and has a few words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

import regex

from smart_train.data.formats.pdf_glyphs import level_of, size_of
from smart_train.data.formats.pdf_hyphens import HYPHENS

if TYPE_CHECKING:
    from pypdfium2 import PdfTextPage

ShownLine = tuple[str, list[int]]  # the text of a line, and the index of each of its letters in the page

_AT_START = regex.compile(r"\s*([0-9]{1,5})(?!\S)\s*")
_DIGITS, _MOST_DIGITS = "0123456789", 5
_LEAST = {1: 5, 5: 3}  # numbers of a column, by what they count by
# Of the size of the print: how far apart the ends of the numbers are and the baselines of a number and its line, at
# most, and how far away other text is, at least.
_ALIGNED, _LEVEL, _AWAY = 0.35, 0.3, 0.5
_FEWER, _MORE = 0.8, 1.5  # lines of text from the first number to the last, for one that the numbers count
_BESIDE = 0.8  # of the numbers: those that have text beside them, at least
# Lines that may reach over the margin: above and below, and of those that are counted, for each number.
_HEADS, _TOO_LONG = 3, 0.05
# Of the lines beside the numbers: those that begin in the middle of a sentence, at least, and lines of code, at most.
_GO_ON, _ARE_CODE = 0.25, 0.25
_WORDS = 4  # in the middle one of these lines, at least
_SMALL = regex.compile(r"\W*\p{Ll}")
_CODE = regex.compile(r"[_=<>{}\\#]|\(\)|;$")
_WORD = regex.compile(r"(?<!\S)[^\w\s]*\p{L}[\p{L}'’-]++[^\w\s]*+(?!\S)")
_DIVIDED = regex.compile(f"[{HYPHENS}]")
_HYPHEN_AT_END = regex.compile(rf"\p{{L}}-\s*$|[{HYPHENS}]\s*$")


@dataclass(frozen=True)
class _Number:
    """A number at an end of a printed line: in which line that is read, and from where to where in it, with the blanks
    around it."""

    value: int
    line: int
    start: int
    stop: int


@dataclass(frozen=True)
class _Printed:
    """A printed line, or a number beside one. What is read as one line holds several where words are divided.

    Args:
        left, right: its ends.
        level: of its baseline.
        size: of its print.
    """

    text: str
    left: float
    right: float
    level: float
    size: float


def without_line_numbers(textpage: PdfTextPage, lines: list[ShownLine]) -> list[ShownLine]:
    """The lines of a page without the numbers that count them. A line that a number at its right end kept apart from
    the rest of a divided word is one with the next line, as PDFium makes it elsewhere."""
    columns: list[list[_Number]] = []
    for numbers_of in (_at_starts, _at_end):
        columns += _columns([number for line in enumerate(lines) for number in numbers_of(*line)])
    for column in sorted(columns, key=len, reverse=True):
        numbers = [_printed(textpage, lines[number.line], number.start, number.stop) for number in column]
        if _are_in_column(numbers):
            texts = list(_texts(textpage, lines, column))
            if _are_alone(numbers, texts) and _count_running_text(numbers, texts):
                return _without(lines, column)
    return lines


def _at_starts(line: int, read: ShownLine) -> Iterator[_Number]:
    """The numbers that the printed lines of a line begin with."""
    shown, _ = read
    for start in (0, *(match.end() for match in _DIVIDED.finditer(shown))):
        if match := _AT_START.match(shown, start):
            yield _Number(int(match[1]), line, *match.span())


def _at_end(line: int, read: ShownLine) -> Iterator[_Number]:
    """The number that a line ends with."""
    shown, _ = read
    text = shown.rstrip()
    before = text.rstrip(_DIGITS)
    if 0 < len(text) - len(before) <= _MOST_DIGITS and not before[-1:].strip(f" {HYPHENS}"):
        yield _Number(int(text[len(before) :]), line, len(before.rstrip()), len(shown))


def _columns(numbers: Sequence[_Number]) -> Iterator[list[_Number]]:
    """The longest columns of numbers that count by one, and by five."""
    for step, least in _LEAST.items():
        columns: dict[int, list[_Number]] = {}  # by their last value
        for number in numbers:
            column = [*columns.get(number.value - step, []), number]
            columns[number.value] = max(column, columns.get(number.value, []), key=len)
        longest = max(columns.values(), key=len, default=[])
        if len(longest) >= least:
            yield longest


def _texts(textpage: PdfTextPage, lines: Sequence[ShownLine], column: Sequence[_Number]) -> Iterator[_Printed]:
    """The printed lines of a page, without the numbers of a column."""
    by_line: dict[int, list[_Number]] = {}
    for number in column:
        by_line.setdefault(number.line, []).append(number)
    for at, (shown, _) in enumerate(lines):
        starts = [0, *(match.end() for match in _DIVIDED.finditer(shown)), len(shown)]
        for start, stop in pairwise(starts):
            ends = [number for number in by_line.get(at, ()) if start <= number.start < stop]
            if ends:
                start, stop = (ends[0].stop, stop) if ends[0].start == start else (start, ends[0].start)
            if shown[start:stop].strip():
                yield _printed(textpage, lines[at], start, stop)


def _printed(textpage: PdfTextPage, line: ShownLine, start: int, stop: int) -> _Printed:
    shown, places = line
    drawn = [places[at] for at in range(start, stop) if not shown[at].isspace()]
    one, other = textpage.get_charbox(drawn[0]), textpage.get_charbox(drawn[-1])
    level, size = level_of(textpage, drawn[0]), size_of(textpage, drawn[0])
    return _Printed(shown[start:stop].strip(), min(one[0], other[0]), max(one[2], other[2]), level, size)


def _are_in_column(numbers: Sequence[_Printed]) -> bool:
    """Whether numbers stand one below the other."""
    lefts, rights = [number.left for number in numbers], [number.right for number in numbers]
    apart = min(max(lefts) - min(lefts), max(rights) - min(rights))
    aligned = apart <= _ALIGNED * max(number.size for number in numbers)
    return aligned and all(one.level > other.level for one, other in pairwise(numbers))


def _are_alone(numbers: Sequence[_Printed], texts: Sequence[_Printed]) -> bool:
    """Whether nothing else is over or below a column of numbers, which count as many lines as there are."""
    left, right = min(number.left for number in numbers), max(number.right for number in numbers)
    top, bottom = numbers[0].level, numbers[-1].level
    heads, too_long, levels = 0, 0, list[float]()
    for text in texts:
        over = text.left < right + _AWAY * text.size and text.right > left - _AWAY * text.size
        counted = bottom - _LEVEL * text.size <= text.level <= top + _LEVEL * text.size
        heads += over and not counted
        too_long += over and counted
        if counted and all(abs(text.level - level) > _LEVEL * text.size for level in levels):
            levels.append(text.level)
    count = int(numbers[-1].text) - int(numbers[0].text) + 1
    apart = heads <= _HEADS and too_long <= _TOO_LONG * len(numbers)
    return apart and _FEWER * count <= len(levels) <= _MORE * count


def _count_running_text(numbers: Sequence[_Printed], texts: Sequence[_Printed]) -> bool:
    """Whether the lines beside numbers are running text."""
    beside = []
    for number in numbers:
        level = (text for text in texts if abs(text.level - number.level) <= _LEVEL * text.size)
        nearest = min(level, key=lambda text: abs(text.left - number.left), default=None)
        beside += [] if nearest is None else [nearest.text]
    return (
        len(beside) >= _BESIDE * len(numbers)
        and median(len(_WORD.findall(text)) for text in beside) >= _WORDS
        and sum(_SMALL.match(text) is not None for text in beside) >= _GO_ON * len(beside)
        and sum(_CODE.search(text) is not None for text in beside) <= _ARE_CODE * len(beside)
    )


def _without(lines: Sequence[ShownLine], column: Sequence[_Number]) -> list[ShownLine]:
    """The lines without the numbers, and with the rest of each word that a number kept apart from it."""
    made: list[ShownLine] = []
    goes_on = False
    for at, (shown, places) in enumerate(lines):
        numbers = [number for number in column if number.line == at]
        for number in reversed(numbers):
            shown = shown[: number.start] + shown[number.stop :]
            places = places[: number.start] + places[number.stop :]
        if goes_on:
            before, begun = made.pop()
            shown, places = before + shown, begun + places
        goes_on = bool(numbers) and _HYPHEN_AT_END.search(shown) is not None
        if goes_on:
            last = len(shown.rstrip())
            shown, places = f"{shown[: last - 1]}{HYPHENS[0]}", places[:last]
        made.append((shown, places))
    return made
