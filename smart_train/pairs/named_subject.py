"""Whether a sentence says itself what it is about, or only together with the heading that it stands under.

Closed classes of words and the capitals of names tell it, so a sentence in a script without capitals, or in German,
where every noun has one, counts as named only by letters of another script, by an acronym or by a name with digits."""

from __future__ import annotations

from collections import Counter

import regex

from smart_train.pairs.pointing import presupposes
from smart_train.pairs.words import is_unspaced, words_of

_SUBJECT = 9  # words from the beginning in which what a sentence is about is named
_SUBJECT_UNSPACED = 20  # characters
_FIRST_WORDS = 7  # in which "also" speaks of the sentence before
# What has a sign that no ordinary word has, in any language: an acronym, letters with digits, a name in a program.
_SIGN = regex.compile(
    r"\b(?:\p{Lu}{2,}|\p{Lu}[\p{Ll}\d]*\p{Ll}\p{Lu}|\p{L}+[-.]?\d|\p{L}+_\p{L}|\p{L}+\.\p{L}+\.)|(?<!\S)--?\p{Ll}{2,}"
)
_NAME = regex.compile(r"(?<=[^\s.!?:•] )[\"'(«„“]*\p{Lu}[\p{L}\p{M}'’-]+")
_FOREIGN = regex.compile(r"[A-Za-z][A-Za-z.+-]+")
_FIRST = regex.compile(r"[\p{L}\p{M}'-]+")
# Words that say that something was said before; near the beginning of a sentence, whatever its subject is.
_AGAIN_WORDS = {
    "English": (
        "accordingly again also analogously conversely equally further hence instead likewise nevertheless otherwise "
        "similarly still then therefore thus too"
    ),
    "German": (
        "also auch dagegen daher damit dann demnach deshalb ebenfalls ebenso gleichfalls hingegen nun stattdessen "
        "wiederum"
    ),
    "French": "alors aussi donc également ensuite",
    "Spanish": "además asimismo entonces luego también",
    "Italian": "anche dunque inoltre quindi",
    "Portuguese": "assim então também",
    "Dutch": "dus hierdoor ook",
    "Polish": "także też również więc",
    "Russian": "затем поэтому также тоже тогда",
    "Korean": "또한 역시",
}
_AGAIN = frozenset(" ".join(_AGAIN_WORDS.values()).split())
# What follows a condition or an "and" of the same sentence: "If the pump stops then the lamp lights".
_THEN = frozenset(["then", "dann", "alors", "entonces", "então", "тогда"])
_CONDITION_WORDS = {  # "se" is one at the beginning of a Portuguese sentence only, see `_follows`
    "English": "after if once unless when whenever",
    "German": "falls nachdem sobald wenn",
    "French": "lorsque quand si",
    "Spanish": "si cuando",
    "Italian": "quando",
    "Portuguese": "quando",
    "Russian": "если когда",
}
_CONDITION = frozenset(" ".join(_CONDITION_WORDS.values()).split())
_AND = frozenset(["and", "und", "et", "y", "e", "и"])
_AGAIN_UNSPACED = regex.compile(r"(?:同じ|同様|それぞれ|也|还|還|同样|同樣|则|前者|后者|後者|两者|兩者|両方)")
# One of several that were told, the same thing again, what a table shows; anywhere.
_TOLD_BEFORE_BY_LANGUAGE = {
    "English": (
        r"\bthe (?:same|others?|latter|former|remaining|respective|resulting|corresponding|following|preceding"
        r"|above|(?:other |remaining )?(?:two|three|four)"
        r"|(?:first|second|third|last) (?:one|two|three|value|case|column|row))\b"
        r"|\b(?:shown|listed|given|described|mentioned|discussed)(?=[,;:]|$)|\bany such\b|\bsuch an?\b"
        r"|\bthe (?:results?|values?|output|command|answer|list|range|following)(?: (?:is|are|was|were|of|in)\b|[,;]|$)"
        r"|\bthat (?:amount|row|column|value|line|case|country|file|period|point|state|time|process|way|year)\b"
        r"|\bthe (?:current|present|proposed) (?:approach|method|system|work)\b|\bhere(?=[,;.]|$)|\bas a result$"
        r"|\b(?:line|column|box|item|part)s? (?:\d|\(\p{L}\d?\))"
    ),
    "German": (
        r"\b(?:das|die|dem|der) (?:vorgeschlagene|vorgestellte)n? \p{Lu}|\b(?:erstere|letztere)[rnms]?\b"
        r"|\bhier(?=[,;.]|$)|\binfolgedessen$"
        r"|\b(?:der|die|das|den|dem|des)"
        r" (?:beiden|gleichen?|selben|übrigen|anderen|obigen|folgenden|genannten|entsprechenden)\b"
        r"|\b(?:der|die|das|dem|den)selben?\b|\bsolch\w*\b|\b(?:zeile|spalte|feld) \d"
    ),
    "French": (
        r"\b(?:la méthode|l'approche) (?:actuelle|proposée)\b|\bcelui-(?:ci|là)\b|\bcelles?-(?:ci|là)\b"
        r"|\bceux-(?:ci|là)\b|\bici(?=[,;.]|$)|\ben conséquence$"
        r"|\b(?:les|ces|aux|des) (?:deux|trois|autres|mêmes)\b|\b(?:le|la) même\b|\b(?:ligne|colonne|case) \d"
        r"|\bles? suivante?s?\b|\bsuivante?s :"
    ),
    "Spanish": (
        r"\bel método (?:actual|propuesto)\b|\baquí(?=[,;.]|$)|\bcomo resultado$"
        r"|\bl[aeo]s? siguientes?\b|\b(?:los|las) (?:dos|tres|demás|otros|otras|mismos|mismas)\b"
        r"|\b(?:el|la) mism[oa]\b|\bdich[oa]s?\b"
    ),
    "Portuguese": (r"\b(?:os|as) seguintes?\b|\b(?:os|as) (?:dois|duas|outros|outras|mesmos)\b|\b(?:o|a) mesm[oa]\b"),
    "Italian": (
        r"\b(?:l[eao]|i|gli) seguent[ei]\b|\bdi conseguenza$|\b(?:i|gli|le) (?:due|tre|altri|altre)\b"
        r"|\b(?:lo stesso|la stessa)\b|\btal[ei]\b"
    ),
    "Dutch": r"\b(?:dezelfde|hetzelfde|de andere|deze|zulke)\b",
    "Russian": (
        r"\bпредлагаем\p{L}+ (?:метод|подход)|\bпервы[йех]\p{L}* .*, а (?:второ|последн)\p{L}+|\bздесь(?=[,;.]|$)"
        r"|\b(?:тот|та|те|то|того|той|тех|том) же\b|\bоб[ае]\b"
        r"|\b(?:остальн|указанн|данн|соответствующ|аналогичн|схож)\p{L}+\b"
    ),
    "Chinese": "前者|后者|後者",
    "Japanese": "現在の(?:手法|方法)|提案手法|前者|後者",
    "Korean": r"\b(?:같은|위의|아래의|나머지)\b",
}
_TOLD_BEFORE = regex.compile("|".join(_TOLD_BEFORE_BY_LANGUAGE.values()), regex.IGNORECASE)


def is_named(sentence: str, cases: Counter[str], *, capitals_name: bool) -> bool:
    """Whether a name is near the beginning of a sentence: what it is about can be told without its heading.

    Args:
        cases: how often each word of its page stands with a capital inside a sentence, and in lower case.
        capitals_name: whether words with a capital are names, which in German they are not.
    """
    if is_unspaced(sentence[len(sentence) // 2]) or is_unspaced(sentence[0]):
        return _FOREIGN.search(sentence[:_SUBJECT_UNSPACED]) is not None
    beginning = " ".join(sentence.split()[:_SUBJECT])
    if _SIGN.search(beginning):
        return True
    first = _FIRST.match(beginning)
    named_first = first is not None and cases[first[0]] > cases[first[0].lower()]
    return capitals_name and (named_first or _NAME.search(beginning) is not None)


def refers_back(sentence: str) -> bool:
    """Whether a sentence says that something was said before: "also", "the same", "the two extremes", "line 36"."""
    if _TOLD_BEFORE.search(sentence):
        return True
    words = words_of(sentence)
    if presupposes(sentence, words):
        return True
    if sum(is_unspaced(word[0]) for word in words) > len(words) / 2:
        return _AGAIN_UNSPACED.search(sentence[:_SUBJECT_UNSPACED]) is not None
    return any(word in _AGAIN and not _follows(words, place) for place, word in enumerate(words[:_FIRST_WORDS]))


def _follows(words: list[str], place: int) -> bool:
    """Whether a "then" is after what its own sentence says before it."""
    before = words[:place]
    if words[place] == "então" and before[:1] == ["se"]:  # in Spanish, and further on, "se" is not a condition
        return True
    return words[place] in _THEN and not (_CONDITION.isdisjoint(before) and _AND.isdisjoint(before[1:]))
