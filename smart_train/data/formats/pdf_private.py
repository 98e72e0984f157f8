"""Glyphs of letters that a file names with a private character of its font, as it does the parts of a ligature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import regex

from smart_train.data.formats.pdf_characters import BULLETS, REPLACEMENT
from smart_train.data.formats.pdf_glyphs import font_of, has_ink

if TYPE_CHECKING:
    from pypdfium2 import PdfTextPage

_PRIVATE = regex.compile(f"[[\ue000-\uf8ff]--[{BULLETS}]]+", regex.V1)
_LETTER = regex.compile(r"[[\p{Latin}\p{Greek}\p{Cyrillic}]&&\p{L}]", regex.V1)


def with_private_letters(textpage: PdfTextPage, characters: str) -> str:
    r"""The characters of a page with U+FFFD for private ones that are a part of a word: "\ue005\ue006rst" for "first".

    They are where the font is that of the letter beside them. Signs such as arrows and telephones, which are no part of
    the text, come from fonts of their own; and what has no ink is a blank.
    """
    if not _PRIVATE.search(characters):
        return characters
    made = list(characters)
    for match in _PRIVATE.finditer(characters):
        beside = [place for place in (match.start() - 1, match.end()) if 0 <= place < len(characters)]
        letters = [place for place in beside if _LETTER.match(characters[place])]
        run = range(*match.span())
        if any(has_ink(textpage, place) for place in run) and any(
            font_of(textpage, place) == font_of(textpage, run[0]) for place in letters
        ):
            made[run.start : run.stop] = REPLACEMENT * len(run)
    return "".join(made)
