"""Text as words: what is compared, counted and asked."""

from __future__ import annotations

import re
import unicodedata

# Kana, Han and Hangul are written without blanks between words: each character counts as one.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")
_UNSPACED_OR_MARK = re.compile(rf"[{_UNSPACED}\u3001-\u3011\uff01-\uff5e]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u06ff]+")
_FINAL = "ةىךםןףץ"
_BACKWARDS_SHARE = 0.01
# "1.2 ", "B.1 ", "4. ", "4 ", "B. ", "Appendix B "; but not the first word of "C entry points"
_NUMBERING = re.compile(r"^(?:[Aa]ppendix [A-Z][.:]?|(?:[A-Z]|\d+)(?:\.\d+)+\.?|\d+\.?|[A-Z]\.)\s+")
# Left by pdfium where a word was hyphenated at a line's end.
_HYPHENATED = re.compile("[\x02\ufffe]")


def clean(text: str) -> str:
    """A text layer with one LF between lines that hold something, words hyphenated over two lines made whole, and with
    ligatures and typographic quotes spelt out."""
    text = unicodedata.normalize("NFKC", _HYPHENATED.sub("", text).replace("\r\n", "\n"))
    text = text.translate(str.maketrans("‘’“”−", "''\"\"-"))
    return "\n".join(line for line in (re.sub(r"[^\S\n]+", " ", line).strip() for line in text.split("\n")) if line)


def words_of(text: str) -> list[str]:
    """The words of `text` in lower case, without punctuation; a character of an unspaced script is a word."""
    return _WORD.findall(text.lower())


def as_words(text: str) -> str:
    """The words with one blank between them and at both ends: `as_words(a) in as_words(b)` asks whether b holds the
    words of a in their order, and no part of a word passes for one."""
    return f" {' '.join(words_of(text))} "


def is_unspaced(character: str) -> bool:
    """Whether a character belongs to a script that is written without blanks between words, or to its punctuation."""
    return bool(_UNSPACED_OR_MARK.match(character))


def tokens_of(text: str) -> list[str]:
    """What blanks divide, and each character of an unspaced script by itself."""
    return _TOKEN.findall(text)


def reads_backwards(text: str) -> bool:
    """Whether the letters of Arabic or Hebrew words stand in reverse, as in the text layers that some programs write:
    words then begin with letters that only end words."""
    words = _RIGHT_TO_LEFT.findall(text)
    return sum(word[0] in _FINAL for word in words) > _BACKWARDS_SHARE * len(words)


def without_numbering(heading: str) -> str:
    """`4.2 Quoting` -> `Quoting`."""
    return _NUMBERING.sub("", heading)
