"""Whether a sentence is whole, about something that it names, and from running text.

Every sign that it may be a cell, a note, an item of a list or two columns read as one makes it worth less. None of them
is certain, so only sentences with several of them, or with a strong one, are not asked. How likely the others are worth
asking is told by other signs, see `chances`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import regex

from smart_train.pairs.doubts import (
    holds_symbols,
    is_badly_read,
    is_cut_row,
    is_formality,
    is_noun_with_clause,
    is_outline,
)
from smart_train.pairs.words import is_alphabetic, is_unspaced, words_of

DOUBTFUL = 0.35  # a sentence that is worth less is not asked
_SHORT = 10  # words; of shorter ones, twice as many are fragments
_RUN = 5  # words that a sentence hardly says twice
_DOUBLED = 2.0  # characters of a script without blanks that say as much as a word
# What a sign leaves of a sentence's worth.
_ALONE_AND_SHORT, _ALONE, _IS_SHORT, _LATER, _UNNAMED, _LABELLED, _NUMBERS = 0.45, 0.8, 0.8, 0.9, 0.85, 0.7, 0.6
_WITHOUT_VERB, _MIXED, _REPEATING, _REPEATING_A_WORD = 0.55, 0.3, 0.25, 0.6
_OUTLINE, _SYMBOLS, _ROW = 0.4, 0.55, 0.3
_PARTICIPLE, _WITH_CODE, _NOTE, _ON_MIXED_PAGE, _OVER_A_BLANK = 0.5, 0.4, 0.3, 0.3, 0.3
_MIXED_LEAST, _MIXED_SHARE = 6, 0.2  # of the sentences of a page
_NUMBERS_SHARE = 0.2  # of a sentence's words
_CAPITALS_SHARE = 0.25  # of a page's words inside sentences: above it, as in German, capitals say nothing
_LETTERS = regex.compile(r"\p{L}[\p{L}\p{M}'-]*")
_CAPITAL = regex.compile(r"(?<=[\p{Ll}\p{N},)] )\p{Lu}\p{Ll}[\p{L}\p{M}'-]*")  # not after a stop, a colon or a bracket
_CAPITAL_ALONE = regex.compile(
    r"(?<=(?<!\S)[\p{Ll}\p{N}]\S* )\p{Lu}\p{Ll}[\p{L}\p{M}'-]*+(?! \p{Lu})"
)  # not of a longer name
_SMALL_BEGINNING = regex.compile(
    r"(?<!\b(?:etc|usw|vgl|figs?|bzw|inc|abs|resp|approx|vs|al|no|ca|art|núm|см|рис|табл|гл))(?<=\p{L}{3})[.?] "
    r"(?=\p{Ll}{2})"
)
_LARGE_BEGINNING = regex.compile(r"(?<=\p{L}{2})[.?] (?=\p{Lu})")
_NAME = regex.compile(r"(?<=\S )\p{Lu}\p{L}+|\p{N}|\b\p{Lu}{2,}")
_CASED = regex.compile(r"\p{Ll}")
_LABEL = regex.compile(r"(?:\S+ ){0,3}\S+: ")
_CODE = regex.compile(r"</?[\p{L}!?]|[{}\\]|\w[=_]\w|==|\w\(\w*\)")
_TWICE = regex.compile(r"\b([\p{L}\p{N}]{2,}(?: [\p{L}\p{N}]+)?) \1\b(?! \1)", regex.IGNORECASE)
_SAID_TWICE = frozenset(["das", "der", "die", "had", "is", "lui", "nous", "que", "si", "sie", "that", "vous"])
_WITHOUT_SUBJECT = regex.compile(
    r"\p{Lu}\p{Ll}+(?:ed|en) (?:as|at|by|for|from|in|into|on|only|to|under|with)\b(?!.*, )"
)
# Verb forms that few sentences of running text do without, told by the little words beside them which language it is.
_FINITE = {
    "the of and to in a for": (
        "is are was were has have had can could may might must shall should will would do does did be been cannot "
        "allow allows appear appears became become becomes began begins came come comes consist consists contain "
        "contains creates depend depends describes fell gave get gets give gives go goes grew held helps include "
        "includes keep keeps kept leads led let lets lies lost make makes mean means need needs occur "
        "occurs offers prevents provide provides reads refers remain remains represents require requires returns "
        "rose runs said says seem seems shows specifies starts supports takes took tells uses want wants went works "
        "wrote"
    ),
    "der die und das den des": (
        "ist sind war waren wird werden wurde wurden hat haben hatte kann können konnte muss müssen soll sollen darf "
        "dürfen sollte könnte würde gibt bedeutet benötigt besteht bietet braucht enthält erhält erlaubt ermöglicht "
        "folgt führt geht gilt gelten heißt kommt lässt lassen liegt macht nimmt nutzt steht verwendet zeigt"
    ),
    "le la les des et du": (
        "est sont était étaient a ont avait peut peuvent doit doivent sera seront fut furent faut permet permettent "
        "fait va comprend concerne contient contiennent devient donne existe indique montre offre prend représente "
        "reste suit utilise vient"
    ),
    "el los las del y con": (
        "es son era eran está están fue fueron ha han había puede pueden debe deben será serán tiene tienen hay "
        "permite se contiene contienen da existe existen hace incluye indica muestra necesita ofrece queda "
        "representa requiere sirve usa utiliza va"
    ),
    "il gli della delle e nel": (
        "è sono era erano ha hanno aveva può possono deve devono sarà saranno viene vengono fu furono permette si "
        "contiene esiste fa include indica mostra offre rappresenta resta richiede serve utilizza va"
    ),
    "het een van en voor": (
        "is zijn was waren heeft hebben had kan kunnen moet moeten wordt worden werd werden zal bevat biedt gaat "
        "geeft gebruikt komt maakt staat"
    ),
}
_LANGUAGES = tuple((frozenset(little.split()), frozenset(verbs.split())) for little, verbs in _FINITE.items())
_ENOUGH_LITTLE = 2  # little words that tell a language


@dataclass(frozen=True)
class Told:
    """A sentence and where it stands.

    Attributes:
        text: without its full stop.
        first: whether a paragraph begins with it. alone: whether it is all of its paragraph.
        note: whether its paragraph is a note to a table or a source.
        bare: whether its subject is an article and a noun, so that a heading has to say of what: "The rating is".
        printed: as it stands on the page, with its full stop and with what only links it or points elsewhere, which
            `text` lacks; empty: as `text`.
    """

    text: str
    first: bool = True
    alone: bool = False
    note: bool = False
    bare: bool = False
    printed: str = ""


@dataclass(frozen=True)
class Signs:
    """What a page's text says about how it was read.

    Attributes:
        cases: how often each word stands with a capital inside a sentence, and in lower case; under "" how many words
            were looked at.
        mixed: whether sentences often begin in lower case, as where columns were read as one, and in glossaries; or
            words hold marks.
        capitals_name: whether words with a capital are names; in German they are nouns.
        apart: pairs of words between which the paper is blank.
    """

    cases: Counter[str]
    mixed: bool
    capitals_name: bool = True
    apart: frozenset[str] = frozenset()

    @classmethod
    def of(cls, prose: str, apart: frozenset[str] = frozenset()) -> Signs:
        capitals = Counter(match[0] for match in _CAPITAL.finditer(prose))
        cases = Counter(word for word in _LETTERS.findall(prose) if word[0].islower()) + capitals
        cases[""] = cases.total()
        small, large = (len(pattern.findall(prose)) for pattern in (_SMALL_BEGINNING, _LARGE_BEGINNING))
        mixed = min(small, large) >= _MIXED_LEAST and small > _MIXED_SHARE * (small + large)
        mixed = mixed or is_badly_read(prose)
        return cls(cases, mixed, capitals.total() <= _CAPITALS_SHARE * cases[""], apart)


def wholeness(told: Told, signs: Signs) -> float:
    """1 for a sentence without a sign against it, else less."""
    text, words = told.text, words_of(told.text)
    unspaced = sum(is_unspaced(word[0]) for word in words) > len(words) / 2
    short = len(words) / (_DOUBLED if unspaced else 1) < _SHORT
    worth = (1.0 if told.first else _LATER) * (_ON_MIXED_PAGE if signs.mixed else 1.0)
    standing = (_ALONE_AND_SHORT if short else _ALONE) if told.alone else _IS_SHORT if short else 1.0
    # An instruction is short and has an imperative, which is in no list: the two signs are one.
    without_verb = not unspaced and (lacks_verb(words) or is_noun_with_clause(text) or _is_row(text, words))
    worth *= min(standing, _WITHOUT_VERB if without_verb else 1.0)
    worth *= _ROW if without_verb and is_cut_row(text) else 1.0
    worth *= (_OUTLINE if is_outline(text) else 1.0) * (_SYMBOLS if holds_symbols(text) else 1.0)
    if not unspaced:
        # Scripts without capitals do not show a name.
        worth *= 1.0 if _NAME.search(text) or not _CASED.search(text) else _UNNAMED
        worth *= _PARTICIPLE if _WITHOUT_SUBJECT.match(text) else 1.0
        worth *= _MIXED ** _out_of_place(text, signs)
    if _LABEL.match(text):
        worth *= _LABELLED
    if told.note or is_formality(text):
        worth *= _NOTE
    if _CODE.search(text):
        worth *= _WITH_CODE
    if holds_apart(text, signs.apart):
        worth *= _OVER_A_BLANK
    if sum(not is_alphabetic(word) for word in words) > _NUMBERS_SHARE * len(words):
        worth *= _NUMBERS
    again = repeats(text) or says_again(text, _RUN)
    return worth * (_REPEATING if again else _REPEATING_A_WORD if _repeats_a_word(text) else 1.0)


def holds_apart(text: str, apart: frozenset[str]) -> bool:
    """Whether a text goes over a blank on the paper, as cells and columns do that were read as one line."""
    words = words_of(text) if apart else []
    return any(
        # Without blanks between words, only the blank itself tells the pair from the same characters in a row.
        pair in text or not any(map(is_unspaced, pair))
        for length, pairs in _by_length(apart).items()
        for place in range(len(words) - length + 1)
        for pair in pairs.get(tuple(words[place : place + length]), ())
    )


@lru_cache(maxsize=2)  # each text of a page is compared with the same pairs, of which it may have thousands
def _by_length(apart: frozenset[str]) -> dict[int, dict[tuple[str, ...], list[str]]]:
    """Pairs by their words, and these by their number."""
    pairs: dict[int, dict[tuple[str, ...], list[str]]] = {}
    for pair in sorted(apart):
        if words := words_of(pair):
            pairs.setdefault(len(words), {}).setdefault(tuple(words), []).append(pair)
    return pairs


def repeats(text: str) -> bool:
    """Whether two words or a number stand twice in a row, as where two columns or cells were read as one."""
    return any(" " in match[1] or match[1].isdigit() for match in _TWICE.finditer(text))


def says_again(text: str, run: int = 3) -> bool:
    """Whether so many words in a row come a second time, as where two cells were read as one line."""
    words = words_of(text)
    if any(is_unspaced(word[0]) for word in words):
        return False
    runs = [tuple(words[place : place + run]) for place in range(len(words) - run + 1)]
    return len(set(runs)) < len(runs)


def _repeats_a_word(text: str) -> bool:
    """The same of one word, which languages do on purpose, too: "zaman zaman", "piano piano"."""
    return any(match[1].lower() not in _SAID_TWICE for match in _TWICE.finditer(text))


def _out_of_place(text: str, signs: Signs) -> int:
    """How many words have a capital here that the page mostly writes small: what they begin is another column."""
    if not signs.capitals_name:
        return 0
    return sum(signs.cases[word.lower()] > signs.cases[word] for word in _CAPITAL_ALONE.findall(text))


def _is_row(text: str, words: list[str]) -> bool:
    """Whether a few words with a number at their end have none of the verbs of any language here."""
    return len(words) < _SHORT and is_cut_row(text) and not any(verbs & set(words) for _, verbs in _LANGUAGES)


def lacks_verb(words: list[str]) -> bool:
    """Whether none of the common verb forms of its language is among the words; False where that is not known."""
    said = frozenset(words)
    little, verbs = max(_LANGUAGES, key=lambda language: len(language[0] & said))
    return len(little & said) >= _ENOUGH_LITTLE and not verbs & said
