"""Headings and captions that are not whole: cells or columns read as one line, letters set apart, addresses and dates.

What stands beside a title on a document's first page is judged here too: authors, addresses, dates."""

from __future__ import annotations

import regex

from smart_train.pairs.wholeness import repeats
from smart_train.pairs.words import is_unspaced, words_of

_WORD_LETTERS, _UNSPACED_LETTERS = 3, 2  # of the longest word of a heading that says something
_SET_APART, _LEAST_PIECES = 0.8, 4  # share of pieces of one letter or two in a heading whose letters are set apart
_SAID_AGAIN = 3  # words
# A mark of a note or an item in the middle; the second of two shares; a telephone number; an address.
_CELLS = regex.compile(
    r"^\d[\d.,]*\s?%|^[,;:)]|^\(.*\)$|[<>]=|\S\s?[*∗†‡]\s*[\p{L},]"
    r"|[|•▪■□☐]|%\D*\d[\d.,]*\s?%|\(?\+\d{1,3}[\s)(-]+\d|\S@\S|\bat \w+\.\w|https?:"
    r"|www\.|\d{3} \d{3}$|\b[Ss]ee (?:also|pages?|sections?|instructions)\b"
)
_NAMES = regex.compile(
    r"(?:\p{Lu}[\p{L}\p{M}.'’-]*[\W\d]*)(?:\s(?:(?:and|und|et|y|e|и|de|van|von)\s)?\p{Lu}[\p{L}\p{M}.'’-]*[\W\d]*)+"
)
_NUMBER = regex.compile(r"\p{N}")


def is_broken(head: str) -> bool:
    """Whether a heading is cells put together, an address, or holds no word."""
    words = words_of(head)
    unspaced = any(is_unspaced(word[0]) for word in words)
    letters = [sum(character.isalpha() for character in word) for word in words]
    if max(letters, default=0) < _WORD_LETTERS and not (unspaced and sum(letters) >= _UNSPACED_LETTERS):
        return True
    short = sum(number < _WORD_LETTERS for number in letters)
    if not unspaced and len(words) >= _LEAST_PIECES and short > _SET_APART * len(words):
        return True
    return _CELLS.search(head) is not None or repeats(head) or _says_again(words)


def is_beside_title(head: str) -> bool:
    """Whether a heading of a first page may be its authors, their address or a date: names, or a text with a number."""
    return _NAMES.fullmatch(head.strip()) is not None or _NUMBER.search(head) is not None


def _says_again(words: list[str]) -> bool:
    """Whether three words come a second time, as where two cells were read as one line."""
    if any(is_unspaced(word[0]) for word in words):
        return False
    runs = [tuple(words[place : place + _SAID_AGAIN]) for place in range(len(words) - _SAID_AGAIN + 1)]
    return len(set(runs)) < len(runs)
