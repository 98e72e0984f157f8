"""Words of a text layer that a hyphen at the end of a line divided, made whole."""

from __future__ import annotations

import re

import regex

HYPHENS = "\x02\ufffe"  # left by pdfium where a hyphen ends a line
# From the beginning of a word, or from where the last match ended: else each letter of a long word would be tried.
_HYPHENATED = regex.compile(rf"(?:(?<!\S)|\G)(\S*)[{HYPHENS}]\s*([\p{{L}}\p{{N}}_]*)")
# Words before which a hyphen stands for what follows: "Vor- und Nachteile".
SUSPENDING = frozenset(
    ("and", "bis", "bzw", "e", "ed", "eller", "en", "et", "i", "ja", "och", "oder", "of", "og", "or", "ou", "sowie")
    + ("to", "und", "y", "и", "или")
)
# Between other words of a compound: "state-of-", "day-to-", "mother-in-". Others may be syllables: "non-in-vasive".
_INSIDE = re.compile(r"(?i)\w-(?:of|the|by|and|to|à|(?<=father-|mother-|sister-)in|(?<=brother-)in|(?<=daughter-)in)$")
_PREFIX = re.compile(r"(?i)\b(?:anti|bio|co|multi|non|over|post|pre|re|semi|sub|un)-\w+$")  # "non-of-ficial"
_ORDINAL = re.compile(r"(?i)\d+(?:st|nd|rd|th)?")


def whole_words(raw: str) -> str:
    """A line of a text layer without pdfium's marks of hyphens at the ends of printed lines: the words whole, with the
    hyphen where it is a part of the word."""
    return _HYPHENATED.sub(_rejoined, raw)


def _rejoined(match: regex.Match[str]) -> str:
    before, after = match.groups()
    if after.lower() in SUSPENDING:
        return f"{before}- {after}"
    # "Debian-System", "WLAN-5", "PDF-file", "4th-grade": there the hyphen is a part of the word.
    letters = re.split(r"\W", before)[-1]
    acronym = len(letters) > 1 and letters.isupper()
    number = _ORDINAL.fullmatch(letters) or letters[-1:].isdigit() or after[:1].isdigit()
    inside = _INSIDE.search(before) and not _PREFIX.search(before)
    keeps = after[:1].isupper() or number or acronym or inside
    return f"{before}{'-' if keeps else ''}{after}"
