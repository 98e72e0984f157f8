"""Pages whose text runs down the paper: sheets that are printed on their side, and those that `/Rotate` turns back.

PDFium reads the lines of a page from left to right, so that the last line of such a text comes first. So the page is
turned before it is read. Text that runs up stays: its lines come in their order, and turned by PDFium they fall into
more pieces."""

from __future__ import annotations

import ctypes
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage, PdfTextPage

_GLANCES, _LOOKED_AT = 12, 100  # characters of a page, evenly spread
_MOSTLY = 0.6  # of these that run down
_LEANING = 4  # times as far up or down as to the side: the least of what is turned
# Not letters of scripts that run from right to left, whose order in the file may be either one.
_TWO = re.compile(r"[^\W\u0590-\u08ff\ufb1d-\ufefc]{2}")


def upright(pdf: PdfDocument, index: int, page: PdfPage) -> tuple[PdfPage, PdfTextPage]:
    """A page and its text, turned by a quarter where most of it runs down the paper. Upright letters one below the
    other, as in Japanese, are not turned.

    Args:
        page: the one at `index` of `pdf`.
    """
    textpage = page.get_textpage()
    if not _runs_down(textpage):
        return page, textpage
    textpage.close()
    page = _turned(pdf, index, page)
    return page, page.get_textpage()


def _runs_down(textpage: PdfTextPage) -> bool:
    count = textpage.count_chars()
    glances = range(0, count, max(1, count // _GLANCES))
    if sum(_is_turned(textpage, place) for place in glances) < len(glances) / 3:
        return False  # to look closely takes a third of the time for reading
    text = textpage.get_text_range()
    # Beyond 16 bits, one character has two indexes: then places are not known.
    places = [match.start() for match in _TWO.finditer(text)] if len(text) == count else []
    some = places[:: max(1, len(places) // _LOOKED_AT)]
    down = [_is_turned(textpage, at) and _height(textpage, at + 1) < _height(textpage, at) for at in some]
    return bool(some) and sum(down) >= _MOSTLY * len(some)


def _is_turned(textpage: PdfTextPage, place: int) -> bool:
    import pypdfium2.raw as pdfium

    matrix = pdfium.FS_MATRIX()
    pdfium.FPDFText_GetMatrix(textpage.raw, place, matrix)
    return bool(abs(matrix.b) > _LEANING * abs(matrix.a))


def _height(textpage: PdfTextPage, place: int) -> float:
    """How high the origin of a character stands over the page's lower edge, in points."""
    import pypdfium2.raw as pdfium

    x, y = ctypes.c_double(), ctypes.c_double()
    pdfium.FPDFText_GetCharOrigin(textpage.raw, place, x, y)
    return y.value


def _turned(pdf: PdfDocument, index: int, page: PdfPage) -> PdfPage:
    """The page with all its content turned by a quarter, against the clock."""
    import pypdfium2.raw as pdfium

    left, bottom, right, top = page.get_bbox()
    width, height = right - left, top - bottom
    page.set_mediabox(0, 0, height, width)
    page.set_cropbox(0, 0, height, width)
    turn, paper = pdfium.FS_MATRIX(0, 1, -1, 0, top, -left), pdfium.FS_RECTF(0, width, height, 0)
    pdfium.FPDFPage_TransFormWithClip(page.raw, turn, paper)
    page.close()
    return pdf[index]
