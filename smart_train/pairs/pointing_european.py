"""Whether a sentence of a European language points out of itself, by the closed classes of its own language.

The language is the one whose commonest words a sentence holds most of: then "han" is a pronoun in Danish and nothing in
English. Where two hold as many, a sentence points out when it does in both."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import NamedTuple

from smart_train.pairs import pointing_eastern, pointing_western
from smart_train.pairs.pointing_classes import end_of_showing
from smart_train.pairs.words import words_of

_LANGUAGES = {**pointing_western.LANGUAGES, **pointing_eastern.LANGUAGES}
_ENOUGH = 2  # of its words a sentence holds; a word with a letter beyond a to z counts as two, and so does a letter of
# this language alone among those here. "ß" and "ñ" are in names that other languages take as they are.
_LETTERS = {
    letter: name
    for name, letters in {
        "Czech": "ěřů",
        "Estonian": "õ",
        "Hungarian": "őű",
        "Latvian": "āēģīķļņ",
        "Lithuanian": "ėįų",
        "Polish": "łśźż",
        "Romanian": "ășțţ",
        "Russian": "ыэ",
        "Slovak": "ľĺŕ",
        "Turkish": "ğı",
        "Ukrainian": "єїґ",
    }.items()
    for letter in letters
}
_NEAR_THE_BEGINNING, _FIRST_WORDS = 5, 7  # as in leaning and named_subject


class _Patterns(NamedTuple):
    """The words and phrases of a language, compiled."""

    opens: frozenset[str]
    opens_with: re.Pattern[str]
    shows: frozenset[str]
    shows_by: re.Pattern[str]
    sends: re.Pattern[str]
    near: frozenset[str]
    again: frozenset[str]
    told: re.Pattern[str]


def _languages_by_word() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name, entry in {"": pointing_western.ENGLISH, **_LANGUAGES}.items():
        pronouns = [word for word in entry.near.split() if not word.isascii()]  # the others are words of many languages
        for word in {*entry.common.split(), *entry.opens.split(), *entry.shows.split(), *pronouns}:
            found.setdefault(word, []).append(name)
    return {word: tuple(names) for word, names in found.items()}


_BY_WORD = _languages_by_word()


@cache
def _patterns(name: str) -> _Patterns:
    entry = _LANGUAGES[name]
    return _Patterns(
        frozenset(entry.opens.split()),
        _phrases(entry.opens_with),
        frozenset(entry.shows.split()),
        _phrases(entry.shows_by),
        _phrases(entry.sends),
        frozenset(entry.near.split()),
        frozenset(entry.again.split()),
        _phrases(entry.told),
    )


def _phrases(text: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{text})\b" if text else r"(?!)")


def languages_of(words: list[str]) -> list[str]:
    """The language that a sentence is in, or those that it may be in; none where it is English or too little tells."""
    counts: Counter[str] = Counter()
    for word in words:
        for name in _BY_WORD.get(word, ()):
            counts[name] += 1 if word.isascii() else 2
    for letter in _LETTERS.keys() & set("".join(words)):
        counts[_LETTERS[letter]] += 2
    most = max(counts.values(), default=0)
    if most < _ENOUGH or counts[""] == most:
        return []
    return [name for name, count in counts.items() if count == most]


def points_out(sentence: str, words: list[str]) -> bool:
    """Whether a sentence, whose words are given too, speaks of the one before, or of another place of its document."""
    languages = languages_of(words)
    if not languages:
        return False
    text = " ".join(words)
    showing = words_of(sentence[: end_of_showing(sentence)])
    return all(
        words[0] in patterns.opens
        or patterns.opens_with.match(text)
        or not patterns.shows.isdisjoint(showing)
        or patterns.shows_by.search(" ".join(showing))
        or patterns.sends.search(text)
        or not patterns.near.isdisjoint(words[:_NEAR_THE_BEGINNING])
        for patterns in map(_patterns, languages)
    )


def presupposes(words: list[str]) -> bool:
    """Whether a sentence says "also", "the same", "the other two": its heading may tell of what."""
    languages = languages_of(words)
    text = " ".join(words)
    return bool(languages) and all(
        not patterns.again.isdisjoint(words[:_FIRST_WORDS]) or patterns.told.search(text)
        for patterns in map(_patterns, languages)
    )
