"""Which queries one page alone answers: the words of all pages, and how rare each is."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

from smart_train.pairs.candidates import (
    Asked,
    Kind,
    Labels,
    Page,
    is_telling,
    same_question,
    says_much_of,
    telling_lines,
    telling_sentences,
)
from smart_train.pairs.chances import PageChances
from smart_train.pairs.context import says_name, with_context
from smart_train.pairs.doubts import is_formality
from smart_train.pairs.list_items import items_under
from smart_train.pairs.tabular import has_page_number, is_tabular
from smart_train.pairs.wholeness import holds_apart
from smart_train.pairs.words import as_words, words_of
from smart_train.pairs.worth import is_filler_page
from smart_train.utils.defaults import PAIRS

_LOWER = (0.85, 0.7, 0.5, 0.0)  # of the bound, for a part without any query
_UNDER_HEAD = ("section", "item")  # kinds whose text has the heading that it stands under before it
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

    @property
    def rarity_of_one(self) -> float:
        """That of a word on one page."""
        return math.log1p(len(self.pages))

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


def choose_queries(
    pages: Sequence[Page],
    limit: int,
    least: float = PAIRS.least_chance,
    *,
    parts: Sequence[Sequence[int]] = (),
    lowered: dict[int, float] | None = None,
) -> dict[int, list[tuple[Kind, str]]]:
    """place in `pages` -> up to `limit` queries that this page alone answers; pages without any are left out.

    Those come first that are likeliest worth asking. Those whose chance is below `least` are not asked, also where a
    page then has none: of such pages' likeliest sentences, half were worth asking. At most half of `limit` are headings
    and the like: a heading asks for a subject, a sentence for what is said about it.

    Args:
        parts: places of pages that need a query together. One without any gets those that a lower bound lets through.
        lowered: gets the lower bound of such parts, by their number.
    """
    index = PageWords(pages)
    by_place = {place: _queries_of_page(index, place, limit, least) for place in range(len(pages))}
    for number, part in enumerate(parts):
        for bound in (share * least for share in _LOWER):
            if any(by_place[place] for place in part):
                break
            by_place.update({place: _queries_of_page(index, place, limit, bound) for place in part})
            if lowered is not None and any(by_place[place] for place in part):
                lowered[number] = bound
    return {place: queries for place, queries in by_place.items() if queries}


def _queries_of_page(index: PageWords, place: int, limit: int, least: float) -> list[tuple[Kind, str]]:
    """The likeliest queries first. One that says what another one does is left out."""
    page = index.pages[place]
    chosen: list[Asked] = []
    if is_filler_page(page.parts.prose):
        return []
    for asked in sorted(candidates_of(page, index), key=lambda asked: (-asked.chance, asked.query)):
        if len(chosen) == limit or asked.chance < least:
            break
        structure = asked.kind != "sentence"
        if structure and sum(other.kind != "sentence" for other in chosen) == max(1, limit // 2):
            continue
        apart = asked.kind in _UNDER_HEAD
        told = asked.text.rpartition(": ")[2] if apart else asked.text
        if any(same_question(told, other.text) or says_much_of(told, other.text) for other in chosen):
            continue
        if index.answers_alone(asked.text, place, apart=apart, in_any_order=asked.kind == "line"):
            chosen.append(asked)
    return [(asked.kind, asked.query) for asked in chosen]


def candidates_of(page: Page, index: PageWords) -> Iterator[Asked]:
    """What a page could be asked for, with how likely it is worth asking."""
    chances = PageChances(page.parts, page.heads, index.rarity, index.rarity_of_one)
    tabular, labels = is_tabular(page.parts), Labels(page)
    structure = [
        (kind, text)
        for kind, text in dict.fromkeys(page.candidates)
        if is_telling(kind, text, page.number)
        and not holds_apart(text, page.parts.apart)
        and not (kind in ("heading", "section") and labels.holds(text))
    ]
    if tabular:
        # Headings in a table are those of its columns, its lines are rows: the largest heading says what it is about.
        structure = structure[:1] + [item for item in structure[1:] if item[0] == "caption"]
    else:
        structure += [
            ("item", text) for text in items_under(page.parts) if is_telling("item", text) and not is_formality(text)
        ]
        structure += [("line", text) for text in telling_lines(page) if is_telling("line", text)]
    for kind, text in structure:
        head, _, told = text.rpartition(": ") if kind in _UNDER_HEAD else ("", "", text)
        query = with_context(told, head, page.name)
        yield Asked(kind, query, text, chances.of_structure(kind, text, query, named=says_name(query, page.name)))
    for asked in telling_sentences(page, chances):
        if not (tabular and has_page_number(asked.text)):
            yield asked
