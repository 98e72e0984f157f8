"""The score across ranks: queries travel, documents stay.

A page has a thousand tokens, a query forty. Every rank gathers the queries of all ranks, scores them against its own
documents, and hands each rank the rows of that rank's queries. The backward runs the same two exchanges the other way
round, so every gradient is exact: a query's is the sum of what all ranks' documents send back, a document's is complete
where the document is.
"""

from __future__ import annotations

import torch

from smart_train.distributed import exchange, gather_numbers, gather_rows, world_size
from smart_train.errors import ScoreError
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.hybrid import score_parts
from smart_train.scoring.inputs import SCORED_DTYPES
from smart_train.types import ScoreParts


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
    if world_size() == 1:
        return score_parts(queries, documents, pooled=pooled, late=late)
    if queries.scales is not None:  # integers would travel without them
        queries = queries.quantize("float32")
    counts = _agreed_counts(queries, documents)
    everyone = _gather_queries(queries, [q for q, _, _ in counts], [t for _, t, _ in counts], pooled, late)
    own = score_parts(everyone, documents, pooled=pooled, late=late)  # [all Q, N]
    terms = [part for part in own if part is not None]
    if not terms:
        return own
    # Rows lie in rank order, so that each rank's rows are one piece; both terms travel together.
    width = len(documents) * len(terms)
    pieces = exchange(
        torch.stack(terms, dim=2).flatten(),
        [q * width for q, _, _ in counts],
        [len(queries) * n * len(terms) for _, _, n in counts],
    ).split([len(queries) * n * len(terms) for _, _, n in counts])
    rows = [piece.view(len(queries), n, len(terms)) for piece, (_, _, n) in zip(pieces, counts, strict=True)]
    found = iter(torch.cat(rows, dim=1).unbind(2))
    return ScoreParts(*(None if part is None else next(found) for part in own))


def _gather_queries(queries: Embeddings, items: list[int], tokens: list[int], pooled: bool, late: bool) -> Embeddings:
    """All ranks' queries in rank order; what is not asked for stays empty."""
    vectors = queries.pooled.new_zeros(sum(items), 0)
    if pooled:
        vectors = gather_rows(queries.pooled, items)
    lengths = queries.lengths.new_zeros(sum(items))
    states = queries.packed[:0]
    if late:
        lengths = gather_rows(queries.lengths, items)
        states = gather_rows(queries.packed, tokens)
    return Embeddings(vectors, states, torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]))


def _agreed_counts(queries: Embeddings, documents: Embeddings) -> list[list[int]]:
    """Per rank: queries, query tokens, documents. Raises on every rank alike when the ranks do not fit together."""
    mine = [len(queries), len(queries.packed), len(documents)]
    pooled, states = queries.pooled, queries.packed
    kinds = [pooled.shape[1], states.shape[1], *(SCORED_DTYPES.index(side.dtype) for side in (pooled, states))]
    gathered = gather_numbers([*mine, *kinds], queries.device)
    if any(row[3:] != gathered[0][3:] for row in gathered):
        listed = "; ".join(
            f"rank {i}: pooled vectors {row[3]} wide, {SCORED_DTYPES[row[5]]}, token states {row[4]} wide, "
            f"{SCORED_DTYPES[row[6]]}"
            for i, row in enumerate(gathered)
        )
        raise ScoreError(f"queries of different kinds cannot be scored together: {listed}")
    return [row[:3] for row in gathered]
