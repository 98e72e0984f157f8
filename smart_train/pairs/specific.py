"""Which queries one page alone answers: the words of all pages, and how rare each is."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from smart_train.pairs.candidates import (
    Kind,
    Page,
    is_label,
    is_telling,
    same_question,
    says_enough,
    telling_lines,
    telling_sentences,
)
from smart_train.pairs.doubts import is_formality
from smart_train.pairs.list_items import items_under
from smart_train.pairs.tabular import has_page_number, is_tabular
from smart_train.pairs.wholeness import CLEAR, DOUBTFUL, holds_apart
from smart_train.pairs.words import as_words, words_of
from smart_train.pairs.worth import is_filler_page

FEW = 2  # queries: a page with fewer is asked for by doubtful sentences, items of its lists and vague headings too
_NOWHERE: frozenset[int] = frozenset()
RARE_SHARE, RARE_PAGES = 0.05, 5  # a rare word stands on at most so large a share of the pages, or on so many


class PageWords:
    """Postings over the pages that queries are chosen for: word -> places of the pages that have it, in their text and
    in their running heads."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self.pages = pages
        self.places: dict[str, set[int]] = defaultdict(set)
        self._running: dict[str, set[int]] = defaultdict(set)
        for place, page in enumerate(pages):
            for words, places in ((page.words, self.places), (page.running, self._running)):
                for word in set(words.split()):
                    places[word].add(place)
        self._rare = max(RARE_PAGES, RARE_SHARE * len(pages))

    def rarity(self, word: str) -> float:
        """log(1 + N / n) for a word on n of N pages: the inverse document frequency, above 0 for every word."""
        return math.log1p(len(self.pages) / max(1, len(self.places.get(word, ()))))

    def answers_alone(self, query: str, place: int, *, in_any_order: bool = False, apart: bool = False) -> bool:
        """Whether the words of `query`, in their order, stand on the page at `place` and on no other, and one of them
        is rare.

        Args:
            in_any_order: no other page may have them in another order either.
            apart: likewise, and they need not stand next to each other on the page; some may stand in its running head.
        """
        words = words_of(query)
        if not words:
            return False
        texts = [self.places.get(word, _NOWHERE) for word in words]
        heads = [self._running.get(word, _NOWHERE) if apart else _NOWHERE for word in words]
        few = [text | head for text, head in zip(texts, heads, strict=True) if max(len(text), len(head)) <= self._rare]
        rarest = min(few, key=len, default=_NOWHERE)
        # From the rarest word on: what is compared is then never more than its few pages.
        if not 0 < len(rarest) <= self._rare:
            return False
        having = {
            other
            for other in rarest
            if all(other in text or other in head for text, head in zip(texts, heads, strict=True))
        }
        phrase = as_words(query)
        if place not in having or not (apart or phrase in self.pages[place].words):
            return False
        if (in_any_order or apart) and len(having) > 1:
            return False
        return not any(phrase in self.pages[other].words for other in having if other != place)


def choose_queries(pages: Sequence[Page], limit: int) -> dict[int, list[tuple[Kind, str]]]:
    """place in `pages` -> up to `limit` queries that this page alone answers; pages without any are left out.

    Headings and the like come first and leave room for a sentence, where the page has one, if `limit` is above 1: a
    heading asks for a subject, a sentence for what is said about it. Headings of few words come after sentences. A page
    without sentences (a slide, a form, a table) is asked for by its lines.
    """
    index = PageWords(pages)
    by_place = {place: _queries_of_page(index, place, limit) for place in range(len(pages))}
    return {place: queries for place, queries in by_place.items() if queries}


def _queries_of_page(index: PageWords, place: int, limit: int) -> list[tuple[Kind, str]]:
    page = index.pages[place]
    queries: list[tuple[Kind, str]] = []
    if is_filler_page(page.parts.prose):
        return queries
    asked_before: list[str] = []

    def add(candidates: Iterable[tuple[Kind, str]], most: int) -> None:
        for kind, query in candidates:
            if len(queries) >= most:
                return
            told = query.rpartition(": ")[2] if kind in ("section", "item") else sentence_of.get(query, query)
            if any(same_question(told, other) for other in asked_before):
                continue
            quoted = told if kind == "sentence" else query
            if index.answers_alone(quoted, place, apart=kind in ("section", "item"), in_any_order=kind == "line"):
                queries.append((kind, query))
                asked_before.append(quoted)

    ranked = list(telling_sentences(page, index.rarity))
    sentence_of = {asked.query: asked.sentence for asked in ranked}

    def sentences(least: float) -> Iterator[tuple[Kind, str]]:
        return (("sentence", asked.query) for asked in ranked if asked.worth >= least)

    structure = [
        (kind, text)
        for kind, text in page.candidates
        if is_telling(kind, text, page.number)
        and not holds_apart(text, page.parts.apart)
        and not (kind in ("heading", "section") and is_label(page, text))
    ]
    telling = [item for item in structure if says_enough(*item)]
    if is_tabular(page.parts):
        # Headings in a table are those of its columns, its lines are rows: the largest heading says what it is about.
        add(telling, 1)
        add((item for item in telling if item[0] == "caption"), limit)
        add((item for item in sentences(CLEAR) if not has_page_number(sentence_of[item[1]])), limit)
        return queries
    few = min(limit, FEW)
    add(telling, max(1, limit // 2))
    add(sentences(CLEAR), limit)
    add(telling, limit)
    add(sentences(DOUBTFUL), few)
    add((("item", text) for text in items_under(page.parts) if not is_formality(text)), few)
    add(structure, few)
    if not queries:
        add((("line", text) for text in telling_lines(page, index.rarity) if is_telling("line", text)), 1)
    return queries
