"""Text as words: what is compared, counted and asked. Scripts are told apart by their Unicode properties."""

from __future__ import annotations

import unicodedata

import regex

# Written without blanks between words, each character with its marks says about as much as half a word or more ...
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\u30fc\p{Bopomofo}\p{Yi}"
# ... and in these scripts as much as a third of one.
_UNSPACED_SYLLABLES = r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
_SYLLABLES_PER_WORD = 3
# A letter with its marks and joiners. Vowel signs, tones and points are marks, which "\w" does not know.
_LETTERS = rf"(?:[\p{{L}}\p{{N}}--[{_UNSPACED}{_UNSPACED_SYLLABLES}]][\p{{M}}\u200c\u200d]*)+"
_WORD = regex.compile(
    rf"[[{_UNSPACED}]&&\p{{L}}]\p{{M}}*|[[{_UNSPACED_SYLLABLES}]&&[\p{{L}}\p{{N}}]]\p{{M}}*|{_LETTERS}", regex.V1
)
_SYLLABLE = regex.compile(rf"[{_UNSPACED_SYLLABLES}]", regex.V1)
_TOKEN = regex.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+", regex.V1)
_UNSPACED_OR_MARK = regex.compile(rf"[{_UNSPACED}{_UNSPACED_SYLLABLES}\u3001-\u3011\uff01-\uff5e]", regex.V1)
# Tibetan has a mark between syllables (tsheg), as others have hyphens between parts of words.
_ALPHABETIC = regex.compile(r"(?:\p{L}[\p{M}\u200c\u200d]*|[-\u0f0b])+")
_SMALL = regex.compile(r"[\p{Ll}--\p{Georgian}]", regex.V1)  # Georgian sentences and names begin with small letters
_RIGHT_TO_LEFT = regex.compile("[\u0590-\u06ff]+")
_FINAL = "ةىךםןףץ"
_BACKWARDS_SHARE = 0.01
# "1.2 ", "B.1 ", "4. ", "4 ", "B. ", "IV. ", "(3) ", "Appendix B ", "6、", "二、", "第一节 "; but not the first word of
# "C entry points", and no year.
_NUMBERING = regex.compile(
    r"^(?:(?:[Aa]ppendix [A-Z][.:]?|(?:[A-Z]|\d+)(?:\.\d+)+\.?|\d{1,3}[.)]?|[A-Z]\.|[IVX]+\.|\(\d+\))\s+"
    r"|(?:[一二三四五六七八九十]+|\d+)、\s*|[(（][一二三四五六七八九十]+[)）]\s*|第\s*[\d一二三四五六七八九十]+\s*[章节節部]\s+)"
)
# Their compatible forms are other characters: Thai, Lao, Armenian and single letters of Korean would be spelt otherwise
# than anyone types them, "10⁻³" would read "10-³", "m²" "m2" and "Windows™" "WindowsTM", and an accent without its
# letter would become a blank with an accent.
_AS_PRINTED = "\u0587\u0e33\u0eb3\u0edc\u0edd\u3131-\u318e¨¯´¸˘˙˚˛˜˝²³¹ªº™¼½¾\u2070-\u207f\u2080-\u208e\u2150-\u215e"
_COMPATIBLE = regex.compile(f"[^{_AS_PRINTED}]+")
_QUOTES = str.maketrans("‘’“”−", "''\"\"-")


def clean(text: str) -> str:
    """Lines of a text layer with one blank between words, ligatures and typographic quotes spelt out."""
    text = unicodedata.normalize("NFC", _COMPATIBLE.sub(_compatible, text)).translate(_QUOTES)
    return "\n".join(line for line in (" ".join(line.split()) for line in text.split("\n")) if line)


def _compatible(match: regex.Match[str]) -> str:
    return unicodedata.normalize("NFKC", match[0])


def words_of(text: str) -> list[str]:
    """The words of `text` in lower case, with their marks, without punctuation; a character of an unspaced script, with
    its marks, is a word."""
    return _WORD.findall(text.lower())


def length_in_words(text: str) -> int:
    """How many words are said: a syllable of an unspaced script is less than one."""
    words = words_of(text)
    syllables = sum(_SYLLABLE.match(word) is not None for word in words)
    return len(words) - syllables + syllables // _SYLLABLES_PER_WORD


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


def is_alphabetic(token: str) -> bool:
    """Whether a token is letters with their marks, and hyphens."""
    return _ALPHABETIC.fullmatch(token) is not None


def is_small(character: str) -> bool:
    """Whether a character is a small letter of a script in which sentences begin with a capital."""
    return _SMALL.match(character) is not None


def reads_backwards(text: str) -> bool:
    """Whether the letters of Arabic or Hebrew words stand in reverse, as in the text layers that some programs write:
    words then begin with letters that only end words."""
    words = _RIGHT_TO_LEFT.findall(text)
    return sum(word[0] in _FINAL for word in words) > _BACKWARDS_SHARE * len(words)


def without_numbering(heading: str) -> str:
    """`4.2 Quoting` -> `Quoting`."""
    return _NUMBERING.sub("", heading)
