"""Whether a real embedder finds the page that a query was taken from.

Q queries, P pages, N pieces of pages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from smart_train.errors import DataError
from smart_train.pairs.candidates import Kind, Page
from smart_train.pairs.rows import Chosen
from smart_train.pairs.words import is_unspaced
from smart_train.utils.defaults import PAIR_CHECK_FIRST

if TYPE_CHECKING:
    from smart_train.models import SmartModel

NOT_FOUND, AS_HIGH = "the page is not among the first", "another page scores as high"
_PIECE, _UNSPACED_PIECE = 800, 250  # characters: about 200 tokens, which every text embedder reads whole
_TIE = 1e-4  # of the score; two batches of one text differ by less
_ENCODED = 512  # pieces that are held in memory at a time


@dataclass
class RoundTrip:
    """Checks queries with a model: each is searched among all pages of the set.

    Args:
        model: reads the drawn pages if it reads images and pages are drawn, else their text in pieces; a page scores as
            its best piece.
        name: of the model in the report; it should change with the model's weights.
        first: a query is kept when its page is among this many best pages, and no other page scores as high.

    Attributes:
        counts: queries checked, and why some were left out -> how many.
        left_out: a line for each query that was left out.

    Raises:
        DataError: `first` is below 1.
    """

    model: SmartModel
    name: str
    first: int = PAIR_CHECK_FIRST
    counts: Counter[str] = field(default_factory=Counter)
    left_out: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.first < 1:
            raise DataError(f"the number of best pages to look at is {self.first}; it must be 1 or more")

    @property
    def method(self) -> str:
        """What the check's answers depend on."""
        return f"{self.name}, first {self.first}"

    def keep(self, pages: Sequence[Page], images: Sequence[Path], chosen: Chosen, limit: int) -> Chosen:
        """`chosen` without the queries whose page is not found, and at most `limit` for a page.

        Args:
            pages: P pages that a search may find. images: drawn, in the same order; none where pages are text.
            chosen: place in `pages` -> queries, best first.
        """
        queries = [
            (place, kind, query) for place, page_queries in sorted(chosen.items()) for kind, query in page_queries
        ]
        self.counts, self.left_out = Counter({"checked": len(queries)}), []
        if not queries:
            return {}
        scores = self._scores([query for _, _, query in queries], pages, images)
        checked: Chosen = {}
        for (place, kind, query), row in zip(queries, scores, strict=True):
            reason = self._reason(row, place)
            if reason is None:
                checked.setdefault(place, []).append((kind, query))
            else:
                self.counts[reason] += 1
                self.left_out.append(f"{pages[place].document}, page {pages[place].number + 1}: {query} ({reason})")
        return {place: at_most(page_queries, limit) for place, page_queries in checked.items()}

    def _reason(self, row: Tensor, place: int) -> str | None:
        """Why a query is left out. row: [P]."""
        score = float(row[place])
        near = _TIE * max(1.0, abs(score))
        if int((row >= score - near).sum()) > 1 + int((row > score + near).sum()):
            return AS_HIGH
        return NOT_FOUND if int((row > score + near).sum()) >= self.first else None

    def _scores(self, queries: Sequence[str], pages: Sequence[Page], images: Sequence[Path]) -> Tensor:
        """fp32 [Q, P] on the CPU; it is the largest thing held here, with 4 bytes for each query and page."""
        pieces, owners = self._pieces(pages, images)
        query_embeddings = self.model.encode_query(list(queries)).to(self.model.device)
        scores = torch.full((len(queries), len(pages)), -torch.inf)
        parts = self.model.encode_document_parts(pieces, _ENCODED)
        for start, part in zip(range(0, len(pieces), _ENCODED), parts, strict=True):
            similarities = self.model.similarity(query_embeddings, part.to(self.model.device)).cpu()
            columns = torch.tensor(owners[start : start + _ENCODED]).expand(len(queries), -1)
            scores.scatter_reduce_(1, columns, similarities, reduce="amax")
        return scores

    def _pieces(self, pages: Sequence[Page], images: Sequence[Path]) -> tuple[list[Any], list[int]]:
        """N inputs, and the place of the page that each belongs to."""
        if images and "image" in self.model.family.modalities:
            return list(images), list(range(len(pages)))
        pairs = [(piece, place) for place, page in enumerate(pages) for piece in pieces_of(page)]
        return [piece for piece, _ in pairs], [place for _, place in pairs]


def pieces_of(page: Page) -> list[str]:
    """The text of a page in pieces that an embedder reads whole; each begins with the words that the one before ends
    with, so that every sentence is whole in one of them. A page without text has none."""
    parts = page.parts
    text = "\n".join([*(text for _, text in (*parts.headings, *parts.cut)), *parts.captions, parts.prose]).strip()
    size = _UNSPACED_PIECE if sum(map(is_unspaced, text)) > len(text) / 2 else _PIECE
    step = size * 3 // 4
    return [text[start : start + size] for start in range(0, max(1, len(text) - size + step), step) if text]


def at_most(queries: Sequence[tuple[Kind, str]], limit: int) -> list[tuple[Kind, str]]:
    """The first `limit` queries of a page, one of them a sentence where there is one and `limit` is above 1."""
    sentences = [item for item in queries if item[0] == "sentence"]
    others = [item for item in queries if item[0] != "sentence"]
    room = limit - 1 if sentences and limit > 1 else limit
    first = [*others[:room], *sentences][:limit]
    return [*first, *others[room:]][:limit]
