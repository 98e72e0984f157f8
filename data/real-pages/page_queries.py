"""Queries that a document's own structure answers: bookmarks, index entries, and stretches of its text.

Every query kept occurs, word for word, on exactly one page of its split: the page it is labelled with.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pypdfium2

MIN_CHARACTERS = 300  # a page with less text is a title page, a figure or empty
SNIPPET_WORDS = (8, 12)
# "1.2 ", "B.1 ", "4. ", "4 ", "B. ", "Appendix B "; but not the first word of "C entry points"
_NUMBERING = re.compile(r"^(?:[Aa]ppendix [A-Z][.:]?|(?:[A-Z]|\d+)(?:\.\d+)+\.?|\d+\.?|[A-Z]\.)\s+")
_WORD = re.compile(r"[^\W_]+")
# "name . . . . 12, 14" and "name, 12, 14": an entry of an index or of a table of contents
_ENTRY = re.compile(r"^(?P<term>\S.*?)(?:(?:\s*\.){3,}\s*|,\s+|\s+)(?P<numbers>\d+(?:,\s*\d+)*)$")


@dataclass
class Page:
    """A page with text to be found by. `words` is that text in lower case, one blank between words and at both ends;
    `candidates` are (kind, query) pairs of bookmarks and index entries that point to it."""

    number: int
    text: str
    words: str
    candidates: list[tuple[str, str]] = field(default_factory=list)


def read_pages(pdf: pypdfium2.PdfDocument) -> list[Page]:
    """The content pages of a document, without front matter, tables of contents and indexes: those hold the words of
    every heading and would be second answers to most queries."""
    texts = [clean(page.get_textpage().get_text_bounded()) for page in pdf]
    bookmarks = list(read_bookmarks(pdf))
    first = min((number for number, _ in bookmarks), default=0)
    listings = [number for number, text in enumerate(texts) if is_listing(text)]
    pages = {
        number: Page(number, text.replace("\n", " "), as_words(text))
        for number, text in enumerate(texts)
        if number >= first and number not in listings and len(text) >= MIN_CHARACTERS
    }
    for number, title in bookmarks:
        if number in pages:
            pages[number].candidates.append(("bookmark", title))
    for number, term in read_index([texts[n] for n in listings if n > len(texts) // 2], pages):
        pages[number].candidates.append(("index", term))
    return list(pages.values())


def clean(text: str) -> str:
    """The text layer with one LF between lines, without the marks that pdfium leaves where a word was hyphenated, and
    with ligatures and typographic quotes spelt out."""
    text = unicodedata.normalize("NFKC", text.replace("\x02", "").replace("\ufffe", "").replace("\r\n", "\n"))
    text = text.translate(str.maketrans("‘’“”−", "''\"\"-"))
    return "\n".join(line for line in (re.sub(r"[^\S\n]+", " ", line).strip() for line in text.split("\n")) if line)


def as_words(text: str) -> str:
    return f" {' '.join(_WORD.findall(text.lower()))} "


def is_listing(text: str) -> bool:
    """Whether a page is a table of contents or an index: more than half of its lines end in page numbers."""
    lines = text.split("\n")
    return len(lines) >= 8 and sum(1 for line in lines if _ENTRY.match(line)) > len(lines) / 2


def read_bookmarks(pdf: pypdfium2.PdfDocument) -> Iterator[tuple[int, str]]:
    """Page number and title, without its section number, of every bookmark that points to a page."""
    for bookmark in pdf.get_toc():
        target = bookmark.get_dest()
        number = target.get_index() if target else None
        title = _NUMBERING.sub("", clean(bookmark.get_title() or "").replace("\n", " "))
        if number is not None and title:
            yield number, title


def read_index(listings: Sequence[str], pages: dict[int, Page]) -> Iterator[tuple[int, str]]:
    """Page number and term of index entries with a single page.

    An index gives printed numbers, which start after the front matter. The shift between the two is the one under which
    most entries are found on their page.
    """
    entries = []
    for line in "\n".join(listings).split("\n"):
        match = _ENTRY.match(line)
        if match and "," not in match["numbers"]:
            term = re.sub(r"\s*\([^)]*\)$", "", match["term"]).rstrip(" .,")
            entries.append((int(match["numbers"]), term, as_words(term)))
    votes = Counter(
        number - printed for printed, _, words in entries for number, page in pages.items()
        if abs(number - printed) <= 60 and words.strip() and words in page.words
    )  # fmt: skip
    if not votes:
        return
    shift = votes.most_common(1)[0][0]
    for printed, term, words in entries:
        page = pages.get(printed + shift)
        if page is not None and words in page.words:
            yield page.number, term


def choose_queries(
    pages: Sequence[Page], everything: Sequence[Page], limit: int, rng: random.Random
) -> list[tuple[Page, list[tuple[str, str]]]]:
    """Each page with up to `limit` queries that it alone answers among `everything`; pages without any are left out.

    Bookmarks come first, then index entries; stretches of text fill up, and one is always there where the text allows.
    """
    chosen = []
    for page in pages:
        kept: dict[str, tuple[str, str]] = {}
        candidates = page.candidates.copy()
        rng.shuffle(candidates)
        candidates.sort(key=lambda candidate: candidate[0])
        for kind, query in candidates:
            if len(kept) < max(1, limit - 1) and is_telling(query) and answers_alone(query, page, everything):
                kept.setdefault(as_words(query), (kind, query))
        for query in snippets(page, rng):
            if len(kept) >= limit:
                break
            if answers_alone(query, page, everything):
                kept.setdefault(as_words(query), ("snippet", query))
        if kept:
            chosen.append((page, list(kept.values())))
    return chosen


def is_telling(query: str) -> bool:
    """Whether a heading or term is long enough to ask for something."""
    return 6 <= len(query) <= 80 and sum(character.isalpha() for character in query) >= 5


def answers_alone(query: str, page: Page, everything: Sequence[Page]) -> bool:
    words = as_words(query)
    return words in page.words and not any(words in other.words for other in everything if other is not page)


def snippets(page: Page, rng: random.Random) -> Iterator[str]:
    """Random stretches of running text: mostly words, no rows of dots or numbers."""
    tokens = page.text.split()
    for _ in range(24):
        length = rng.randint(*SNIPPET_WORDS)
        start = rng.randrange(max(1, len(tokens) - length))
        stretch = tokens[start : start + length]
        if sum(token.strip(".,;:()'\"").isalpha() for token in stretch) >= 0.75 * length:
            yield " ".join(stretch).strip(".,;:() ")
