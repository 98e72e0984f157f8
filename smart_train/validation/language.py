"""Which languages queries are written in: an estimate from scripts and common words, without a model or a word list to
download. Meant to show that a tenth of a data set is in another language, not to label one query."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable

from smart_train.pairs.words import words_of

UNDECIDED = "undecided in Latin script"
# Words that are frequent in one language and are none, or rare, in the others here.
_COMMON = {
    "English": "the of and to in is for with on what how does are which from by when can be use a",
    "German": "der die das und ist für mit von den dem ein eine wie wird werden auf nicht",
    "French": "le les des et est pour dans une du que quel quelle sont avec sur aux au",
    "Spanish": "el los las del y es para con una por qué cómo cuál se al más",
    "Italian": "il gli di che è della nel sono dei quale più alla degli",
    "Portuguese": "os da dos em uma não qual são ao pelo você mais",
    "Dutch": "het een van en is voor met wat hoe niet zijn op aan welke wordt",
    "Polish": "jest się nie jak że dla przez oraz są który na",
}
_WORDS = {name: frozenset(words.split()) for name, words in _COMMON.items()}
# The first word of a character's Unicode name -> the language that is reported.
_SCRIPTS = {
    "CJK": "Chinese",
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "HANGUL": "Korean",
    "CYRILLIC": "Cyrillic script",
    "GREEK": "Greek",
    "ARABIC": "Arabic script",
    "HEBREW": "Hebrew",
    "DEVANAGARI": "Devanagari script",
    "THAI": "Thai",
    "LATIN": "Latin",
}


def language_of(text: str) -> str:
    """What `text` is probably written in; "no letters" for numbers and signs alone."""
    scripts = Counter(_script(character) for character in text if character.isalpha())
    if not scripts:
        return "no letters"
    if scripts["Japanese"]:  # which writes most words with Chinese characters too
        return "Japanese"
    script = scripts.most_common(1)[0][0]
    return _latin(text) if script == "Latin" else script


def language_mix(texts: Iterable[str]) -> dict[str, int]:
    """Language -> how many of `texts`, the most frequent first."""
    return dict(Counter(language_of(text) for text in texts).most_common())


def _script(character: str) -> str:
    return _SCRIPTS.get(unicodedata.name(character, "").partition(" ")[0], "another script")


def _latin(text: str) -> str:
    """The language with most of its common words in `text`; undecided where none or two lead."""
    words = words_of(text)
    hits = sorted(
        ((sum(word in language_words for word in words), name) for name, language_words in _WORDS.items()), reverse=True
    )
    return hits[0][1] if hits[0][0] > hits[1][0] else UNDECIDED
