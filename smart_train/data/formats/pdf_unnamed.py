"""Glyphs that a file does not name, inside words of scripts that draw one syllable with several glyphs.

Where a font maps a glyph to no character, pdfium gives the glyph's number in its place: "অ7ধকার", "বুদ্ধি-". fpdf2 names
one glyph of a syllable with all its letters and the others with nothing, so that the word is whole without these.
WeasyPrint names each glyph as where it was first used, so that a letter may be missing: nothing in the file has it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pypdfium2 import PdfTextPage

_SHAPED = re.compile("[\u0590-\u109f\u1780-\u17ff]")  # Hebrew, Arabic, the scripts of India to Burma, Khmer
_NEAR = 3  # characters: a blank or the end of a line that pdfium saw beside a mark, and one more
NOTHING = "\x00"  # what stands in the place of a glyph that is left out


def without_unnamed(textpage: PdfTextPage, characters: str) -> tuple[str, set[int]]:
    """The characters of a page with `NOTHING` for each glyph that the file does not name beside a named character of
    such a script, and their indexes. Where a font names nothing, all stays: such a layer is not legible, and OCR reads
    the page."""
    import pypdfium2.raw as pdfium

    if not _SHAPED.search(characters):
        return characters, set()
    unnamed = [pdfium.FPDFText_HasUnicodeMapError(textpage.raw, place) == 1 for place in range(len(characters))]
    gone: set[int] = set()
    place = 0
    while place < len(characters):
        stop = place
        while stop < len(characters) and unnamed[stop]:
            stop += 1
        if stop > place:
            around = characters[max(0, place - _NEAR) : place].rstrip()[-1:]
            around += characters[stop : stop + _NEAR].lstrip()[:1]
            gone.update(range(place, stop) if _SHAPED.search(around) else ())
        place = max(stop, place + 1)
    return "".join(NOTHING if place in gone else text for place, text in enumerate(characters)), gone
