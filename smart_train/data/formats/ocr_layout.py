"""Lines of print that were found in a picture -> a page's text: in the order in which it is read, words put together,
sizes that can be compared."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

import regex

from smart_train.data.formats.ocr_engine import FoundLine
from smart_train.data.formats.pdf_characters import clean_line

Box = tuple[float, float, float, float]  # left, top, right, bottom, as shares of the picture's width and height

_LEGIBLE = 0.5  # characters for each line height of width: Latin print has 2, Chinese 0.9
_LONG = 4  # times as wide as high is a line whose edge shows how the page lies
_SAME_ROW = 0.5  # of the lower line's height is shared by pieces of one line
_SAME_LINE = 1.2  # line heights between pieces of one line at most; between columns there is more
_COLUMN_LINES, _COLUMN_WIDTH = 3, 8  # a column has so many lines, and the middle one is so many heights wide
_SAME_PRINT = 1.3  # boxes around lines of one print differ by less: they also depend on the letters
# A Chinese character alone is how an icon is read, on a page that has hardly any others.
_ICON = regex.compile(r"(?<!\S)\p{Han}(?!\S)")
_HAN = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]")
_HARDLY_ANY = 0.02  # of the page's characters


@dataclass(frozen=True)
class OcrWord:
    """A word as printed, and where it is."""

    text: str
    box: Box


@dataclass(frozen=True)
class OcrLine:
    """A line of a page.

    Attributes:
        text: with a word that a hyphen divides put together, on the line where it begins; its `words` are as printed.
            Empty where that leaves nothing.
        height: of its print, as a share of the picture's height. It varies with the letters; see `same_print`.
    """

    text: str
    box: Box
    height: float
    words: tuple[OcrWord, ...]


@dataclass(frozen=True)
class OcrPage:
    """What OCR read on a page.

    Attributes:
        lines: in reading order: columns one after the other.
        width, height: of the picture, in pixels, turned as `turned` says.
        illegible: lines that were found and could not be read, as in a script that the engine does not know.
        turned: degrees counter-clockwise (0, 90, 180, 270) by which the picture had to be turned to be read. Boxes are
            places in the turned picture.
    """

    lines: tuple[OcrLine, ...]
    width: int
    height: int
    illegible: int = 0
    turned: int = 0

    @property
    def text(self) -> str:
        """One LF between lines; empty where nothing was read."""
        return "\n".join(line.text for line in self.lines if line.text)

    @property
    def words(self) -> list[OcrWord]:
        """All words in reading order."""
        return [word for line in self.lines for word in line.words]


@dataclass(frozen=True)
class _Placed:
    """A found line on the page turned upright: sides in pixels."""

    found_line: FoundLine
    left: float
    top: float
    right: float
    bottom: float

    @property
    def height(self) -> float:
        return self.bottom - self.top


def laid_out(found_lines: Sequence[FoundLine], width: int, height: int, turned: int = 0) -> OcrPage:
    """The page that lines in a picture of `width` x `height` pixels are, which was turned before they were read."""
    placed = _upright(found_lines)
    legible = [line for line in placed if _is_legible(line)]
    lines = [_line(row, width, height) for row in _joined(_in_order(legible))]
    return OcrPage(tuple(_whole_words(_without_icons(lines))), width, height, len(placed) - len(legible), turned)


def same_print(measured: Sequence[float]) -> list[float]:
    """Heights of lines, those that differ from the middle one by less than boxes of one print do made the same;
    likewise among those that are larger, and those that are smaller. For all lines of a document together."""
    heights = list(measured)
    rest = list(range(len(heights)))
    while rest:
        middle = statistics.median_low([measured[place] for place in rest])
        near = {place for place in rest if middle / _SAME_PRINT < measured[place] < middle * _SAME_PRINT}
        for place in near:
            heights[place] = middle
        rest = [place for place in rest if place not in near]
    return heights


def _upright(lines: Sequence[FoundLine]) -> list[_Placed]:
    """The lines without the slant of a page that lay askew in the scanner."""
    slants = [
        math.atan2(right[1] - left[1], right[0] - left[0])
        for left, right, below, _ in (line.corners for line in lines)
        if right[0] - left[0] >= _LONG * (below[1] - right[1])
    ]
    slant = statistics.median(slants) if slants else 0.0
    cosine, sine = math.cos(slant), math.sin(slant)
    placed = []
    for line in lines:
        across = [x * cosine + y * sine for x, y in line.corners]
        down = [y * cosine - x * sine for x, y in line.corners]
        placed.append(_Placed(line, min(across), min(down), max(across), max(down)))
    return placed


def _is_legible(line: _Placed) -> bool:
    """Whether the characters that were read fill the line: letters that an engine does not know are blanks to it."""
    characters = sum(not character.isspace() for character in line.found_line.text)
    length, across = max(line.right - line.left, line.height), min(line.right - line.left, line.height)
    return characters > 0 and characters >= _LEGIBLE * (length / max(across, 1.0) - 1)


def _in_order(lines: Sequence[_Placed]) -> list[_Placed]:
    """The lines as they are read: what stands above a pair of columns, the left column, the right one, what follows."""
    waiting, ordered = [list(lines)], list[_Placed]()
    while waiting:
        part = waiting.pop()
        halves = (_columns(part) or _blocks(part)) if len(part) > 1 else None
        if halves is None:
            ordered += _by_rows(part)
        else:
            waiting += [halves[1], halves[0]]
    return ordered


def _columns(lines: Sequence[_Placed]) -> tuple[list[_Placed], list[_Placed]] | None:
    """What is left and right of a strip that no line crosses, if both sides are running text; cells of tables are not,
    and are read row by row."""
    ordered = sorted(lines, key=lambda line: line.left)
    edge = ordered[0].right
    for place, line in enumerate(ordered):
        if place and line.left > edge:
            parts = ordered[:place], ordered[place:]
            if all(_is_column(part) for part in parts):
                return parts
        edge = max(edge, line.right)
    return None


def _is_column(lines: Sequence[_Placed]) -> bool:
    widths = [(line.right - line.left) / max(line.height, 1.0) for line in lines]
    return len(lines) >= _COLUMN_LINES and statistics.median(widths) >= _COLUMN_WIDTH


def _blocks(lines: Sequence[_Placed]) -> tuple[list[_Placed], list[_Placed]] | None:
    """What is above and below the highest strip that no line reaches into."""
    ordered = sorted(lines, key=lambda line: line.top)
    edge, widest, cut = ordered[0].bottom, 0.0, 0
    for place, line in enumerate(ordered):
        if place and line.top - edge > widest:
            widest, cut = line.top - edge, place
        edge = max(edge, line.bottom)
    return (ordered[:cut], ordered[cut:]) if cut else None


def _by_rows(lines: Sequence[_Placed]) -> list[_Placed]:
    """Rows from the top, each from its left."""
    rows: list[list[_Placed]] = []
    for line in sorted(lines, key=lambda line: (line.top + line.bottom) / 2):
        if rows and _shares_row(rows[-1][-1], line):
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda line: line.left)]


def _shares_row(one: _Placed, other: _Placed) -> bool:
    shared = min(one.bottom, other.bottom) - max(one.top, other.top)
    return shared >= _SAME_ROW * min(one.height, other.height)


def _joined(lines: Sequence[_Placed]) -> list[list[_Placed]]:
    """Pieces of one line, which engines often part where the print changes, together."""
    rows: list[list[_Placed]] = []
    for line in lines:
        before = rows[-1][-1] if rows else None
        height = min(before.height, line.height) if before else 0.0
        if before and _shares_row(before, line) and -height <= line.left - before.right <= _SAME_LINE * height:
            rows[-1].append(line)
        else:
            rows.append([line])
    return rows


def _line(row: Sequence[_Placed], width: int, height: int) -> OcrLine:
    words = tuple(
        OcrWord(text, (left / width, top / height, right / width, bottom / height))
        for line in row
        for text, (left, top, right, bottom) in line.found_line.words
    )
    xs = [x / width for line in row for x, _ in line.found_line.corners]
    ys = [y / height for line in row for _, y in line.found_line.corners]
    text, tallest = clean_line(" ".join(line.found_line.text for line in row)), max(line.height for line in row)
    return OcrLine(text, (min(xs), min(ys), max(xs), max(ys)), tallest / height, words)


def _without_icons(lines: Sequence[OcrLine]) -> Sequence[OcrLine]:
    everything = "".join(line.text for line in lines)
    if len(_HAN.findall(everything)) > _HARDLY_ANY * len(everything):
        return lines
    return [replace(line, text=" ".join(_ICON.sub(" ", line.text).split())) for line in lines]


def _whole_words(lines: Sequence[OcrLine]) -> list[OcrLine]:
    """The lines with words that a hyphen at their end divides whole, under the rules of a text layer."""
    texts = [line.text for line in lines]
    for place in range(len(texts) - 1):
        before, (first, _, rest) = texts[place], texts[place + 1].partition(" ")
        if before[-1:] == "-" and before[-2:-1].isalpha() and first[:1].isalpha():
            texts[place] = clean_line(f"{before[:-1]}\x02{first}")
            texts[place + 1] = rest
    return [replace(line, text=text) for line, text in zip(lines, texts, strict=True)]
