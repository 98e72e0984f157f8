"""Whether a sentence points out of itself, by the closed classes of the languages that it may be in.

Where common words tell as much for two languages, a sentence points out when it does in both. Of the languages of a
script one is enough: they share few of these words.

English is not among them: its words count in a sentence of any language, and are in `smart_train.pairs.leaning`."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import regex

from smart_train.pairs.pointing.languages import LANGUAGES, languages_of, languages_of_script
from smart_train.pairs.words import is_unspaced, words_of

_NEAR_THE_BEGINNING = 5  # words in which a pronoun speaks of the sentence before
_FIRST_WORDS = 7  # words in which "also" does
_FIRST_CHARACTERS = 20  # the same in a script without blanks
_COMMA = regex.compile(r",(?=\s|\P{ASCII})|[、،]")


class _Patterns(NamedTuple):
    """The words and phrases of a language, compiled."""

    opens: frozenset[str]
    opens_with: regex.Pattern[str] | None
    shows: frozenset[str]
    shows_by: regex.Pattern[str] | None
    sends: regex.Pattern[str] | None
    near: frozenset[str]
    again: frozenset[str]
    told: regex.Pattern[str] | None
    printed: bool


class _Sentence:
    """A sentence, and what is compared with phrases and demonstratives."""

    def __init__(self, sentence: str, words: list[str]) -> None:
        self.printed, self.words, self.text = sentence, words, " ".join(words)
        self.end = end_of_showing(sentence)
        self.showing = words if self.end == len(sentence) else words_of(sentence[: self.end])

    def points_out(self, language: _Patterns) -> bool:
        text = self.printed if language.printed else self.text
        if (
            not language.near.isdisjoint(self.words[:_NEAR_THE_BEGINNING])
            or not language.shows.isdisjoint(self.showing)
            or (language.sends is not None and language.sends.search(text))
        ):
            return True
        return self._is_shown(language, text)

    def opens(self, language: _Patterns) -> bool:
        text = self.printed if language.printed else self.text
        opens_with = language.opens_with is not None and language.opens_with.match(text)
        return self.words[0] in language.opens or bool(opens_with)

    def _is_shown(self, language: _Patterns, text: str) -> bool:
        shown = language.shows_by.search(text) if language.shows_by else None
        return shown is not None and shown.start() < (self.end if language.printed else len(" ".join(self.showing)))


def points_out(sentence: str, words: list[str]) -> bool:
    """Whether a sentence speaks of what another one names, or of another place of its document.

    Args:
        words: of the sentence.
    """
    return _does(sentence, words, _Sentence.points_out)


def opens_with_link(sentence: str, words: list[str]) -> bool:
    """Whether a sentence opens with what ties it to the one before.

    Args:
        words: of the sentence.
    """
    return _does(sentence, words, _Sentence.opens)


def presupposes(sentence: str, words: list[str]) -> bool:
    """Whether a sentence says "also", "the same", "the other two": its heading may tell of what.

    Args:
        words: of the sentence.
    """
    by_script, by_words = languages_of_script(sentence, words), languages_of(words)
    if not words or not (by_script or by_words):
        return False
    unspaced = is_unspaced(sentence[len(sentence) // 2]) or is_unspaced(sentence[0])
    beginning = sentence[:_FIRST_CHARACTERS] if unspaced else " ".join(sentence.split()[:_FIRST_WORDS])
    text = " ".join(words)

    def does(language: _Patterns) -> bool:
        told = language.told.search(beginning if language.printed else text) if language.told else None
        return told is not None or not language.again.isdisjoint(words[:_FIRST_WORDS])

    return _told(by_script, by_words, does)


def end_of_showing(sentence: str) -> int:
    """Where demonstratives no longer point out of a sentence: one after a comma, in the second half, mostly points to
    what the first half names. No word is divided."""
    comma = _COMMA.search(sentence, len(sentence) // 3)
    if comma is None:
        return len(sentence)
    end = max(comma.start(), (len(sentence) + 1) // 2)
    if end == comma.start() or is_unspaced(sentence[end - 1]):
        return end
    blank = sentence.find(" ", end - 1)
    return len(sentence) if blank < 0 else blank


def _does(sentence: str, words: list[str], does: Callable[[_Sentence, _Patterns], bool]) -> bool:
    by_script, by_words = languages_of_script(sentence, words), languages_of(words)
    if not words or not (by_script or by_words):
        return False
    looked_at = _Sentence(sentence, words)
    return _told(by_script, by_words, lambda language: does(looked_at, language))


def _told(by_script: list[str], by_words: list[str], does: Callable[[_Patterns], bool]) -> bool:
    return any(does(_patterns(name)) for name in by_script) or (
        bool(by_words) and all(does(_patterns(name)) for name in by_words)
    )


@cache
def _patterns(name: str) -> _Patterns:
    entry = LANGUAGES[name]
    words = [_words(text) for text in (entry.opens, entry.shows, entry.near, entry.again)]
    opens_with, shows_by, sends, told = (
        _phrases(text, printed=entry.printed) for text in (entry.opens_with, entry.shows_by, entry.sends, entry.told)
    )
    return _Patterns(words[0], opens_with, words[1], shows_by, sends, words[2], words[3], told, entry.printed)


def _words(text: str) -> frozenset[str]:
    # A page's text is composed, which some letters of Bengali and Hindi never are.
    return frozenset(unicodedata.normalize("NFC", text).split())


def _phrases(text: str, *, printed: bool) -> regex.Pattern[str] | None:
    if not text:
        return None
    composed = unicodedata.normalize("NFC", text)
    return regex.compile(composed, regex.IGNORECASE) if printed else regex.compile(rf"\b(?:{composed})\b")
