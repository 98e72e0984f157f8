"""A page's text layer as lines with the size they are printed in; from these headings, captions and running text."""

from __future__ import annotations

import ctypes
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smart_train.pairs.words import clean, is_unspaced, words_of

if TYPE_CHECKING:
    from pypdfium2 import PdfPage, PdfTextPage

HEADING_RATIO = 1.12  # a heading is at least so much larger than the document's running text
HEADING_WORDS = 16  # ... and no longer than this: large print may also be a poster's running text
_REPEATED = 3  # a first or last line that comes back on so many pages is a running head or foot
_EDGE = 2  # lines at the top and at the bottom that may be one
# A label, then a mark or a capital letter: "Table 3 shows" is a sentence.
_CAPTION = re.compile(
    r"^(?i:fig(?:ure)?|table|tab|listing|chart|scheme|abb(?:ildung)?|tabelle|tableau|figura|tabla|tabela)\.?\s*"
    r"[A-Z]?\d+(?:[.-]\d+)*\s*(?:[.:–—-]\s*(?=\S)|\s(?=[^\Wa-z]))"
)
_CAPTION_UNSPACED = re.compile(r"^[図图圖表]\s*\d+(?:[.-]\d+)*\s*[.:：]?\s*(?=\S)")
_NARROW = 0.15  # of its size: no print gives a character less room
_INDENT = 3  # times its size: lines whose beginnings are nearer together belong to one column
_NEAR = 4  # lines above and below that show how far to the right lines go
_MARK = re.compile(r"[•‣▪●○◦·➢✓–—*-]\s|\(?(?:\d{1,2}|[a-z])[.)]\s")  # a list's item
_FULL_LINE = 45  # characters; a caption's shorter line is its last
_CAPTION_LINES = 3
_SENTENCE_END = re.compile(r"[.!?。！？][\"')\]]*$")


@dataclass(frozen=True)
class Line:
    """A line of text, the size of its print and the places of its ends from the page's left edge, all in points. Both
    ends are 0 where they are not known, or where the line does not run from left to right on the paper."""

    text: str
    size: float
    left: float = 0.0
    right: float = 0.0


def read_lines(page: PdfPage) -> list[Line]:
    """The lines of a page's text layer, top to bottom as the file has them; empty for a scanned page."""
    page.set_rotation(0)  # pdfium puts the lines of a page that is shown turned in an order of its own
    textpage = page.get_textpage()
    count = textpage.count_chars()
    lines, start = [], 0
    for raw in textpage.get_text_range().split("\r\n") if count else ():
        text = clean(raw)
        # Three characters speak for the line: asking each one would take as long as drawing the page.
        places = {min(start + len(raw) * part // 4, count - 1) for part in (1, 2, 3)}
        if text:
            size = sorted(_size(textpage, place) for place in places)[len(places) // 2]
            first, last = start + len(raw) - len(raw.lstrip()), start + len(raw.rstrip()) - 1
            lines.append(Line(text, size, *_ends(textpage, min(first, count - 1), min(last, count - 1), size)))
        start += len(raw) + 2
    return lines


def _ends(textpage: PdfTextPage, first: int, last: int, size: float) -> tuple[float, float]:
    """Where the characters `first` and `last` of a line begin and end."""
    left, right = textpage.get_charbox(first)[0], textpage.get_charbox(last)[2]
    across = right - left >= _NARROW * size * (last - first)
    return (round(left, 1), round(right, 1)) if across else (0.0, 0.0)


def _size(textpage: PdfTextPage, index: int) -> float:
    """Points, with the scale that many producers put into the text's matrix instead of its font size."""
    import pypdfium2.raw as pdfium

    matrix = pdfium.FS_MATRIX()
    scale = 1.0
    if pdfium.FPDFText_GetMatrix(textpage.raw, index, ctypes.byref(matrix)):
        scale = math.hypot(matrix.c, matrix.d)
    return round(pdfium.FPDFText_GetFontSize(textpage.raw, index) * scale, 1)


def without_running_lines(pages: Sequence[Sequence[Line]], body: float) -> list[list[Line]]:
    """The pages of one document without running heads and feet: first and last lines that come back, page numbers
    aside, on several pages. They name the chapter on each of its pages and would make its heading look common. Lines
    larger than running text stay: they are the title or heading that the others repeat.

    Args:
        body: the document's `body_size`.
    """
    counts = Counter(key for page in pages for key in {_mask(line.text) for line in _edges(page)})
    return [
        [
            line
            for place, line in enumerate(page)
            if line.size >= HEADING_RATIO * body
            or not _at_edge(place, len(page))
            or counts[_mask(line.text)] < _REPEATED
        ]
        for page in pages
    ]


def _edges(page: Sequence[Line]) -> Iterator[Line]:
    return (line for place, line in enumerate(page) if _at_edge(place, len(page)))


def _at_edge(place: int, count: int) -> bool:
    return place < _EDGE or place >= count - _EDGE


def _mask(text: str) -> str:
    return re.sub(r"\d+|\b[ivxlc]+\b", "#", text.lower())


def body_size(pages: Iterable[Sequence[Line]]) -> float:
    """The size in which most characters of a document are printed; 0 where there is no text."""
    characters: Counter[float] = Counter()
    for page in pages:
        for line in page:
            characters[line.size] += len(line.text)
    return characters.most_common(1)[0][0] if characters else 0.0


@dataclass
class Parts:
    """What a page's lines are: headings (with their size), captions without their label, and running text, of which
    each paragraph, item of a list or line that stands for itself is a line."""

    headings: list[tuple[float, str]]
    captions: list[str]
    prose: str


def parts_of(lines: Sequence[Line], body: float) -> Parts:
    """Sorts the lines of a page by what they are. Headings over several lines of one size are joined.

    Args:
        body: the document's `body_size`.
    """
    parts, place = Parts([], [], ""), 0
    prose: list[Line] = []
    while place < len(lines):
        line = lines[place]
        if body and line.size >= HEADING_RATIO * body:
            stop = place + 1
            while stop < len(lines) and lines[stop].size == line.size and stop - place < 3:
                stop += 1
            text = " ".join(item.text for item in lines[place:stop])
            if len(words_of(text)) <= HEADING_WORDS:
                parts.headings.append((line.size, text))
            else:
                prose.extend(lines[place:stop])
            place = stop
        elif match := _CAPTION.match(line.text) or _CAPTION_UNSPACED.match(line.text):
            caption, place = _read_caption(lines, place, match.end())
            parts.captions.append(caption)
        else:
            prose.append(line)
            place += 1
    parts.prose = _paragraphs(prose)
    return parts


def _paragraphs(lines: Sequence[Line]) -> str:
    """The lines put together, with a line break where the page has one on purpose."""
    text = lines[0].text if lines else ""
    for place in range(1, len(lines)):
        before, line = lines[place - 1], lines[place]
        if _ends_on_purpose(lines, place - 1):
            text += "\n"
        elif not (is_unspaced(before.text[-1]) and is_unspaced(line.text[0])):
            text += " "
        text += line.text
    return text


def _ends_on_purpose(lines: Sequence[Line], place: int) -> bool:
    """Whether the line after the one at `place` begins something: with the mark of an item; or, with a capital or a
    digit, though its first word would have fitted in where the line before ends, or far to the left or right of it."""
    line, after = lines[place], lines[place + 1]
    if _MARK.match(after.text):
        return True
    if after.text[0].islower() or line.text[-1] in ",-" or 0.0 in (line.right, after.right):
        return False
    if abs(after.left - line.left) > _INDENT * line.size:
        return True
    beside = (other for other in lines[max(0, place - _NEAR) : place + _NEAR + 1])
    edge = max(other.right for other in beside if abs(other.left - line.left) <= _INDENT * line.size)
    width = (after.right - after.left) / len(after.text)
    return line.right + width * (1 + len(after.text.split()[0])) <= edge


def _read_caption(lines: Sequence[Line], place: int, label: int) -> tuple[str, int]:
    """A caption from the line at `place`, after its label, to its full stop, and the place after it. A short line is
    all of it; so is one without a full stop in the lines that follow, for nothing says that those belong to it."""
    text = lines[place].text[label:]
    if len(lines[place].text) < _FULL_LINE:
        return text, place + 1
    for stop in range(place + 1, min(place + _CAPTION_LINES, len(lines)) + 1):
        if _SENTENCE_END.search(text):
            return text, stop
        if stop < len(lines):
            text = f"{text} {lines[stop].text}"
    return lines[place].text[label:], place + 1
