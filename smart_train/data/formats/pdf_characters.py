"""The characters of a text layer as they are read: accents on their letters, nothing that has no meaning outside its
font."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from smart_train.data.formats.pdf_hyphens import SUSPENDING as SUSPENDING  # for `pairs.page_parts`
from smart_train.data.formats.pdf_hyphens import whole_words

_JOINERS = "\u200c\u200d"  # in Persian and in Indic scripts they belong to the spelling
BULLETS = "\uf02d\uf06c\uf06e\uf076\uf0a7\uf0a8\uf0b7\uf0d8\uf0e0\uf0fc"  # items' marks of Symbol and Wingdings
# A vowel or sign of Khmer before the letter below the line, which is spelt first: fonts draw them in any order.
_KHMER_SIGN_FIRST = re.compile("(?<![\u17b6-\u17d1\u17dd])([\u17b6-\u17d1\u17dd]+)((?:\u17d2[\u1780-\u17b3])+)")
# Here and below, a run is tried from its first sign only.
# Burmese: vowels above the letter are spelt before those below it and before the dot, "u" before the ring.
_BURMESE_ABOVE_FIRST = re.compile(
    "(?:(?<![\u102f\u1030\u1037])|(?<=\u1036[\u102f\u1030]))([\u102f\u1030\u1037]+)([\u102d\u102e\u1032]+)|(\u1036)([\u102f\u1030])"
)
_LIGATURES = {"\x1b": "ff", "\x1c": "fi", "\x1d": "fl", "\x1e": "ffi", "\x1f": "ffl"}  # in TeX's T1 encoding
REPLACEMENT = "\ufffd"  # what stands for a character that nobody can name
ACCENTS = {
    "`": "\u0300", "´": "\u0301", "^": "\u0302", "ˆ": "\u0302", "˜": "\u0303", "¯": "\u0304", "˘": "\u0306",
    "˙": "\u0307", "¨": "\u0308", "˚": "\u030a", "˝": "\u030b", "ˇ": "\u030c", "¸": "\u0327", "˛": "\u0328",
}  # fmt: skip
DOTLESS = {"ı": "i", "ȷ": "j"}
# Not the tilde of an address, nor an apostrophe: "it´s".
_ACCENT_FIRST = re.compile(r"(?<!/)([´ˆ˜¯˘˙¨˚˝ˇ¸˛])(?!(?<=\w´)s\b)([^\W\d_])")
_ACCENT_BELOW_LAST = re.compile(r"([^\W\d_])([¸˛])")
_TYPED_ACCENT = re.compile(r"(?<=[^\W\d_])([`^])([a-zı])")


def clean_line(raw: str) -> str:
    """A line of a text layer: words that were hyphenated made whole, private and control characters taken out, one
    blank between words; empty where nothing is left. A character that stands for letters which nobody can name becomes
    U+FFFD."""
    text = _KHMER_SIGN_FIRST.sub(r"\2\1", whole_words(raw))
    text = _BURMESE_ABOVE_FIRST.sub(r"\2\1\4\3", text)
    if not text.isprintable():
        text = "".join(_readable(text, place) for place in range(len(text)))
    return " ".join(text.split())


def with_accents(lines: Sequence[str]) -> list[str]:
    """The lines of a page, accents that are set as characters of their own put on their letters, as TeX's older fonts
    need it: "R´ep" -> "Rép". The accents that people type, "^" and "`", are put on letters only where other accents
    are, because code and formulas have them too."""
    composed = [_ACCENT_BELOW_LAST.sub(_below, _ACCENT_FIRST.sub(_composed, line)) for line in lines]
    if composed == list(lines):
        return composed
    return [_TYPED_ACCENT.sub(_composed, line) for line in composed]


def _readable(text: str, place: int) -> str:
    """What stands for the character at `place`."""
    character = text[place]
    category = unicodedata.category(character)
    if category == "Cf":
        return character if character in _JOINERS else ""
    if category not in ("Cc", "Cn", "Co", "Cs"):
        return character
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    if character in _LIGATURES and (before.isalpha() or after.isalpha()):
        return _LIGATURES[character]
    if before.isalpha() and after.isalpha():
        return REPLACEMENT
    return "• " if character in BULLETS and not text[:place].strip() else " "


def _composed(match: re.Match[str]) -> str:
    accent, letter = match.groups()
    made = unicodedata.normalize("NFC", DOTLESS.get(letter, letter) + ACCENTS[accent])
    return made if len(made) == 1 else match[0]


def _below(match: re.Match[str]) -> str:
    letter, accent = match.groups()
    made = unicodedata.normalize("NFC", letter + ACCENTS[accent])
    return made if len(made) == 1 else match[0]
