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
# Characters that are more than so much of a text; the fewest that a language has. A listing of genes has four.
_COMMON, _LEAST_COMMON = 0.01, 10
# Words in small letters, as the tags of HTML are among: more than so much of a text, and nearly all with a vowel.
_SMALL_WORD = regex.compile(r"[a-z]{4,}")
_SPELT, _WITH_VOWEL = 0.3, 0.85
_SHIFTS = range(-31, 32)  # of glyph numbers against characters
_LEGIBLE = 0.9  # of the characters are then letters and digits
# Of them digits at the end of a word: tables with codes of parts. In shifted text digits stand for capitals.
_MANY_DIGITS = 0.15
_NUMBER = regex.compile(r"(?<!\S)[^\s\w]*\p{L}*(\d[\d.,/-]*)[^\s\w]*(?!\S)")
# Characters that nobody can name, against letters and digits; and signs, but for the most frequent one ("%" in a
# table), against all that is printed, where hardly a letter is: glyphs with low numbers are read as signs. Pages of
# code, of LaTeX and of formulas have as many signs, and a quarter of letters.
_UNNAMED_SHARE, _SIGN_SHARE, _FEW_LETTERS, _ENOUGH = 0.5, 0.25, 0.2, 40
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
    return all(map(_is_shifted, (words, seldom)))


def _is_signs(printed: list[str]) -> bool:
    if len(printed) < _ENOUGH:
        return False
    letters, told = sum(map(str.isalpha, printed)), sum(map(str.isalnum, printed))
    signs = Counter(character for character in printed if character in _SIGNS)
    others = signs.total() - max(signs.values(), default=0)
    if printed.count(REPLACEMENT) > _UNNAMED_SHARE * told:
        return True
    return others > _SIGN_SHARE * len(printed) and letters < _FEW_LETTERS * len(printed)


def _is_shifted(words: list[str]) -> bool:
    characters = [ord(character) for character in "".join(words) if "!" <= character <= "~"]
    vowels = _vowels(characters)
    if vowels is None or vowels >= _FEW_VOWELS:
        return False
    small = _SMALL_WORD.findall(" ".join(words))
    with_vowel = sum(not _VOWELS.isdisjoint(word) for word in small)
    if len("".join(small)) > _SPELT * len(characters) and with_vowel > _WITH_VOWEL * len(small):
        return False
    common = sum(count > _COMMON * len(characters) for count in Counter(characters).values())
    if common < _LEAST_COMMON:
        return False
    digits = sum(sum(map(str.isdigit, match[1])) for word in words for match in _NUMBER.finditer(word))
    if digits > _MANY_DIGITS * len(characters):
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
