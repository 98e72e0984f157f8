"""The characters of a page as PDFium counts them: those beyond 16 bits (signs of formulas, rare Han, small scripts,
pictures) are two for it, and those that a file names with 0 look like the hyphen at the end of a line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import regex

from smart_train.data.formats.pdf_characters import REPLACEMENT
from smart_train.data.formats.pdf_glyphs import font_of, has_ink
from smart_train.data.formats.pdf_unnamed import NOTHING

if TYPE_CHECKING:
    from pypdfium2 import PdfTextPage

_HYPHEN = "\ufffe"  # also what PDFium reads where a file names a glyph with 0, as browsers do with joined letters
_RUN, _LETTER = re.compile(f"{REPLACEMENT}+"), regex.compile(r"[\p{L}\p{M}]")
_PAIR, _HALF = re.compile("[\ud800-\udbff][\udc00-\udfff]"), re.compile("[\ud800-\udfff]")


def characters_of(textpage: PdfTextPage, count: int) -> tuple[str, set[int]]:
    """A page's characters, each at its index in pdfium, and the indexes of second halves: a character beyond 16 bits
    has two indexes there, and stands at the first of them. A half without the other one is U+FFFD."""
    import pypdfium2.raw as pdfium

    text = textpage.get_text_range()
    if len(text) == count:
        zeros = [place for place, character in enumerate(text) if character == _HYPHEN]
        zeros = [place for place in zeros if pdfium.FPDFText_GetUnicode(textpage.raw, place) == 0]
        return _with_zeros(textpage, text, zeros), set()
    # One call for each character takes as long as drawing the page.
    codes = [pdfium.FPDFText_GetUnicode(textpage.raw, place) for place in range(count)]
    zeros = [place for place, code in enumerate(codes) if code == 0]
    units = _with_zeros(textpage, "".join(map(chr, codes)), zeros)
    made = _PAIR.sub(lambda pair: pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le") + NOTHING, units)
    return _HALF.sub(REPLACEMENT, made), {match.start() + 1 for match in _PAIR.finditer(units)}


def _with_zeros(textpage: PdfTextPage, text: str, zeros: Sequence[int]) -> str:
    """The text with U+FFFD for glyphs that are named with 0 and stand beside a letter of their font; others, such as
    the dots of items, large brackets of formulas and what has no ink, are blanks.

    Args:
        zeros: the indexes of these glyphs.
    """
    if not zeros:
        return text
    made = list(text)
    for place in zeros:
        made[place] = REPLACEMENT if has_ink(textpage, place) else " "
    replaced = frozenset(zeros)
    for run in _RUN.finditer("".join(made)):
        if not replaced.issuperset(range(*run.span())):
            continue
        beside = [place for place in (run.start() - 1, run.end()) if 0 <= place < len(text)]
        letters = [place for place in beside if _LETTER.match(text[place])]
        if not any(font_of(textpage, place) == font_of(textpage, run.start()) for place in letters):
            made[run.start() : run.end()] = " " * len(run[0])
    return "".join(made)
