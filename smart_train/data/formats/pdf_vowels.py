"""Vowel signs that are drawn before their consonant and spelt behind it, as in Devanagari, Bengali, Tamil, Malayalam,
Sinhala, Burmese and Khmer.

Browsers and other programs name each glyph by itself and in the order in which it is drawn: "ெசால்" for "சொல்". Words
then begin with such signs, which none does that is spelt. Where they stand on the paper does not tell it: Word names
the glyphs of a syllable in the order of its spelling, so that the glyph of a sign has the name of the letter.
"""

from __future__ import annotations

import unicodedata

import regex

from smart_train.data.formats.pdf_characters import REPLACEMENT
from smart_train.data.formats.pdf_glyphs import Glyphs

Piece = tuple[int, str]  # an index, and what stands for it

_SIGNS = "\u093f\u09bf\u09c7\u09c8\u0a3f\u0abf\u0b47\u0bc6-\u0bc8\u0d46-\u0d48\u0dd9\u0ddb\u1031\u17c1-\u17c3"
_DRAWN_FIRST = regex.compile(f"[{_SIGNS}]")
_CONSONANT = regex.compile(r"\p{L}")
# Letters below or beside a letter, and signs that belong to it. Not in Tamil, where a sign of silence ends a syllable.
_JOINING = regex.compile("[\u094d\u09cd\u0a4d\u0acd\u0b4d\u0d4d\u0dca\u1039\u17d2]")
_BESIDE = "\u093c\u09bc\u0a3c\u0abc\u0b3c\u103b-\u103e\u200d"
_BELONGING = regex.compile(f"[{_BESIDE}]")
# A sign at the beginning of a word or after another sign, before a letter.
_NOT_SPELT = regex.compile(rf"(?<![\p{{L}}{_BESIDE}{REPLACEMENT}])[{_SIGNS}](?=\p{{L}})")
_SHARE = 0.15  # of the signs on a page: where they are named as drawn, 0.3 to 0.7 stand so


def are_named_as_drawn(characters: str) -> bool:
    """Whether these signs stand before their letters in the text of a page."""
    signs = len(_DRAWN_FIRST.findall(characters))
    return signs > 0 and len(_NOT_SPELT.findall(characters)) >= _SHARE * signs


def with_vowels_behind(page: Glyphs, line: list[Piece]) -> list[Piece]:
    """A line of a page on which they are named as they are drawn, with these signs behind the letters that they are
    drawn before; with the second half of a vowel that is drawn on both sides of its letter, one sign."""
    made: list[Piece] = []
    place = 0
    while place < len(line):
        index, sign = line[place]
        if not _DRAWN_FIRST.fullmatch(sign) or not _is_drawn_first(page, line, place):
            made.append(line[place])
            place += 1
            continue
        stop = _end_of_letter(line, place + 1)
        made.extend(line[place + 1 : stop])
        both = unicodedata.normalize("NFC", sign + line[stop][1]) if stop < len(line) else sign
        made.append((index, both if len(both) == 1 else sign))
        place = stop + (len(both) == 1 and both != sign)
    return made


def _is_drawn_first(page: Glyphs, line: list[Piece], place: int) -> bool:
    """Whether a sign stands on the paper between the letter before it and the one after it."""
    index, sign = line[place]
    if page.spelt(index) is not None or place + 1 == len(line) or not _is_of_script(line[place + 1][1], sign):
        return False
    left = page.box(index)[0]
    if left >= page.box(line[place + 1][0])[0]:
        return False
    before = line[place - 1] if place else None
    return before is None or before[1].isspace() or page.box(before[0])[0] < left


def _is_of_script(text: str, sign: str) -> bool:
    """Whether a text begins with a letter of the script of a sign; each of these has a block of 128 characters."""
    return _CONSONANT.match(text) is not None and ord(text[0]) // 128 == ord(sign) // 128


def _end_of_letter(line: list[Piece], place: int) -> int:
    """The place behind a letter and all that belongs to it."""
    place += 1
    while place < len(line):
        text = line[place][1]
        if _JOINING.fullmatch(text) and place + 1 < len(line) and _CONSONANT.match(line[place + 1][1]):
            place += 2
        elif _BELONGING.fullmatch(text):
            place += 1
        else:
            break
    return place
