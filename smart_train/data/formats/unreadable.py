"""Text layers that a reader of the page would not know: numbers of glyphs, letters of another alphabet."""

from __future__ import annotations

import unicodedata
from collections import Counter

import regex

from smart_train.data.formats.pdf_characters import REPLACEMENT

_VOWELS = frozenset("aeiouy")
_ENOUGH_LETTERS, _MOST_OF_WORD = 100, 3
_FEW_VOWELS, _MANY_VOWELS = 0.3, 0.33  # shares of a text's letters; languages in Latin letters have 0.35 to 0.5
# Letters of another alphabet that a font without a table of characters leaves as those of Latin-1: "Íå ìîæíà". Words of
# four letters and more hold few of these in every language.
_FOREIGN_WORD = regex.compile(r"(?<!\p{L})(?=[\p{L}]{4})(?:[À-ÖØ-öø-ÿ]{3,}\p{L}*|\p{L}?[À-ÖØ-öø-ÿ]{4,}\p{L}*)(?!\p{L})")
_LONG_WORD = regex.compile(r"\p{L}{4,}")
_FOREIGN_SHARE = 0.3
_SHIFTS = range(-31, 32)  # of glyph numbers against characters
_LEGIBLE = 0.9  # of the characters are then letters and digits
_MANY_DIGITS = 0.15  # of them: tables with codes of parts. Shifted text has at most 0.1, which stand for capitals
# Characters that nobody can name, against the letters; and signs, but for the most frequent one ("%" in a table),
# against all that is printed. Pages of code have at most 0.12 of these; glyphs with low numbers are read as signs.
_UNNAMED_SHARE, _SIGN_SHARE, _ENOUGH = 0.5, 0.25, 40
_SIGNS = frozenset("!\"#$%&'*+/<=>@\\^`|~{}")


def is_unreadable(text: str) -> bool:
    """Whether a text layer holds the numbers of glyphs instead of letters, as fonts without a table of characters
    leave them: the Latin letters of a text have too few vowels, and have enough when all are shifted by one number; or
    its words are mostly letters with accents, which are those of another alphabet; or it is mostly signs and U+FFFD.
    Accents are taken off, as most vowels of Vietnamese have one, and no word counts often, as in a form that says "KL."
    in each of its cells."""
    if _is_signs([character for character in text if not character.isspace()]):
        return True
    foreign = len(_FOREIGN_WORD.findall(text))
    if foreign and foreign >= _FOREIGN_SHARE * len(_LONG_WORD.findall(text)):
        return True
    words = unicodedata.normalize("NFD", text).split()
    seldom = [word * min(count, _MOST_OF_WORD) for word, count in Counter(words).items()]
    return all(
        _is_shifted([ord(character) for character in "".join(told) if "!" <= character <= "~"])
        for told in (words, seldom)
    )


def _is_signs(printed: list[str]) -> bool:
    if len(printed) < _ENOUGH:
        return False
    letters = sum(map(str.isalpha, printed))
    signs = Counter(character for character in printed if character in _SIGNS)
    others = signs.total() - max(signs.values(), default=0)
    return printed.count(REPLACEMENT) > _UNNAMED_SHARE * letters or others > _SIGN_SHARE * len(printed)


def _is_shifted(characters: list[int]) -> bool:
    vowels = _vowels(characters)
    if vowels is None or vowels >= _FEW_VOWELS:
        return False
    if sum(ord("0") <= code <= ord("9") for code in characters) > _MANY_DIGITS * len(characters):
        return False
    for shift in _SHIFTS:
        shifted = [code + shift for code in characters]
        legible = sum(chr(code).isalnum() for code in shifted if 32 < code < 127)
        if shift and legible >= _LEGIBLE * len(shifted) and (_vowels(shifted) or 0.0) >= _MANY_VOWELS:
            return True
    return False


def _vowels(codes: list[int]) -> float | None:
    """The share of vowels among the Latin letters; None where there are too few to tell."""
    letters = [chr(code | 32) for code in codes if 97 <= code | 32 <= 122 and code >= 65]
    if len(letters) < _ENOUGH_LETTERS:
        return None
    return sum(letter in _VOWELS for letter in letters) / len(letters)
