"""Vowel signs that are drawn before their consonant and spelt behind it, as in Devanagari, Bengali, Tamil, Malayalam,
Sinhala, Burmese and Khmer.

Browsers, Word and other programs name each glyph by itself and in the order in which it is drawn: "ெசால்" for "சொல்".
Where such a sign stands tells the two apart: behind a letter to which it belongs it is drawn before this letter.
"""

from __future__ import annotations

import unicodedata

import regex

from smart_train.data.formats.pdf_glyphs import Glyphs

Piece = tuple[int, str]  # an index, and what stands for it

_DRAWN_FIRST = regex.compile(
    "[\u093f\u09bf\u09c7\u09c8\u0a3f\u0abf\u0b47\u0bc6-\u0bc8\u0d46-\u0d48\u0dd9\u0ddb\u1031\u17c1-\u17c3]"
)
_CONSONANT = regex.compile(r"\p{L}")
# Letters below or beside a letter, and signs that belong to it. Not in Tamil, where a sign of silence ends a syllable.
_JOINING = regex.compile("[\u094d\u09cd\u0a4d\u0acd\u0b4d\u0d4d\u0dca\u1039\u17d2]")
_BELONGING = regex.compile("[\u093c\u09bc\u0a3c\u0abc\u0b3c\u103a-\u103e\u200d]")


def with_vowels_behind(page: Glyphs, line: list[Piece]) -> list[Piece]:
    """A line with these signs behind the letters that they are drawn before; with the second half of a vowel that is
    drawn on both sides of its letter, one sign."""
    if not any(_DRAWN_FIRST.match(text) for _, text in line):
        return line
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
    index = line[place][0]
    if page.spelt(index) is not None or place + 1 == len(line) or not _CONSONANT.match(line[place + 1][1]):
        return False
    left = page.box(index)[0]
    if left >= page.box(line[place + 1][0])[0]:
        return False
    before = line[place - 1] if place else None
    return before is None or before[1].isspace() or page.box(before[0])[0] < left


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
