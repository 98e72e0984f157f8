"""What drew the characters of a page's text layer, and where."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pypdfium2 import PdfTextPage

Box = tuple[float, float, float, float]  # left, bottom, right, top

PageObject = tuple[int, Any]  # what kind of object it is for pdfium, and the object

_SPELT = b"ActualText"
_FLAT = 0.05  # points: PDFium says that what has no ink is a little less high


class Glyphs:
    """The characters of a page, each at its index in pdfium."""

    def __init__(self, textpage: PdfTextPage, characters: str) -> None:
        self.textpage, self.characters = textpage, characters
        self._boxes: dict[int, Box] = {}
        self._spans: dict[int, int | None] = {}  # by text object

    def __len__(self) -> int:
        return len(self.characters)

    @cached_property
    def owners(self) -> list[int | None]:
        """The address of the text object that drew each character; None where PDFium put it in."""
        import pypdfium2.raw as pdfium

        items = (pdfium.FPDFText_GetTextObject(self.textpage.raw, place) for place in range(len(self.characters)))
        return [ctypes.addressof(item.contents) if item else None for item in items]

    def spelt(self, place: int) -> int | None:
        """What tells the syllable that the file spells out (`ActualText`), and to which a character belongs, from
        others."""
        import pypdfium2.raw as pdfium

        owner = self.owners[place]
        if owner is None:
            return None
        if owner not in self._spans:
            mark = _spelling(pdfium.FPDFText_GetTextObject(self.textpage.raw, place))
            self._spans[owner] = None if mark is None else ctypes.addressof(mark.contents)
        return self._spans[owner]

    def spelling(self, place: int) -> str:
        """The syllable that the file spells out where a character is drawn; empty where it spells none."""
        import pypdfium2.raw as pdfium

        mark = _spelling(pdfium.FPDFText_GetTextObject(self.textpage.raw, place))
        if mark is None:
            return ""
        length = ctypes.c_ulong()
        pdfium.FPDFPageObjMark_GetParamBlobValue(mark, _SPELT, None, 0, length)
        buffer = (ctypes.c_ubyte * max(length.value, 1))()
        pdfium.FPDFPageObjMark_GetParamBlobValue(mark, _SPELT, buffer, length.value, length)
        raw = bytes(buffer)[: length.value]
        return raw[2:].decode("utf-16-be", "replace") if raw.startswith(b"\xfe\xff") else raw.decode("latin-1")

    def box(self, place: int) -> Box:
        """What a character's ink covers."""
        if place not in self._boxes:
            self._boxes[place] = self.textpage.get_charbox(place)
        return self._boxes[place]

    def room(self, place: int) -> Box:
        """From where to where the pen moves, and how high and low the font reaches; of a spelt syllable, its ink."""
        import pypdfium2.raw as pdfium

        edges, matrix = pdfium.FS_RECTF(), pdfium.FS_MATRIX()
        pdfium.FPDFText_GetLooseCharBox(self.textpage.raw, place, edges)
        left, right = edges.left, edges.right
        if pdfium.FPDFText_GetMatrix(self.textpage.raw, place, matrix) and matrix.c > 0 and matrix.d > 0:
            level = self.origin(place)[1]  # slanted print leans out of its room
            left += matrix.c / matrix.d * (level - edges.bottom)
            right -= matrix.c / matrix.d * (edges.top - level)
        return left, edges.bottom, right, edges.top

    def around(self, run: range) -> Box:
        """What the ink of several characters covers."""
        boxes = [self.box(place) for place in run]
        return (min(box[0] for box in boxes), min(box[1] for box in boxes)) + (
            max(box[2] for box in boxes),
            max(box[3] for box in boxes),
        )

    def origin(self, place: int) -> tuple[float, float]:
        """Where the pen was when a character was drawn: on its baseline."""
        return origin_of(self.textpage, place)

    def put_in(self, place: int) -> bool:
        """Whether a blank is PDFium's, and takes no room; between letters that run to the left it has an owner, too."""
        left, _, right, _ = self.box(place)
        return left == right

    def together(self, first: int, second: int) -> bool:
        """Whether one text object drew both characters."""
        return self.owners[first] is not None and self.owners[first] == self.owners[second]

    def groups(self) -> Iterator[range]:
        """Characters of one glyph, or of one syllable that is spelt out."""
        start = 0
        while start < len(self.characters):
            stop = start + 1
            while (
                stop < len(self.characters)
                and self.together(start, stop)
                and (self.spelt(start) is not None or self.box(stop) == self.box(start))
            ):
                stop += 1
            yield range(start, stop)
            start = stop


def objects_of(container: Any, count: Any, get: Any) -> list[PageObject]:
    """The objects in a page or a form.

    Args:
        count: the function of pdfium that counts them.
        get: the one that gets one of them.
    """
    import pypdfium2.raw as pdfium

    items = (get(container, place) for place in range(count(container)))
    return [(pdfium.FPDFPageObj_GetType(item), item) for item in items]


def middle(box: Box) -> float:
    """Of a box, from the page's left edge."""
    return (box[0] + box[2]) / 2


def font_of(textpage: PdfTextPage, place: int) -> int | None:
    """What tells the font of a character from others; None where PDFium put the character in."""
    import pypdfium2.raw as pdfium

    item = pdfium.FPDFText_GetTextObject(textpage.raw, place)
    font = pdfium.FPDFTextObj_GetFont(item) if item else None
    return ctypes.addressof(font.contents) if font else None


def has_ink(textpage: PdfTextPage, index: int) -> bool:
    """Whether a character leaves ink on the page."""
    left, bottom, right, top = textpage.get_charbox(index)
    return right > left and top - bottom > _FLAT


def size_of(textpage: PdfTextPage, index: int) -> float:
    """Of the print of a character in points, with the scale that many producers put into the text's matrix instead of
    its font size. A negative size turns the text over, as its matrix may do again."""
    import pypdfium2.raw as pdfium

    matrix = pdfium.FS_MATRIX()
    scale = 1.0
    if pdfium.FPDFText_GetMatrix(textpage.raw, index, ctypes.byref(matrix)):
        scale = math.hypot(matrix.c, matrix.d)
    return round(abs(pdfium.FPDFText_GetFontSize(textpage.raw, index)) * scale, 1)


def origin_of(textpage: PdfTextPage, index: int) -> tuple[float, float]:
    """Where the pen was when a character was drawn: on its baseline."""
    import pypdfium2.raw as pdfium

    across, up = ctypes.c_double(), ctypes.c_double()
    pdfium.FPDFText_GetCharOrigin(textpage.raw, index, across, up)
    return across.value, up.value


def level_of(textpage: PdfTextPage, index: int) -> float:
    """How high the baseline of a character is."""
    return origin_of(textpage, index)[1]


def wide(call: Any) -> str:
    """The text of a pdfium function that fills a buffer with UTF-16 and says how long it is."""
    length = ctypes.c_ulong()
    call(None, 0, length)
    buffer = ctypes.create_string_buffer(max(length.value, 2))
    call(ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), length.value, length)
    return buffer.raw[: max(length.value - 2, 0)].decode("utf-16-le", "replace")


def _spelling(item: Any) -> Any:
    """The mark with the syllable that a text object is a part of; None where it is not spelt out."""
    import pypdfium2.raw as pdfium

    for place in range(pdfium.FPDFPageObj_CountMarks(item)):
        mark = pdfium.FPDFPageObj_GetMark(item, place)
        if pdfium.FPDFPageObjMark_GetParamValueType(mark, _SPELT) == pdfium.FPDF_OBJECT_STRING:
            return mark
    return None
