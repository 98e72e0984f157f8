"""Headings and captions that are not whole: cells or columns read as one line, letters set apart, addresses and dates.

What stands beside a title on a document's first page is judged here too: authors, addresses, dates."""

from __future__ import annotations

import regex

from smart_train.pairs.form_text import is_field
from smart_train.pairs.wholeness import repeats, says_again
from smart_train.pairs.words import words_of

_WORD_LETTERS = 3  # of the longest word of a heading that says something
_UNCASED_LETTERS = 2  # of such a heading in a script without capitals
_UNCASED = regex.compile(r"\p{Lo}")
_SET_APART, _LEAST_PIECES = 0.8, 4  # share of pieces of one letter or two in a heading whose letters are set apart
_MOST_CHARACTERS = 240  # of a heading that is asked
# A number that a sentence goes on after; blanks before a comma, where a formula or a cell was; a mark of a note or an
# item in the middle; the second of two shares; a telephone number; an address.
_CELLS = regex.compile(
    r"^\d[\d.,]*\s?%|^\d+[.,]\d+,|\S ,(?:\s|$)|\S \.$|[=(\[]$|^[,;:)]|^\(.*\)$|[<>]=|\S\s?[*∗†‡]\s*[\p{L},]"
    r"|[|•▪■□☐●○‣]|%[^\d%]*\d[\d.,]*\s?%|\(?\+\d{1,3}[\s)(-]+\d|\S@\S|\bat \w+\.\w|https?:"
    r"|www\.|^\p{Han}{1,4}(?: \p{Han}{1,6})+(?:$|:)|\p{Lu}\p{Ll}+/ \p{Lu}|\b7→|↦|%\p{L}"
    r"|\b(\p{Lu}\p{Ll}{3,}) \1 \p{Lu}\p{Ll}+ \p{Lu}|(?:\S·\S.*){3}"
    r"|\d{3} \d{3}$|\b[Ss]ee (?:also|pages?|sections?|instructions)\b"
)
# Two headings of numbered parts, which stand side by side: "Part XI Assets Part XII Reporting".
_TWO_PARTS = regex.compile(
    r"^(Part|Section|Step|Chapter|Teil|Abschnitt|Kapitel|Schritt|Partie|Chapitre|Étape|Parte|Sección|Capítulo|Paso|Sezione"
    r"|Capitolo|Часть|Раздел|Глава|Шаг) [IVXLC\d]+[A-Z]?\b.{3,}"
    r"(?<!\b(?:a|and|de|in|of|to|und|y|zu|et|и|с|к))\s\1 [IVXLC\d]+\b"
)
# Possessive, because "A. B. C. and others" can be divided in many ways, all of which would be tried.
# It goes on: a comma, or a word that needs the next one; two sentences, or the end of one and a name; two slogans.
_GOES_ON = regex.compile(
    r"[,;–—-]$|(?i:\b(?:and|by|from|of|or|the|to|with|und|oder|der|die|das|von|mit|et|ou|de|des|du|la|le|les|par|pour|avec"
    r"|y|o|el|los|las|con|por|para|e|il|gli|di|del|della|per|da|do|dos|com|и|или|для|van|het|met|een|och|av|med|för|ja"
    r"|oraz|dla|ve|ile|és))$"
    r"|^\p{Ll}[\p{L}\p{M}\s,'’-]*\. \p{Lu}|\b(\p{Lu}\p{Ll}+) (?:\p{Ll}+ ){1,5}\1 \p{Ll}"
)
# No language with capitals begins a heading with a small letter; names in programs have other signs or are alone.
_SMALL = regex.compile(r"\p{Ll}[\p{Ll}'’-]* ")
_NAME = r"\p{Lu}[\p{L}\p{M}.'’-]*+[^\p{L}\p{M}\s]*+"
_NAMES = regex.compile(
    rf"{_NAME}(?:\s++(?:[^\p{{L}}\p{{M}}\s]++\s++)?(?:(?:and|und|et|y|e|и|de|van|von)\s++)?{_NAME})+\s*"
)
# The letters after an author's name that stand for where they work: "Ann Lee a,b,c, Bob Ray d".
_AFFILIATION = regex.compile(r"(?<=\p{Ll})\s[a-z](?:,\s?[a-z])*(?=,|$)")
# What tells names from a title: initials, and what stands between several.
_OF_NAMES = regex.compile(r"\b(?:Dr|Prof|Mr|Mrs|Ms|Dipl)\b|\b\p{Lu}\.|,|\s(?:and|und|et|y|e|и)\s|\p{L}\d|[*†‡]")
# A date, and a postal code or a telephone number; but a year alone may be a title's.
_DATE_OR_PLACE = regex.compile(
    r"\d[./-]\d{1,2}[./-]\d{2}|\d{1,2}(?:st|nd|rd|th|[.º])? (?:de )?\p{L}{3,}\.?,? (?:de )?(?:19|20)\d\d"
    r"|^\p{L}{3,}\.? (?:19|20)\d\d(?:\W|$)"
    r"|\p{L}{3,}\.? \d{1,2}(?:st|nd|rd|th)?, (?:19|20)\d\d|\d{5}|\d{3}[ -]\d{3}|年\s?\d{1,2}\s?月"
)


# A sentence in large print, and the beginning of the next one; titles go on after "?", and after a name.
_CUT_AFTER_SENTENCE = regex.compile(r"^(?:\S+\s){3,}\S*\p{Ll}{4}\.\s\p{Lu}.*[^.!?]$")


def is_broken(head: str) -> bool:
    """Whether a heading is cells put together, a field of a form, an address, or holds no word; a longer text is not
    one."""
    if len(head) > _MOST_CHARACTERS:
        return True
    words = words_of(head)
    letters = [sum(character.isalpha() for character in word) for word in words]
    if _UNCASED.search(head):  # a word may be two characters, as in Chinese, Korean and Hindi
        if sum(letters) < _UNCASED_LETTERS:
            return True
    else:
        short = sum(number < _WORD_LETTERS for number in letters)
        apart = len(words) >= _LEAST_PIECES and short > _SET_APART * len(words)
        if apart or max(letters, default=0) < _WORD_LETTERS:
            return True
    if is_field(head) or _TWO_PARTS.search(head):
        return True
    if _CELLS.search(head) or _GOES_ON.search(head) or _CUT_AFTER_SENTENCE.search(head):
        return True
    return repeats(head) or says_again(head)


def begins_small(head: str) -> bool:
    """Whether a heading begins with a common word in small letters: it is the rest of a line, or part of one."""
    return _SMALL.match(head) is not None


def is_beside_title(head: str) -> bool:
    """Whether a heading of a first page is its authors, their address or a date."""
    if len(head) > _MOST_CHARACTERS:
        return False
    head = _AFFILIATION.sub("", head)
    names = _NAMES.fullmatch(head.strip()) is not None and _OF_NAMES.search(head) is not None
    return names or _DATE_OR_PLACE.search(head) is not None
