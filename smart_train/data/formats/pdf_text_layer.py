"""The text layer of a PDF page as it is seen: the lines that are drawn inside the page.

A text layer also holds what nobody sees: the neighbouring page of a spread, beside the crop box, layers that are
switched off, and what a clip path cuts away. Text in the invisible mode stays, because it is what OCR writes under a
scan.
"""

from __future__ import annotations

import ctypes
import re
import zlib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from smart_train.data.formats.pdf_accents import with_drawn_accents
from smart_train.data.formats.pdf_annotations import with_annotations
from smart_train.data.formats.pdf_blanks import blanks_before
from smart_train.data.formats.pdf_characters import clean_line, with_accents
from smart_train.data.formats.pdf_clipped import clipped_objects
from smart_train.data.formats.pdf_glyphs import Glyphs, PageObject, level_of, objects_of, size_of, wide
from smart_train.data.formats.pdf_hyphens import HYPHENS
from smart_train.data.formats.pdf_line_numbers import without_line_numbers
from smart_train.data.formats.pdf_marks import with_drawn_marks
from smart_train.data.formats.pdf_private import with_private_letters
from smart_train.data.formats.pdf_right_to_left import lines_to_the_left
from smart_train.data.formats.pdf_turned import upright
from smart_train.data.formats.pdf_twice import drawn_again
from smart_train.data.formats.pdf_unnamed import NOTHING, without_unnamed
from smart_train.data.formats.pdf_vowels import are_named_as_drawn, with_vowels_behind
from smart_train.data.formats.pdf_wide import characters_of

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage, PdfTextPage

_NARROW = 0.15  # of its size: no print gives a character less room
_WORD, _LEAST_OF_LEAD = re.compile(r"\S+"), 3  # words of a line that may begin with some in other print
_FIRST_ONES = 8  # characters that are asked for the height of a line
_PRINTED_LINE = re.compile(rf"[^\s{HYPHENS}](?:[^{HYPHENS}]*[^\s{HYPHENS}])?")
_DARK = 250  # of 255: a lighter point is paper
# Numbers, a letter or a sign after a word of three letters, a stop or a closing bracket. Raised letters after d are
# seldom marks: "XIXe", "Mme".
_MARKED = re.compile(
    r"(?:[^\W\d_]{2}[^\W\d_]|[.,;:!?)\]”»])(?P<mark>\d{1,3}(?:[,–-]\d{1,3}){0,19}|[a-d](?!\w)|\*+|[†‡]+)(?!\d|[.,]\d)"
)
_ALWAYS_MARKS = "†‡"
_RAISED_SIZE, _RAISED = 0.8, 0.15  # of the size of the character before, at most and at least
_LAYER = "OC"  # the name of the marks around what belongs to a layer
# The weight from which on print is bold. PDFium tells it by the width of stems: nothing is as heavy as what is wrong.
_BOLD, _HEAVIEST = 600, 1000
# Fonts that say it by name: pdfium knows no weight of those that the file does not hold, and TeX's have none.
_BOLD_NAME = re.compile(r"bold|black|heavy|demi|medi(?!um)|bx\d|-bd\b|^(?:\w+\+)?(?:cm|sf|ec)bx", re.IGNORECASE)
_PLAIN_NAME = re.compile(
    r"regular|roman|light|thin|book|medium|normal|italic$|oblique$|^(?:\w+\+)?(?:cm(?:r|mi|sy|tt|sl|ti)|sfrm|sftt)\d",
    re.IGNORECASE,
)
_APART = 2.0  # of its size: no text that is set to both edges has so wide a blank between its words
_BESIDE = 40  # characters in which the words beside a blank are looked for
_BLANK = re.compile(r"(?<=\S)[ \t]+(?=\S)")
# What stands before an item or a heading, often with a wide blank: a mark, a number, a letter.
_NUMBERING = re.compile(r"\W*(?:[\w.]*\d[\w.]*|\w|[ivxlc]+)?\W*", re.IGNORECASE)


@dataclass(frozen=True)
class TextLine:
    """A line of text, the size of its print, the places of its ends from the page's left edge (from its right edge, if
    it is read from right to left), and how high it stands over the page's lower edge, all in points. The places are 0
    where they are not known, or where the line runs up or down the paper.

    `last`: the left end and the height of its last printed line, where a word that a hyphen divides makes one of two.
    `bold`: whether all of it is in bold print. `lead`: what is in bold print at the beginning of another line. `apart`:
    the words (up to four) around each wide blank, as it is between cells and columns: "Direct Debit annual cost". None
    of them is known of what OCR reads, nor where nobody asked."""

    text: str
    size: float
    left: float = 0.0
    right: float = 0.0
    base: float = 0.0
    last: tuple[float, float] | None = None
    bold: bool = False
    lead: str = ""
    apart: tuple[str, ...] = ()

    @property
    def end_left(self) -> float:
        """The left end of its last printed line."""
        return self.last[0] if self.last else self.left

    @property
    def end_base(self) -> float:
        """How high its last printed line stands."""
        return self.last[1] if self.last else self.base


def read_text_lines(pdf: PdfDocument, index: int, *, layers: bool, print_signs: bool = False) -> list[TextLine]:
    """The visible lines of a page's text layer, of its form fields and other annotations, in the order of the file;
    empty for a scanned page. The page must not be drawn afterwards: its annotations become a part of it, its rotation
    is taken off, and what runs up or down the paper is turned.

    Args:
        layers: whether the file may have optional layers (`has_layers`); they are then looked at.
        print_signs: find out what is `bold`, `lead` and `apart`: two thirds more time.
    """
    import pypdfium2.raw as pdfium

    page = with_annotations(pdf, index)
    page.set_rotation(0)  # pdfium puts the lines of a page that is shown turned in an order of its own
    page, textpage = upright(pdf, index, page)
    count = textpage.count_chars()
    if not count:
        return []
    characters, halves = characters_of(textpage, count)
    characters, unnamed = without_unnamed(textpage, with_private_letters(textpage, characters))
    objects = objects_of(page.raw, pdfium.FPDFPage_CountObjects, pdfium.FPDFPage_GetObject)
    unseen = clipped_objects(objects) | (_in_hidden_layers(page) if layers else set())
    hidden = halves | unnamed | _outside(page, textpage, count) | _drawn_by(textpage, count, unseen)
    hidden |= drawn_again(Glyphs(textpage, characters), hidden)
    # The blanks of what is cut off stay, or what follows it would be glued to what is seen of it.
    hidden = {place for place in hidden if not characters[place].isspace()}
    width = page.get_width()
    lines = []
    # A letter's place comes again for each mark that was put to it: `shown` has the character of each place.
    read = [
        ("".join(text for _, text in line), [place for place, text in line for _ in text])
        for line in _lines(textpage, objects, characters, hidden)
    ]
    for shown, places in without_line_numbers(textpage, read):
        notes = _footnote_marks(textpage, shown, places)
        if notes:
            kept = [(place, character) for place, character in zip(places, shown, strict=True) if place not in notes]
            shown, places = "".join(character for _, character in kept), [place for place, _ in kept]
        text = clean_line(shown)
        if text:
            asked = _asked(shown, places)
            size = _line_size(textpage, asked)
            place = _place(textpage, shown, places, size, width)
            bold = print_signs and _is_bold(textpage, asked)
            lead = _lead(textpage, shown, places) if print_signs and not bold else ""
            apart = _apart(textpage, shown, places, size) if print_signs else ()
            lines.append(TextLine(text, size, *place, bold=bold, lead=lead, apart=apart))
    texts = with_accents([line.text for line in lines])
    return [replace(line, text=text) for text, line in zip(texts, lines, strict=True)]


def _lines(
    textpage: PdfTextPage, objects: Sequence[PageObject], characters: str, hidden: set[int]
) -> Iterator[list[tuple[int, str]]]:
    """The lines as they are seen: indexes of characters, and what stands for each. `hidden`: indexes of what is left
    out."""
    to_the_left, taken = lines_to_the_left(textpage, characters, hidden)
    if taken:
        characters = "".join(NOTHING if place in taken else text for place, text in enumerate(characters))
    characters, accents = with_drawn_accents(textpage, characters)
    pieces, marks = with_drawn_marks(textpage, characters)
    gone = hidden | taken | accents | marks
    page = Glyphs(textpage, characters)
    for place in blanks_before(page, objects):
        pieces[place] = f" {pieces[place]}"
    firsts = sorted(to_the_left)
    as_drawn = are_named_as_drawn(characters)
    start = 0
    for raw in "".join(piece[0] for piece in pieces).split("\r\n"):
        places = range(start, start + len(raw))
        start = places.stop + 2
        line = [(place, pieces[place]) for place in places if place not in gone]
        yield with_vowels_behind(page, line) if as_drawn else line
        here = firsts[bisect_left(firsts, places.start) : bisect_left(firsts, start)]
        yield from (to_the_left[first] for first in here)


def _footnote_marks(textpage: PdfTextPage, shown: str, places: Sequence[int]) -> set[int]:
    """Indexes of what stands after a word or a stop and is set smaller and higher than it, as the numbers of notes and
    sources are, and of daggers: nobody types them, and they would make "valve2" of "valve". Exponents stay: they follow
    a unit or a number."""
    indices: set[int] = set()
    for match in _MARKED.finditer(shown):
        before, marks = places[match.start("mark") - 1], places[match.start("mark") : match.end("mark")]
        size = size_of(textpage, before)
        if match["mark"][0] in _ALWAYS_MARKS or all(
            size_of(textpage, mark) <= _RAISED_SIZE * size
            and level_of(textpage, mark) - level_of(textpage, before) > _RAISED * size
            for mark in marks
        ):
            indices.update(marks)
    return indices


def has_layers(content: bytes) -> bool:
    """Whether a PDF file may have optional layers: whether its catalogue names them, which may stand in a compressed
    stream. True where such a stream cannot be looked into."""
    if b"/OCProperties" in content or b"/Encrypt" in content:
        return True
    for match in re.finditer(rb"/ObjStm\b.{0,400}?stream\r?\n", content, re.DOTALL):
        try:
            if b"/OCProperties" in zlib.decompressobj().decompress(content[match.end() :]):
                return True
        except zlib.error:
            return True
    return False


def _outside(page: PdfPage, textpage: PdfTextPage, count: int) -> set[int]:
    """Indexes of the characters whose middle is outside the page's visible box."""
    import pypdfium2.raw as pdfium

    left, bottom, right, top = page.get_bbox()

    def within(box: Sequence[float]) -> bool:
        """`box`: left, right, bottom, top."""
        across, up = (box[0] + box[1]) / 2, (box[2] + box[3]) / 2
        return left <= across <= right and bottom <= up <= top

    # Runs of characters first: on most pages they are all inside, and each call for a character takes its time.
    edges = [ctypes.c_double() for _ in range(4)]
    for run in range(pdfium.FPDFText_CountRects(textpage.raw, 0, count)):
        pdfium.FPDFText_GetRect(textpage.raw, run, *edges)
        x0, y1, x1, y0 = (edge.value for edge in edges)
        if x0 < left or x1 > right or y0 < bottom or y1 > top:
            break
    else:
        return set()
    indices = set()
    for place in range(count):
        pdfium.FPDFText_GetCharBox(textpage.raw, place, *edges)
        box = [edge.value for edge in edges]
        if any(box) and not within(box):  # what pdfium puts in between, such as line breaks, has no box
            indices.add(place)
    return indices


def _in_hidden_layers(page: PdfPage) -> set[int]:
    """The addresses of the text objects that belong to layers that are switched off."""
    import pypdfium2.raw as pdfium

    groups: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
    for item, key in _texts(page.raw, (), pdfium.FPDFPage_CountObjects, pdfium.FPDFPage_GetObject):
        groups[key].append(item)
    return {
        _address(item) for key, items in groups.items() if key and not _is_drawn(page, groups, key) for item in items
    }


def _drawn_by(textpage: PdfTextPage, count: int, objects: set[int]) -> set[int]:
    """Indexes of the characters of text objects, which are named by their addresses."""
    import pypdfium2.raw as pdfium

    if not objects:
        return set()
    owners = (pdfium.FPDFText_GetTextObject(textpage.raw, place) for place in range(count))
    return {place for place, owner in enumerate(owners) if owner and _address(owner) in objects}


def _texts(container: Any, key: tuple[Any, ...], length: Any, get: Any) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Every text object in a page or a form, with what decides whether it is drawn: the layers that it and the forms
    around it are marked with, and these forms, which may belong to layers too."""
    import pypdfium2.raw as pdfium

    for kind, item in objects_of(container, length, get):
        if kind not in (pdfium.FPDF_PAGEOBJ_TEXT, pdfium.FPDF_PAGEOBJ_FORM):
            continue
        marks = tuple(_layer_marks(item))
        if kind == pdfium.FPDF_PAGEOBJ_TEXT:
            yield item, key + marks
        else:
            inner = (*key, *marks, _address(item))
            yield from _texts(item, inner, pdfium.FPDFFormObj_CountObjects, pdfium.FPDFFormObj_GetObject)


def _layer_marks(item: Any) -> Iterator[str]:
    """The layers that an object is marked with, by name; by its own address where a layer has none."""
    import pypdfium2.raw as pdfium

    for place in range(pdfium.FPDFPageObj_CountMarks(item)):
        mark = pdfium.FPDFPageObj_GetMark(item, place)
        if wide(lambda *rest, mark=mark: pdfium.FPDFPageObjMark_GetName(mark, *rest)) == _LAYER:
            name = wide(lambda *rest, mark=mark: pdfium.FPDFPageObjMark_GetParamStringValue(mark, b"Name", *rest))
            yield name or str(_address(item))


def _is_drawn(page: PdfPage, groups: dict[tuple[Any, ...], list[Any]], key: tuple[Any, ...]) -> bool:
    """Whether text with this key leaves ink on the page when it is drawn alone, in black. Nothing in pdfium tells the
    state of a layer. Text in the invisible mode counts as drawn: it would leave none in any layer."""
    import pypdfium2.raw as pdfium

    if any(pdfium.FPDFTextObj_GetTextRenderMode(i) == pdfium.FPDF_TEXTRENDERMODE_INVISIBLE for i in groups[key]):
        return True
    for place in range(pdfium.FPDFPage_CountObjects(page.raw)):
        item = pdfium.FPDFPage_GetObject(page.raw, place)
        if pdfium.FPDFPageObj_GetType(item) != pdfium.FPDF_PAGEOBJ_FORM:
            pdfium.FPDFPageObj_SetIsActive(item, False)
    for other, items in groups.items():
        for item in items:
            pdfium.FPDFPageObj_SetIsActive(item, other == key)
            pdfium.FPDFPageObj_SetFillColor(item, 0, 0, 0, 255)
    image = page.render(scale=1, grayscale=True, draw_annots=False, may_draw_forms=False).to_pil()
    return image.getextrema()[0] < _DARK


def _address(item: Any) -> int:
    return ctypes.addressof(item.contents)


def _asked(shown: str, places: Sequence[int]) -> set[int]:
    """Three characters that speak for a line: asking each one would take as long as drawing the page. Not blanks: those
    that PDFium puts in have the font's size without its scale."""
    printed = [place for place, character in zip(places, shown, strict=True) if not character.isspace()]
    return {printed[len(printed) * part // 4] for part in (1, 2, 3)}


def _line_size(textpage: PdfTextPage, asked: Collection[int]) -> float:
    return sorted(size_of(textpage, place) for place in asked)[len(asked) // 2]


def _is_bold(textpage: PdfTextPage, places: Iterable[int]) -> bool:
    """Whether all these characters are in bold print."""
    import pypdfium2.raw as pdfium

    name, flags = ctypes.create_string_buffer(128), ctypes.c_int()
    for place in places:
        pdfium.FPDFText_GetFontInfo(textpage.raw, place, name, len(name), ctypes.byref(flags))
        text = name.value.decode("utf-8", "replace")
        if _BOLD_NAME.search(text):
            continue
        weight = pdfium.FPDFText_GetFontWeight(textpage.raw, place)
        if not _BOLD <= weight < _HEAVIEST or _PLAIN_NAME.search(text):
            return False
    return True


def _lead(textpage: PdfTextPage, shown: str, places: Sequence[int]) -> str:
    """The words in bold print at the beginning of a line that is not bold at its end."""
    ends = [match.end() for match in _WORD.finditer(shown)]
    if (
        len(ends) < _LEAST_OF_LEAD
        or not _is_bold(textpage, places[:1])
        or _is_bold(textpage, places[ends[-1] - 1 :][:1])
    ):
        return ""
    bold = bisect_left(ends, True, key=lambda end: not _is_bold(textpage, [places[end - 1]]))
    return clean_line(shown[: ends[bold - 1]]) if 0 < bold < len(ends) else ""


def _apart(textpage: PdfTextPage, shown: str, places: Sequence[int], size: float) -> tuple[str, ...]:
    """The words around each wide blank; but not around one between the number or mark of a line and its text."""
    pairs = []
    for match in _BLANK.finditer(shown):
        before, after = (textpage.get_charbox(places[place]) for place in (match.start() - 1, match.end()))
        # Left, bottom, right, top: whichever way the line runs.
        if max(after[0] - before[2], before[0] - after[2], after[1] - before[3], before[1] - after[3]) <= _APART * size:
            continue
        start = shown[max(0, match.start() - _BESIDE) : match.start()]
        if match.start() > _BESIDE or not _NUMBERING.fullmatch(start):
            pairs.append(" ".join([*start.split()[-2:], *shown[match.end() : match.end() + _BESIDE].split()[:2]]))
    return tuple(pairs)


def _place(
    textpage: PdfTextPage, shown: str, places: Sequence[int], size: float, width: float
) -> tuple[float, float, float, tuple[float, float] | None]:
    """Where a line begins and ends, how high it stands, and `TextLine.last`.

    Args:
        shown: its characters. places: of each of them in the page. width: of the page.
    """
    printed = [places[match.start() : match.end()] for match in _PRINTED_LINE.finditer(shown)]
    first, last = printed[0], printed[-1]
    longest = max(first, last, key=len)
    one, other = (textpage.get_charbox(place) for place in (longest[0], longest[-1]))  # left, bottom, right, top
    least = _NARROW * size * (len(longest) - 1)
    if other[2] - one[0] >= least:
        left, right = (textpage.get_charbox(place)[side] for place, side in ((first[0], 0), (last[-1], 2)))
        begins = textpage.get_charbox(last[0])[0]
    elif one[2] - other[0] >= least:
        left, right = (width - textpage.get_charbox(place)[side] for place, side in ((first[0], 2), (last[-1], 0)))
        begins = width - textpage.get_charbox(last[0])[2]
    else:
        return 0.0, 0.0, 0.0, None
    below = None if len(printed) == 1 else (round(begins, 1), _height(textpage, last, size))
    return round(left, 1), round(right, 1), _height(textpage, first, size), below


def _height(textpage: PdfTextPage, places: Sequence[int], size: float) -> float:
    """How high a printed line stands: by its first character in the print of the line, as others may be raised."""
    usual = next((place for place in places[:_FIRST_ONES] if size_of(textpage, place) == size), places[0])
    return round(level_of(textpage, usual), 1)
