"""What a page could be asked for, taken from its own text: its title, headings, captions, index terms and telling
sentences. Whether a page alone answers is decided over all pages, in `specific`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from smart_train.pairs.layout import Parts
from smart_train.pairs.words import as_words, without_numbering, words_of

Kind = Literal["title", "bookmark", "heading", "caption", "term", "sentence", "written"]
# In the order in which a page's queries are chosen; "written" ones come from a vision model.
KINDS: tuple[Kind, ...] = ("title", "bookmark", "heading", "caption", "term", "sentence")

MIN_LETTERS, MAX_CHARACTERS = 5, 200
SENTENCE_WORDS = (6, 30)
_ALPHABETIC = 0.75  # share of a sentence's tokens that are words: below it is code, a formula or a row of a table
_BETWEEN_SENTENCES = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]*[^\W_a-z])|(?<=[。！？])\s*")
_ABBREVIATED = re.compile(
    r"(?:\b[A-Z]|\b(?:cf|dr|e\.g|ed|eq|etc|fig|figs|i\.e|mr|mrs|ms|no|nos|pp|prof|sec|st|vol|vs))\.$", re.I
)
_LEADERS = re.compile(r"(?:\.\s*){4}")
# Not a lower-case letter, and not the number of a footnote.
_BEGINS = re.compile(r"[\"'(\[]*[^\W\d_a-z]")
_BULLET = re.compile(r"[•‣▪●·]|(?:^|\s)[*–—]\s")
# A sentence that opens so speaks of what stands before it. English alone: elsewhere such sentences are taken.
_POINTING = frozenset(
    ("also", "finally", "furthermore", "he", "hence", "however", "it", "moreover", "otherwise", "see", "she", "so")
    + ("such", "that", "then", "therefore", "these", "they", "this", "those", "thus")
)


@dataclass
class Page:
    """A page with something to be asked for.

    Attributes:
        document: the key of its document. number: from 0. words: all its text but running heads, `as_words`.
        parts: its headings, captions and running text.
        candidates: (kind, query) pairs, best first within a kind, without sentences.
    """

    document: str
    number: int
    words: str
    parts: Parts
    candidates: list[tuple[Kind, str]] = field(default_factory=list)

    @classmethod
    def without_text(cls, document: str, number: int) -> Page:
        """A page that can only be looked at."""
        return cls(document, number, "", Parts([], [], ""))


def structural(page: Page, bookmarks: Sequence[str], terms: Sequence[str]) -> None:
    """Fills `page.candidates` from what structures the document; the largest print of its first page is its title.

    Args:
        bookmarks, terms: titles and index entries that point to the page.
    """
    headings = sorted(page.parts.headings, key=lambda heading: -heading[0])
    if page.number == 0 and headings:
        page.candidates.append(("title", headings[0][1]))
    page.candidates.extend(("bookmark", title) for title in bookmarks)
    page.candidates.extend(("heading", without_numbering(text)) for _, text in headings)
    page.candidates.extend(("caption", text) for text in page.parts.captions)
    page.candidates.extend(("term", text) for text in terms)


def is_telling(kind: Kind, query: str) -> bool:
    """Whether a query is long enough to ask for something and short enough to be asked. A single word is enough for an
    entry of an index, which was chosen to be looked up. Rows of dots lead to a page number: that is no heading."""
    if _LEADERS.search(query):
        return False
    letters = sum(character.isalpha() for character in query)
    enough = letters >= MIN_LETTERS or len(words_of(query)) >= MIN_LETTERS
    return enough and len(query) <= MAX_CHARACTERS and (kind == "term" or len(words_of(query)) >= 2)


def telling_sentences(page: Page, rarity: Callable[[str], float]) -> Iterator[str]:
    """The sentences of a page, best first: those whose words the page repeats and other pages lack.

    A word weighs tf / (tf + 1) * rarity(word), with tf its count on the page (the saturation of BM25, k = 1, without
    its length term); a sentence has the mean over its words. A sentence that shares half of its words with a better one
    is left out.

    Args:
        rarity: the weight of a word, larger for words on fewer pages.
    """
    counts = Counter(words_of(page.parts.prose))
    weights = {word: count / (count + 1) * rarity(word) for word, count in counts.items()}
    scored = []
    for sentence in split_sentences(page.parts.prose):
        words = words_of(sentence)
        scored.append((sum(weights.get(word, 0.0) for word in words) / len(words), sentence, set(words)))
    chosen: list[set[str]] = []
    for _, sentence, words in sorted(scored, key=lambda item: (-item[0], item[1])):
        if all(len(words & other) <= len(words) / 2 for other in chosen):
            chosen.append(words)
            yield sentence


def split_sentences(prose: str) -> list[str]:
    """Whole sentences of running text that stand for themselves, without their full stop. The first and the last of a
    page often belong to its neighbours: what begins in lower case or does not end is left out."""
    found = []
    for sentence in _pieces(prose):
        if not re.search(r"[.!?。！？][\"')\]]*$", sentence) or not _BEGINS.match(sentence):
            continue
        sentence = sentence.rstrip(".。 ")
        words, tokens = words_of(sentence), sentence.split()
        if not SENTENCE_WORDS[0] <= len(words) <= SENTENCE_WORDS[1] or words[0] in _POINTING:
            continue
        plain = sum(1 for token in tokens if token.strip(".,;:()'\"-").replace("-", "").isalpha())
        whole = _balanced(sentence) and not _BULLET.search(sentence)
        if whole and plain >= _ALPHABETIC * len(tokens) and len(sentence) <= MAX_CHARACTERS:
            found.append(sentence)
    return found


def _pieces(prose: str) -> list[str]:
    """The text cut after full stops, but not after initials and abbreviations."""
    pieces: list[str] = []
    for piece in _BETWEEN_SENTENCES.split(prose):
        if pieces and _ABBREVIATED.search(pieces[-1]):
            pieces[-1] = f"{pieces[-1]} {piece.strip()}"
        else:
            pieces.append(piece.strip())
    return pieces


def _balanced(sentence: str) -> bool:
    """Whether brackets and quotes that are opened are closed: what was cut in the middle usually fails."""
    pairs = all(sentence.count(opened) == sentence.count(closed) for opened, closed in ("()", "[]", "{}"))
    return pairs and sentence.count('"') % 2 == 0


def same_question(first: str, second: str) -> bool:
    """Whether the words of one of two queries hold those of the other."""
    one, other = as_words(first), as_words(second)
    return one in other or other in one
