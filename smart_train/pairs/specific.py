"""Which queries one page alone answers: the words of all pages, and how rare each is."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from smart_train.pairs.candidates import Kind, Page, is_telling, same_question, telling_lines, telling_sentences
from smart_train.pairs.words import as_words, words_of

RARE_SHARE, RARE_PAGES = 0.05, 5  # a rare word stands on at most so large a share of the pages, or on so many


class PageWords:
    """Postings over the pages that queries are chosen for: word -> places of the pages that have it."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self.pages = pages
        self.places: dict[str, set[int]] = defaultdict(set)
        for place, page in enumerate(pages):
            for word in set(page.words.split()):
                self.places[word].add(place)
        self._rare = max(RARE_PAGES, RARE_SHARE * len(pages))

    def rarity(self, word: str) -> float:
        """log(1 + N / n) for a word on n of N pages: the inverse document frequency, above 0 for every word."""
        return math.log1p(len(self.pages) / max(1, len(self.places.get(word, ()))))

    def answers_alone(self, query: str, place: int, *, in_any_order: bool = False, apart: bool = False) -> bool:
        """Whether the words of `query`, in their order, stand on the page at `place` and on no other, and one of them
        is rare.

        Args:
            in_any_order: no other page may have them in another order either.
            apart: likewise, and they need not stand next to each other on the page.
        """
        words = words_of(query)
        if not words:
            return False
        # From the rarest word on: what is compared is then never more than its few pages.
        having = set.intersection(*sorted((self.places.get(word, set()) for word in words), key=len))
        phrase = as_words(query)
        if place not in having or not (apart or phrase in self.pages[place].words):
            return False
        if (in_any_order or apart) and len(having) > 1:
            return False
        if any(phrase in self.pages[other].words for other in having if other != place):
            return False
        return any(len(self.places[word]) <= self._rare for word in words)


def choose_queries(pages: Sequence[Page], limit: int) -> dict[int, list[tuple[Kind, str]]]:
    """place in `pages` -> up to `limit` queries that this page alone answers; pages without any are left out.

    Headings and the like come first and leave room for a sentence, where the page has one, if `limit` is above 1: a
    heading asks for a subject, a sentence for what is said about it. A page without sentences (a slide, a form, a
    table) is asked for by its lines.
    """
    index = PageWords(pages)
    chosen: dict[int, list[tuple[Kind, str]]] = {}
    for place, page in enumerate(pages):
        kept: list[tuple[Kind, str]] = []
        sentences: list[tuple[Kind, str]] = [("sentence", text) for text in telling_sentences(page, index.rarity)]
        structure = [(kind, text) for kind, text in page.candidates if is_telling(kind, text)]
        room = {"structure": max(1, limit - 1), "sentence": limit}
        spare: list[tuple[Kind, str]] = []
        for name, candidates in (("structure", structure), ("sentence", sentences)):
            for kind, query in candidates:
                alone = index.answers_alone(query, place, apart=kind == "section")
                if any(same_question(query, other) for _, other in kept) or not alone:
                    continue
                if len(kept) < room[name]:
                    kept.append((kind, query))
                elif name == "structure":
                    spare.append((kind, query))
        kept += spare[: limit - len(kept)]
        if not any(kind == "sentence" for kind, _ in kept):
            for line in telling_lines(page, index.rarity):
                new = len(kept) < limit and not any(same_question(line, other) for _, other in kept)
                if new and is_telling("line", line) and index.answers_alone(line, place, in_any_order=True):
                    kept.append(("line", line))
        if kept:
            chosen[place] = kept
    return chosen
