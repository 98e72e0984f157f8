"""The score across ranks: queries travel, documents stay.

A page has a thousand tokens, a query forty. Every rank gathers the queries of all ranks, scores them against its own
documents, and hands each rank the rows of that rank's queries. The backward runs the same exchanges the other way
round, so every gradient is exact: a query's is the sum of what all ranks' documents send back, a document's is complete
where the document is.

A collective costs a message to every rank however little is in it, and whoever reads its result waits for the device.
So a step has three, of which one is read: how much everybody brings, all that is gathered, the scores back.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from smart_train.distributed import exchange, gather_all, gather_numbers, rank, world_size
from smart_train.errors import ScoreError
from smart_train.scoring.checks import Checks
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.hybrid import unchecked_score_parts
from smart_train.scoring.inputs import SCORED_DTYPES
from smart_train.types import ScoreParts
from smart_train.utils.terms import EXACT


def score_parts_across_ranks(
    queries: Embeddings, documents: Embeddings, pooled: bool = True, late: bool = True
) -> ScoreParts:
    """Both terms of the score: this rank's queries against the documents of every rank. Differentiable, exactly.

    Every rank must call it, and every rank must run the backward of what it returned: a rank without queries
    contributes `sum() * 0`. Numbers of queries, documents and tokens may differ between ranks.

    Args:
        queries: this rank's, Q. documents: this rank's, N.
        pooled: whether to compute the pooled cosine; late: whether to compute the late term.

    Returns: ScoreParts, fp32 [Q, sum of all ranks' N], columns in rank order; a term not asked for is None.

    Raises:
        ScoreError: widths or dtypes that differ between ranks, or what `score_parts` refuses.
    """
    checks = Checks()
    query_keys, document_keys = (side.lengths.unsqueeze(1)[:, :0] for side in (queries, documents))  # no keys
    met = Meeting.of(queries, documents).scores(
        queries, documents, query_keys, document_keys, checks, pooled=pooled, late=late
    )
    checks.read()
    return met.scores


class Met(NamedTuple):
    """What ranks that met know together.

    scores: fp32 [Q, all N] each, this rank's rows. query_keys: int64 [all Q, k], document_keys: int64 [all N, m]: every
    rank's, in rank order.
    """

    scores: ScoreParts
    query_keys: Tensor
    document_keys: Tensor


class Meeting:
    """How much every rank brings to a score across ranks. Every rank must call `of`, then `scores`, with the same
    queries and documents.

    Attributes:
        start: the column of this rank's first document among all ranks'.
        weight: what to multiply this rank's mean loss by, so that the mean over ranks is the mean over all queries:
            its queries * world size / all queries; 1.0 where all ranks hold equally many.
    """

    def __init__(self, counts: Sequence[Sequence[int]], place: int) -> None:
        self._counts = counts  # per rank: queries, query tokens, documents
        self._place = place
        every = sum(queries for queries, _, _ in counts)
        self.start = sum(documents for _, _, documents in counts[:place])
        self.weight = counts[place][0] * len(counts) / every if every else 1.0

    @classmethod
    def of(cls, queries: Embeddings, documents: Embeddings) -> Meeting:
        """Raises ScoreError on every rank alike when the ranks do not fit together."""
        mine = [len(queries), len(queries.packed), len(documents)]
        if world_size() == 1:
            return cls([mine], 0)
        pooled, states = queries.pooled, queries.packed
        dtypes = [torch.float32 if side.dtype == torch.int8 else side.dtype for side in (pooled, states)]
        kinds = [pooled.shape[1], states.shape[1], *map(SCORED_DTYPES.index, dtypes)]
        gathered = gather_numbers([*mine, *kinds], queries.device)
        if any(row[3:] != gathered[0][3:] for row in gathered):
            listed = "; ".join(
                f"rank {i}: pooled vectors {row[3]} wide, {SCORED_DTYPES[row[5]]}, token states {row[4]} wide, "
                f"{SCORED_DTYPES[row[6]]}"
                for i, row in enumerate(gathered)
            )
            raise ScoreError(f"queries of different kinds cannot be scored together: {listed}")
        return cls([row[:3] for row in gathered], rank())

    def scores(
        self,
        queries: Embeddings,
        documents: Embeddings,
        query_keys: Tensor,
        document_keys: Tensor,
        checks: Checks,
        *,
        pooled: bool = True,
        late: bool = True,
        products: str = EXACT,
    ) -> Met:
        """This rank's queries against the documents of every rank, and everybody's keys. Differentiable, exactly.

        Args:
            query_keys: int64 [Q, k]; document_keys: int64 [N, m].
            checks: gets what `score_parts` would raise of the numbers, for the caller to read.
            products: of tokens, as `maxsim` takes them.
        """
        score = partial(unchecked_score_parts, pooled=pooled, late=late, products=products)
        if len(self._counts) == 1:
            return Met(score(queries, documents, checks), query_keys, document_keys)
        if queries.scales is not None:  # integers would travel without them
            queries = queries.quantize("float32")
        items, tokens, pages = (list(column) for column in zip(*self._counts, strict=True))
        lengths, query_keys, document_keys, *states = gather_all(
            [queries.lengths, query_keys, document_keys, *[queries.pooled] * pooled, *[queries.packed] * late],
            [items, items, pages, *[items] * pooled, *[tokens] * late],
        )
        # What is not asked for stays empty.
        vectors = states[0] if pooled else queries.pooled.new_zeros(sum(items), 0)
        packed = states[-1] if late else queries.packed[:0]
        if not late:
            lengths = torch.zeros_like(lengths)
        everyone = Embeddings(vectors, packed, torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]))
        parts = score(everyone, documents, checks)  # [all Q, N]
        return Met(self._rows_back(parts, items, pages), query_keys, document_keys)

    def _rows_back(self, parts: ScoreParts, items: list[int], pages: list[int]) -> ScoreParts:
        """All queries against this rank's documents -> this rank's queries against all documents."""
        terms = [part for part in parts if part is not None]
        if not terms:
            return parts
        # Rows lie in rank order, so that each rank's rows are one piece; both terms travel together.
        asked = items[self._place]
        sent = [count * pages[self._place] * len(terms) for count in items]
        received = [asked * count * len(terms) for count in pages]
        pieces = exchange(torch.stack(terms, dim=2).flatten(), sent, received).split(received)
        rows = [piece.view(asked, count, len(terms)) for piece, count in zip(pieces, pages, strict=True)]
        exchanged = iter(torch.cat(rows, dim=1).unbind(2))
        return ScoreParts(*(None if part is None else next(exchanged) for part in parts))
