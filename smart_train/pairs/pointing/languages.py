"""The languages that a sentence may be in: by its common words, and by its letters.

By words, a language is the one whose commonest words a sentence holds most of: then "han" is a pronoun in Danish and
nothing in English. By letters, a sentence is looked up in the few languages of its script."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import NamedTuple

import regex

from smart_train.pairs.pointing import east_asian, germanic, other_european, romance, slavic, west_and_south_asian
from smart_train.pairs.pointing.entry import Pointing

_ENGLISH = "English"
_BY_SCRIPT = {**east_asian.LANGUAGES, **west_and_south_asian.LANGUAGES}
_LATIN_ELSEWHERE = ("Indonesian", "Swahili")
# What is told by its words alone.
_BY_WORDS = {
    **germanic.LANGUAGES,
    **romance.LANGUAGES,
    **slavic.LANGUAGES,
    **other_european.LANGUAGES,
    **{name: _BY_SCRIPT[name] for name in _LATIN_ELSEWHERE},
}
LANGUAGES: dict[str, Pointing] = {**_BY_WORDS, **_BY_SCRIPT}
# So much a sentence's words must tell. A short word of the letters a to z tells half of it: other languages and names
# have it too. So does a long one that several languages share. A letter of one language alone among those here tells
# all; "ß" and "ñ" are in names that other languages take as they are.
_ENOUGH = 2
_LONG = 5  # letters
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
        "Ukrainian": "єіїґ",
    }.items()
    for letter in letters
}
# The last character of each script, in the order of Unicode, and its languages.
_SCRIPTS: list[tuple[int, tuple[str, ...]]] = [
    (0x1B0, ("Vietnamese",)),
    (0x58F, ("Armenian",)),
    (0x5FF, ("Hebrew",)),
    (0x6FF, ("Arabic", "Persian")),
    (0x8FF, ()),
    (0x97F, ("Hindi", "Marathi")),
    (0x9FF, ("Bengali",)),
    (0xB7F, ()),
    (0xBFF, ("Tamil",)),
    (0xDFF, ()),
    (0xE7F, ("Thai",)),
    (0x109F, ()),
    (0x10FF, ("Georgian",)),
    (0x11FF, ("Korean",)),
    (0x1E9F, ()),
    (0x1EFF, ("Vietnamese",)),
]
_ENDS = [end for end, _ in _SCRIPTS]
# The first letter of a script that is not European, or one that only Vietnamese has.
_OTHER = regex.compile(r"[ơưẠ-ỹ]|[\p{L}--[\p{Latin}\p{Cyrillic}\p{Greek}\p{Common}]]", regex.IGNORECASE | regex.V1)
_KANA, _HANGUL = regex.compile(r"[\p{Hiragana}\p{Katakana}]"), regex.compile(r"\p{Hangul}")


class _Sign(NamedTuple):
    """What a word tells, and of which languages."""

    tells: int
    names: tuple[str, ...]


def _signs() -> dict[str, _Sign]:
    found: dict[str, list[str]] = {}
    for name, entry in _BY_WORDS.items():
        pronouns = [word for word in entry.near.split() if not word.isascii()]  # the others are words of many languages
        for word in {*entry.common.split(), *entry.opens.split(), *entry.shows.split(), *pronouns}:
            found.setdefault(word, []).append(name)
    return {
        word: _Sign(1 if word.isascii() and (len(word) < _LONG or len(names) > 1) else _ENOUGH, tuple(names))
        for word, names in found.items()
    }


_SIGNS = _signs()


def languages_of(words: list[str]) -> list[str]:
    """The language that the words of a sentence tell, or those that it may be in; none where it is English or too
    little tells."""
    told: Counter[str] = Counter()
    for word in words:
        if sign := _SIGNS.get(word):
            for name in sign.names:
                told[name] += sign.tells
    for letter in _LETTERS.keys() & set("".join(words)):
        told[_LETTERS[letter]] += _ENOUGH
    most = max(told.values(), default=0)
    if most < _ENOUGH or told[_ENGLISH] == most:
        return []
    return [name for name, each in told.items() if each == most]


def languages_of_script(sentence: str, words: list[str]) -> list[str]:
    """The languages of Asia that a sentence may be in by its letters. One that names its common words has one of them
    in its sentences: Marathi is in the letters of Hindi.

    Args:
        words: of the sentence.
    """
    other = None if sentence.isascii() else _OTHER.search(sentence)
    if other is None:
        return []
    code = ord(other[0])
    names = _SCRIPTS[bisect_left(_ENDS, code)][1] if code <= _ENDS[-1] else (_east_asian(sentence),)
    return [
        name
        for name in names
        if not LANGUAGES[name].common or not set(words).isdisjoint(LANGUAGES[name].common.split())
    ]


def _east_asian(sentence: str) -> str:
    if _HANGUL.search(sentence):
        return "Korean"
    return "Japanese" if _KANA.search(sentence) else "Chinese"
