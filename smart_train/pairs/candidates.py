"""What a page could be asked for, taken from its own text: its title, headings, captions, index terms, telling
sentences and lines. Whether a page alone answers is decided over all pages, in `specific`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import regex

from smart_train.data.formats.pdf_characters import REPLACEMENT
from smart_train.pairs.broken_heads import is_beside_title, is_broken
from smart_train.pairs.heads import is_vague
from smart_train.pairs.leaning import LEANING, leans, standing, without_link, without_pointer
from smart_train.pairs.page_parts import Parts
from smart_train.pairs.wholeness import DOUBTFUL, Signs, Told, wholeness
from smart_train.pairs.words import (
    as_words,
    is_alphabetic,
    is_unspaced,
    length_in_words,
    tokens_of,
    without_numbering,
    words_of,
)
from smart_train.pairs.worth import is_boilerplate, says_something

# In the order in which a page's queries are chosen; "written" ones come from a vision model.
Kind = Literal["title", "bookmark", "heading", "caption", "term", "section", "sentence", "item", "line", "written"]

_HEADS = ("title", "bookmark", "heading", "caption")

MIN_LETTERS, MAX_CHARACTERS, MAX_OF_SENTENCE = 5, 240, 280
SENTENCE_WORDS, SENTENCE_CHARACTERS = (6, 40), 80  # characters of a script without blanks, each of them half a word
# Words of a sentence that is as good as its words. Of shorter ones, more are fragments and items of a list; longer ones
# are hardly typed.
_FULL_LENGTH = (14, 28)
_ALPHABETIC = 0.75  # share of a sentence's tokens that are words: below it is code, a formula or a row of a table
LINE_WORDS, LINE_CHARACTERS = (5, 16), 12  # at least so many characters of a script without blanks
_ALPHABETIC_LINE = 0.6  # a line of a form or a slide has more numbers
# Full stops before a blank; those of scripts whose full stop ends a sentence wherever it stands.
_STOPS, _STOPS_ALONE = ".!?؟۔።։", "。！？।॥။៕។༎།"
_BETWEEN_SENTENCES = re.compile(
    rf"(?<=[{_STOPS}])[\"')\]]*\s+(?=[\"'(\[«¿¡「『“„]*[^\W_])|(?<=[{_STOPS_ALONE}])\s*(?![{_STOPS_ALONE}])"
)
_SENTENCE_END = re.compile(rf"[{_STOPS}{_STOPS_ALONE}][\"')\]]*$")
_FULL_STOPS = ".。।॥۔።։။៕។༎།"  # taken off; a question or an exclamation keeps its mark
_ABBREVIATED = re.compile(
    r"(?:\b[A-Z]|\b(?:abs|approx|art|bzgl|bzw|ca|cf|ch|co|corp|dept|d\.\s?h|dr|e\.\s?g|ed|eq|etc|evtl|fig|figs|ggf|i\.\s?e|inc|inkl"
    r"|jr|llc|ltd|mr|mrs|ms|no|nos|nr|núm|p\.\s?ex|p\.\s?ej|pp|prof|pág|sec|sr|sra|st|tel|u\.\s?a|vgl|vol|vs|z\.\s?b"
    r"|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|см|рис|табл|стр|гл|напр|т\.\s?е))\.$",
    re.I,
)
_BROKEN_OFF = 14  # words
# Ends a sentence if a capital follows.
_MAY_END = re.compile(r"\b(?:etc|usw|u\.\s?a|u\.\s?ä|enz|itd|ecc|т\.\s?[дп])\.$", re.I)
_CUT_OFF = re.compile(
    r"[;,:]\s*(?:and|or)?\s*!$|\b(?:inc|co|corp|llc|ltd|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\.$", re.I
)
# The date or the authors of a source; its title follows.
_DATED = re.compile(
    r"(?:^|[.(]\s?|\([A-Z][a-z]+ )(?:19|20)\d\d[a-z]?\)?\.$"
    r"|(?<![A-Z]\.)\b(?!U\.\s?S\.)(?:[A-Z]\.[ -]?)+[^\W\d_a-z][^\W\d_]+\.$"
)
# What begins a note to a table, and a mark by itself before one; a number there may be that of a step.
_NOTE = re.compile(
    r"^(?i:notes?|n\.?b\.?|sources?|anmerkung|hinweis|quellen?|remarques?|notas?|fuentes?|fonti|fontes?|примечани[ея]"
    r"|источники?|注|資料|자료|주)\s?[:：.]|^[*†‡^]"
)
_NOTE_INSIDE = re.compile(r"(?:^|\s)(?:NOTES?|SOURCES?|Notes?|Sources?|Quelle|Fuente|Fonte|Источник):\s")
_NOTE_MARK = re.compile(r"\W*(?:[a-z]|[*†‡§])\W*$")
# The caption goes on in another column, or its label is of another text.
_CUT_CAPTION = re.compile(
    r"^\d+[a-z]?\s[a-z]|^[—–-]\s?[a-z]|,$|\b(?:and|at|by|for|in|of|on|the|to|with|de|la|et|der|die|und|von|del|di)$"
)
_LEADERS = re.compile(r"(?:\.\s*){4}")
# Not the number of a footnote, but a share.
_BEGINS = re.compile(r"[\"'(\[¿¡«„]*(?:[^\W\d_]|\d+(?:[.,]\d+)?\s?%)")
_GLUED = re.compile(r"[^\W\d_]{4}\)?\. [^\W\d_A-Z]")  # two sentences, or an entry of a glossary and the next
# The letters over the columns of a form; the number of a note, in the middle of another sentence.
_COLUMNS = re.compile(r"\([a-z]\) \([a-z]\)|\b\d{1,2}[A-Z][a-z]+ [a-z]")
# A heading in the print of the text, and the sentence after it: "Governors of engines In the event of a fault".
_HEADED = re.compile(
    r"[^\W\d_A-Z][^\W\d_]{2,}\)? (?:The|In|If|When|This|These|For|To|It|An|At"
    r"|Le|Les|La|Il|Dans|Pour|El|Los|Las|En|Para|Si|Se|Gli|Nel|Per|На|При|Если|Для|Это) (?=[^\W\d_A-ZÀ-ÞА-Я])"
)
_ENDS_IN_NUMBER = re.compile(r"[^\W\d_]\s\d{1,4}$")
_ENTRY_OF_CONTENTS = re.compile(r"[^\W\d_]\W*\s\d{1,4}$")
# A price; characters of a script without blanks that one divides.
_CELLS = regex.compile(r"[$€£¥]|\d\S*\s\d|[\p{Han}\p{Hiragana}\p{Katakana}]\s[\p{Han}\p{Hiragana}\p{Katakana}]")
_NUMBERED = re.compile(r"\d+\s")  # a line of a listing, with its number
_BULLET = re.compile(r"[•‣▪●·◦○■□➡→☐©]|(?:^|\s)\*\s|(?:^|[^\w)\]'\"»]\s)[–—]\s|[–—]\s.*\s[–—]\s.*\s[–—]\s|//|/\*")
_CODE = re.compile(r"[_=<>{}|\\*#]")
# What stands before an item: a mark, its number, a letter with a bracket, the number of a note.
_MARK = re.compile(r"^(?!\*\*)(?:[•‣▪●○◦·➢➡➔→✓■□*–—-]\s*)*(?:\(?\d{1,2}[.)]\s+|\(\d{1,2}\)\s*|\(?[a-zA-Z]\)\s+)?")
# The letter of a font of marks before each field of a form: "L Have you moved?". One alone is a name: "C Programming".
_LETTER = re.compile(r"^([B-HJ-ZÂÃÈ-ÖØ-Þ])\s(?=[A-Z][a-z])", re.MULTILINE)
_LABEL = re.compile(r"[A-ZÀ-ÞА-Я]{5,}(?: [A-ZÀ-ÞА-Я]{3,})* [A-ZÀ-ÞА-Я][a-zß-ÿа-я]")  # a head, glued to its text


@dataclass
class Page:
    """A page with something to be asked for.

    Attributes:
        document: the key of its document. number: from 0. words: all its text but running heads, `as_words`.
        parts: its headings, captions and running text. running: the words of its running heads, `as_words`.
        candidates: (kind, query) pairs, best first within a kind, without sentences and lines.
    """

    document: str
    number: int
    words: str
    parts: Parts
    candidates: list[tuple[Kind, str]] = field(default_factory=list)
    running: str = ""

    @classmethod
    def without_text(cls, document: str, number: int) -> Page:
        """A page that can only be looked at."""
        return cls(document, number, "", Parts([], [], ""))


def structural(page: Page, bookmarks: Sequence[str], terms: Sequence[str], sections: Sequence[str] = ()) -> None:
    """Fills `page.candidates` from what structures the document; the largest print of its first page is its title.

    Args:
        bookmarks, terms: titles and index entries that point to the page.
        sections: headings of the page, each with the one that it stands under.
    """
    headings = sorted(page.parts.headings, key=lambda heading: -heading[0])
    if page.number == 0 and headings:
        page.candidates.append(("title", without_numbering(headings[0][1])))
    cut = " ".join(as_words(text) for _, text in page.parts.cut)
    page.candidates.extend(("bookmark", title) for title in bookmarks if as_words(title) not in cut)
    entries = _entries(page.parts)
    page.candidates.extend(
        ("heading", without_numbering(_MARK.sub("", text))) for _, text in headings if text not in entries
    )
    # What follows a caption's first sentence leans on it.
    captions = (
        _pieces(text)[0].rstrip(_FULL_STOPS + " ") for text in page.parts.captions if not _CUT_CAPTION.search(text)
    )
    page.candidates.extend(("caption", text) for text in captions if _balanced(text) and not leans(text))
    page.candidates.extend(("term", text) for text in terms)
    listed = " ".join(as_words(text) for text in entries)
    page.candidates.extend(
        ("section", text) for text in sections if as_words(text.rpartition(": ")[2]) not in f" {cut} {listed} "
    )


def _entries(parts: Parts) -> set[str]:
    """Headings that are entries of a table of contents: several with a number at their end and no text under them. Text
    stands under "Python 3" and "Windows 11"."""
    over_text = {
        block.head for block in parts.blocks if any(not _ENTRY_OF_CONTENTS.search(line.text) for line in block.lines)
    }
    numbered = {text for _, text in parts.headings if _ENTRY_OF_CONTENTS.search(text)} - over_text
    return numbered if len(numbered) > 1 else set()


def is_telling(kind: Kind, query: str, number: int = 1) -> bool:
    """Whether a query is long enough to ask for something and short enough to be asked. A single word is enough for an
    entry of an index, which was chosen to be looked up. Rows of dots lead to a page number: that is not a heading.

    Args:
        number: of the page, from 0. Beside the title on the first one are authors and dates.
    """
    if len(query) > MAX_CHARACTERS or _LEADERS.search(query) or REPLACEMENT in query:
        return False
    letters = sum(character.isalpha() for character in query)
    enough = letters >= MIN_LETTERS or len(words_of(query)) >= MIN_LETTERS
    if kind == "section" and is_boilerplate(query):  # its parts may be names in a program: "Valve: open_slowly"
        return False
    head = query.rpartition(": ")[2] if kind == "section" else query
    if kind in (*_HEADS, "section") and is_broken(head):
        return False
    if number == 0 and kind in ("heading", "section") and is_beside_title(head):
        return False
    if kind in _HEADS and (query.endswith(":") or not says_something(query, head=True)):
        return False
    return enough and (kind == "term" or length_in_words(query) >= 2)


def telling_sentences(page: Page, rarity: Callable[[str], float]) -> Iterator[tuple[str, float]]:
    """The sentences of a page with their `wholeness`, best first: those whose words the page repeats and other pages
    lack.

    A word weighs tf / (tf + 1) * rarity(word), with tf its count on the page (the saturation of BM25, k = 1, without
    its length term); a sentence has the mean over its words, and less for words that point elsewhere ("it", "these"),
    where it is short or long, and where it may not be whole. A sentence that shares half of its words with a better one
    is left out.

    Args:
        rarity: the weight of a word, larger for words on fewer pages.
    """
    signs = Signs.of(page.parts.prose)
    whole = {told.text: wholeness(told, signs) for told in told_sentences(page.parts.prose)}
    whole = {text: worth for text, worth in whole.items() if worth >= DOUBTFUL}
    yield from ((text, whole[text]) for text in _best_first(page, whole, rarity))


def telling_lines(page: Page, rarity: Callable[[str], float]) -> Iterator[str]:
    """The lines of a page that stand for themselves, in the order of `telling_sentences`: items of a slide, entries of
    a form, rows of a table. What a page without sentences can be asked for."""
    notes = page.parts.notes.split("\n")
    lines = [line for line in page.parts.prose.split("\n") if line not in notes]
    yield from _best_first(page, dict.fromkeys(split_lines("\n".join(lines)), 1.0), rarity)


def _best_first(page: Page, texts: Mapping[str, float], rarity: Callable[[str], float]) -> Iterator[str]:
    """`texts`: with what each is worth by its form."""
    counts = Counter(words_of(page.parts.prose))
    weights = {word: count / (count + 1) * rarity(word) for word, count in counts.items()}
    scored = []
    for text, whole in texts.items():
        words = words_of(text)
        worth = (
            whole
            * standing(text)
            * _fullness(words)
            * (LEANING if text in page.parts.notes else 1)
            * sum(weights.get(word, 0.0) for word in words)
            / len(words)
        )
        scored.append((worth, text, _told_in(words)))
    used_before: list[set[tuple[str, ...]]] = []
    for _, sentence, used in sorted(scored, key=lambda item: (-item[0], item[1])):
        if all(len(used & other) <= len(used) / 2 for other in used_before):
            used_before.append(used)
            yield sentence


def _fullness(words: list[str]) -> float:
    """1 for a text of a good length; less for shorter and for longer ones."""
    fewest, most = (2 * length if _is_unspaced(words) else length for length in _FULL_LENGTH)
    return min(1.0, len(words) / fewest, most / len(words))


def _told_in(words: list[str]) -> set[tuple[str, ...]]:
    """What two texts are compared by: words; pairs of them in scripts where a word is one of few syllables."""
    return set(zip(words, words[1:], strict=False)) if _is_unspaced(words) else {(word,) for word in words}


def _is_unspaced(words: Sequence[str]) -> bool:
    """Whether most words are single characters of scripts without blanks."""
    return len(words) > 1 and sum(is_unspaced(word[0]) for word in words) > len(words) / 2


def split_sentences(prose: str) -> list[str]:
    """The texts of `told_sentences`."""
    return [told.text for told in told_sentences(prose)]


def told_sentences(prose: str) -> list[Told]:
    """Whole sentences of running text that stand for themselves, without their full stop. The first and the last of a
    page often belong to its neighbours: what begins in lower case or does not end is left out."""
    sentences = []
    paragraphs = [_pieces(paragraph) for paragraph in _without_marks(prose)]
    # A sentence with its place in its paragraph, and the one before it.
    pieces = [(piece, place, paragraph) for paragraph in paragraphs for place, piece in enumerate(paragraph)]
    for (before, _, _), (sentence, place, beside) in zip([("", 0, [""]), *pieces], pieces, strict=False):
        note = _NOTE.match(beside[0]) or _NOTE_INSIDE.search(sentence) or (None if place else _NOTE_MARK.match(before))
        if _DATED.search(before) or _breaks_off(before):
            continue
        ends = _SENTENCE_END.search(sentence) and not _CUT_OFF.search(sentence)
        if not _begins(sentence) or not ends:
            continue
        sentence = without_pointer(without_link(sentence.rstrip(_FULL_STOPS + " ")))
        most = SENTENCE_CHARACTERS if _is_unspaced(words_of(sentence)) else SENTENCE_WORDS[1]
        if REPLACEMENT in sentence or not SENTENCE_WORDS[0] <= length_in_words(sentence) <= most:
            continue
        words = words_of(sentence)
        few = sum(map(is_alphabetic, words)) < (SENTENCE_WORDS[0] - 1) * (2 if _is_unspaced(words) else 1)
        if few or leans(sentence) or sentence.count(": ") > 1 or not says_something(sentence, head=False):
            continue
        if (
            _GLUED.search(sentence)
            or _HEADED.search(sentence)
            or _LABEL.match(sentence)
            or _COLUMNS.search(sentence)
            or (sentence[0] == "(" and sentence[-1] == ")")
        ):
            continue
        whole = _balanced(sentence) and not _BULLET.search(sentence)
        if whole and _alphabetic(sentence) >= _ALPHABETIC and len(sentence) <= MAX_OF_SENTENCE:
            sentences.append(Told(sentence, first=place == 0, alone=len(beside) == 1, note=note is not None))
    return sentences


def _without_marks(prose: str) -> list[str]:
    """The paragraphs without what marks them as items."""
    letters = Counter(_LETTER.findall(prose))
    paragraphs = [_MARK.sub("", paragraph) for paragraph in prose.split("\n")]
    return [text[2:] if (match := _LETTER.match(text)) and letters[match[1]] > 1 else text for text in paragraphs]


def _breaks_off(piece: str) -> bool:
    """Whether a text without an end is as long as sentences are: what follows it is the rest, in another column."""
    if _SENTENCE_END.search(piece) or piece[-1:] in ":;":
        return False
    words = words_of(piece)
    return sum(map(is_alphabetic, words)) >= _BROKEN_OFF * (2 if _is_unspaced(words) else 1)


def _begins(sentence: str) -> bool:
    """Whether a text begins as a sentence does: with a capital, a letter of a script without capitals, or a name in
    lower case, which is quoted or stands in a script without blanks ("cron 作业每小时运行一次")."""
    begins = _BEGINS.match(sentence)
    if begins is None or not begins[0][-1].islower():
        return begins is not None
    return begins[0][0] in "\"'«„" or _is_unspaced(words_of(sentence))


def split_lines(prose: str) -> list[str]:
    """Lines that stand for themselves without being sentences, without an item's mark. What ends in a colon or a comma
    goes on below."""
    lines = []
    for line in _without_marks(prose):
        fewest = LINE_CHARACTERS if _is_unspaced(words_of(line)) else LINE_WORDS[0]
        if (
            line.endswith((":", ","))
            or _NUMBERED.match(line)
            or _ENDS_IN_NUMBER.search(line)
            or _CELLS.search(line)
            or not fewest <= length_in_words(line) <= LINE_WORDS[1]
            or leans(line)
        ):
            continue
        whole = (
            REPLACEMENT not in line
            and line[0].isalnum()
            and not line[0].islower()
            and _balanced(line)
            and not _BULLET.search(line)
            and not _CODE.search(line)
            and len(line) <= MAX_CHARACTERS
        )
        if whole and _alphabetic(line) >= _ALPHABETIC_LINE and says_something(line, head=False):
            lines.append(line.rstrip(_FULL_STOPS + " ;"))
    return lines


def _alphabetic(text: str) -> float:
    """The share of tokens that are words."""
    tokens = tokens_of(text)
    return sum(is_alphabetic(token.strip(".,;:()'\"-")) for token in tokens) / len(tokens)


def _pieces(paragraph: str) -> list[str]:
    """The text cut after full stops, but not after initials and abbreviations, nor before a lower-case letter."""
    pieces: list[str] = []
    for piece in _BETWEEN_SENTENCES.split(paragraph):
        piece = piece.strip()
        goes_on = pieces and _ABBREVIATED.search(pieces[-1]) and not _MAY_END.search(pieces[-1])
        if pieces and (goes_on or piece.lstrip("\"'([")[:1].islower()):
            pieces[-1] = f"{pieces[-1]} {piece}"
        else:
            pieces.append(piece)
    return pieces


def _balanced(sentence: str) -> bool:
    """Whether brackets and quotes that are opened are closed: what was cut in the middle usually fails."""
    pairs = all(sentence.count(opened) == sentence.count(closed) for opened, closed in ("()", "[]", "{}"))
    return pairs and sentence.count('"') % 2 == 0


def same_question(first: str, second: str) -> bool:
    """Whether the words of one of two queries hold those of the other."""
    one, other = as_words(first), as_words(second)
    return one in other or other in one


def says_enough(kind: Kind, query: str) -> bool:
    """Whether a query can be asked though the page has sentences: a heading or a caption needs words of its own."""
    return kind in ("term", "section") or not is_vague(query)
