"""Queries that a document's own structure answers: bookmarks, index entries, and stretches of its text.

Every query kept occurs, word for word, on exactly one page of its split: the page it is labelled with.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pypdfium2

from smart_train.data.formats.page_text import read_page_text
from smart_train.pairs.contents_pages import is_listing, read_bookmarks, read_index
from smart_train.pairs.page_parts import as_read
from smart_train.pairs.words import as_words

MIN_CHARACTERS = 300  # a page with less text is a title page, a figure or empty
SNIPPET_WORDS = (8, 12)


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
    texts = ["\n".join(line.text for line in as_read(read_page_text(pdf, n, layers=False))) for n in range(len(pdf))]
    words = {number: as_words(text) for number, text in enumerate(texts)}
    bookmarks = [(number, title) for number, _, title in read_bookmarks(pdf)]
    first = min((number for number, _ in bookmarks), default=0)
    listings = [n for n, text in enumerate(texts) if is_listing(n, text.split("\n"), words, len(texts))]
    pages = {
        number: Page(number, text.replace("\n", " "), words[number])
        for number, text in enumerate(texts)
        if number >= first and number not in listings and len(text) >= MIN_CHARACTERS
    }
    for number, title in bookmarks:
        if number in pages:
            pages[number].candidates.append(("bookmark", title))
    for number, term in read_index(
        [texts[n].split("\n") for n in listings if n > len(texts) // 2],
        {n: page.words for n, page in pages.items()},
    ):
        pages[number].candidates.append(("index", term))
    return list(pages.values())


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
