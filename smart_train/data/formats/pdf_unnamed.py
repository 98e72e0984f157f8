"""Glyphs that a file does not name, inside words of scripts that draw one syllable with several glyphs.

Where a font maps a glyph to no character, pdfium gives the glyph's number in its place: "অ7ধকার", "বুদ্ধি-". fpdf2 names
one glyph of a syllable with all its letters and the others with nothing, so that the word is whole without these. MuPDF
and WeasyPrint also leave letters without a name that no other glyph has.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from smart_train.data.formats.pdf_characters import REPLACEMENT

if TYPE_CHECKING:
    from pypdfium2 import PdfTextPage

_SHAPED = re.compile("[\u0590-\u109f\u1780-\u17ff]")  # Hebrew, Arabic, the scripts of India to Burma, Khmer
_POINTED = re.compile("[\u0590-\u08ff]")  # Hebrew and Arabic are also written without signs
_SIGN = 0.6  # of the height of a letter beside it: a glyph that is lower is a sign
_MOSTLY = 0.8  # of a page's glyphs without a name: with fpdf2 0.81 to 1.0 belong to a named syllable, else at most 0.75
_NEAR = 3  # characters: a blank or the end of a line that pdfium saw beside a mark, and one more
NOTHING = "\x00"  # what stands in the place of a glyph that is left out


def without_unnamed(textpage: PdfTextPage, characters: str) -> tuple[str, set[int]]:
    """The characters of a page, and the indexes of the glyphs that are left out, in whose places `NOTHING` stands.

    Left out are signs of Hebrew and Arabic without a name, and all glyphs where most belong to a named syllable beside
    them. Where fewer do it is chance: browsers name "தி" with two letters, and "க்" with none. In the place of another
    one beside letters of such a script U+FFFD stands, as for all that nobody can name. Where a font names nothing, all
    stays: OCR reads a page with such a layer.
    """
    import pypdfium2.raw as pdfium

    if not _SHAPED.search(characters):
        return characters, set()
    unnamed = [pdfium.FPDFText_HasUnicodeMapError(textpage.raw, place) == 1 for place in range(len(characters))]
    runs: list[tuple[range, bool, bool]] = []  # whether a syllable beside it may have its letters; whether it is a sign
    place = 0
    while place < len(characters):
        stop = place
        while stop < len(characters) and unnamed[stop]:
            stop += 1
        beside = _beside(characters, place, stop) if stop > place else []
        if any(_SHAPED.match(characters[other]) for other in beside):
            run = range(place, stop)
            runs.append(
                (run, _is_covered(textpage, characters, run, beside), _is_sign(textpage, characters, run, beside))
            )
        place = max(stop, place + 1)
    covered = sum(is_covered or is_sign for _, is_covered, is_sign in runs) >= _MOSTLY * len(runs)
    made = list(characters)
    gone: set[int] = set()
    for run, _, is_sign in runs:
        made[run.start : run.stop] = (NOTHING if covered or is_sign else REPLACEMENT) * len(run)
        gone.update(run if covered or is_sign else ())
    return "".join(made), gone


def _beside(characters: str, start: int, stop: int) -> list[int]:
    """The indexes of the characters before and after a run, over what pdfium put in between."""
    before = next(
        (place for place in range(start - 1, start - 1 - _NEAR, -1) if characters[place : place + 1].strip()), -1
    )
    after = next((place for place in range(stop, stop + _NEAR) if characters[place : place + 1].strip()), -1)
    return [place for place in (before, after) if place >= 0]


def _is_covered(textpage: PdfTextPage, characters: str, run: range, beside: list[int]) -> bool:
    """Whether a glyph beside these has several letters."""
    for place in beside:
        box = textpage.get_charbox(place)
        if any(
            0 <= other < len(characters) and characters[other].strip() and textpage.get_charbox(other) == box
            for other in (place - 1, place + 1)
            if other not in run
        ):
            return True
    return False


def _is_sign(textpage: PdfTextPage, characters: str, run: range, beside: list[int]) -> bool:
    """Whether glyphs are signs of a script that does without."""
    if not any(_POINTED.match(characters[place]) for place in beside):
        return False
    height = max(box[3] - box[1] for box in map(textpage.get_charbox, beside))
    return all(box[3] - box[1] < _SIGN * height for box in map(textpage.get_charbox, run))
