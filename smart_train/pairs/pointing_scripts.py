"""Whether a sentence in a language of Asia, in Arabic, Hebrew or Swahili points out of itself. Its letters say which
languages it may be in, so that a sentence is looked up in few of them."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left

import regex

from smart_train.pairs import pointing_asian as asian
from smart_train.pairs.words import is_unspaced, words_of

_NEAR_THE_BEGINNING = 5  # words in which a pronoun speaks of the sentence before
_FIRST_WORDS = 7  # words in which "also" does
_FIRST_CHARACTERS = 20  # the same in a script without blanks


class _Compiled:
    """A language's classes, ready to be looked up."""

    def __init__(self, pointing: asian.Pointing) -> None:
        # A page's text is composed, which some letters of Bengali and Hindi never are.
        words, pattern = _words, _pattern
        self.opening, self.opens = words(pointing.opening), pattern(pointing.opening_phrases)
        self.anywhere, self.points = words(pointing.anywhere), pattern(pointing.anywhere_phrases)
        self.pronouns, self.sign = words(pointing.pronouns), words(pointing.sign)
        self.again, self.told = words(pointing.again), pattern(pointing.again_phrases)


def _words(text: str) -> frozenset[str]:
    return frozenset(unicodedata.normalize("NFC", text).split())


def _pattern(phrases: str) -> regex.Pattern[str] | None:
    return regex.compile(unicodedata.normalize("NFC", phrases), regex.IGNORECASE) if phrases else None


def _compiled(*languages: asian.Pointing) -> tuple[_Compiled, ...]:
    return tuple(map(_Compiled, languages))


_LATIN = _compiled(asian.INDONESIAN, asian.SWAHILI)
_HAN, _KANA, _HANGUL = _compiled(asian.CHINESE), _compiled(asian.JAPANESE), _compiled(asian.KOREAN)
# The last character of each script, in the order of Unicode.
_SCRIPTS = [
    (0x1B0, _compiled(asian.VIETNAMESE)),
    (0x58F, _compiled(asian.ARMENIAN)),
    (0x5FF, _compiled(asian.HEBREW)),
    (0x6FF, _compiled(asian.ARABIC, asian.PERSIAN)),
    (0x8FF, ()),
    (0x97F, _compiled(asian.HINDI, asian.MARATHI)),
    (0x9FF, _compiled(asian.BENGALI)),
    (0xB7F, ()),
    (0xBFF, _compiled(asian.TAMIL)),
    (0xDFF, ()),
    (0xE7F, _compiled(asian.THAI)),
    (0x109F, ()),
    (0x10FF, _compiled(asian.GEORGIAN)),
    (0x11FF, _HANGUL),
    (0x1E9F, ()),
    (0x1EFF, _compiled(asian.VIETNAMESE)),
]
_ENDS = [end for end, _ in _SCRIPTS]
# The first letter of a script that is not European, or one that only Vietnamese has.
_OTHER = regex.compile(r"[ơưẠ-ỹ]|[\p{L}--[\p{Latin}\p{Cyrillic}\p{Greek}\p{Common}]]", regex.IGNORECASE | regex.V1)
_KANA_LETTER, _HANGUL_LETTER = regex.compile(r"[\p{Hiragana}\p{Katakana}]"), regex.compile(r"\p{Hangul}")
_COMMA = regex.compile(r"[,、،]")


def points_out(words: list[str], sentence: str) -> bool:
    """Whether a sentence in one of these languages speaks of the one before, or of another place of its document.

    Args:
        words: of the sentence.
    """
    languages = _languages(words, sentence)
    if not languages or not words:
        return False
    end = _end_of_first_half(sentence)
    told = words if end == len(sentence) else words_of(sentence[:end])
    for language in languages:
        points = language.points.search(sentence) if language.points else None
        if (
            words[0] in language.opening
            or not language.pronouns.isdisjoint(words[:_NEAR_THE_BEGINNING])
            or not language.anywhere.isdisjoint(told)
            or (language.opens is not None and language.opens.match(sentence) is not None)
            or (points is not None and points.start() < end)
        ):
            return True
    return False


def says_again(words: list[str], sentence: str) -> bool:
    """Whether a sentence in one of these languages says near its beginning that something was said before: "also",
    "both"."""
    languages = _languages(words, sentence)
    if not languages or not words:
        return False
    unspaced = is_unspaced(sentence[len(sentence) // 2]) or is_unspaced(sentence[0])
    first = sentence[:_FIRST_CHARACTERS] if unspaced else " ".join(sentence.split()[:_FIRST_WORDS])
    return any(
        not language.again.isdisjoint(words[:_FIRST_WORDS])
        or (language.told is not None and language.told.search(first) is not None)
        for language in languages
    )


def _languages(words: list[str], sentence: str) -> list[_Compiled]:
    """The languages that a sentence may be in, by its letters and the signs among its words."""
    other = None if sentence.isascii() else _OTHER.search(sentence)
    return [
        language for language in _of_script(other, sentence) if not language.sign or not language.sign.isdisjoint(words)
    ]


def _of_script(other: regex.Match[str] | None, sentence: str) -> tuple[_Compiled, ...]:
    if other is None:
        return _LATIN
    code = ord(other[0])
    if code <= _ENDS[-1]:
        return _SCRIPTS[bisect_left(_ENDS, code)][1]
    if _HANGUL_LETTER.search(sentence):
        return _HANGUL
    return _KANA if _KANA_LETTER.search(sentence) else _HAN


def _end_of_first_half(sentence: str) -> int:
    """Where what follows a comma in the second half begins: that mostly points to what the first half names. No word is
    divided."""
    comma = _COMMA.search(sentence, len(sentence) // 3)
    if comma is None:
        return len(sentence)
    end = max(comma.start(), len(sentence) // 2)
    if is_unspaced(sentence[end - 1]):
        return end
    blank = sentence.find(" ", end)
    return len(sentence) if blank < 0 else blank
