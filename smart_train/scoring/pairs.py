"""The score of chosen pairs of a query and a document, where most pairs are not wanted: after a pooled prefetch.

Documents stay where they are; the queries that want them come to them. A document costs one product and one maximum,
whatever else is asked: the rest is done for many pairs at a time.

Shapes: P pairs, R token rows of the queries of some pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from smart_train.errors import ScoreError
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.hybrid import check_pooled
from smart_train.scoring.inputs import check_finite, packed_set
from smart_train.scoring.number_formats import recoded
from smart_train.scoring.product import inner_products
from smart_train.scoring.reference import EMPTY_DOCUMENT_SCORE
from smart_train.scoring.segments import bag, largest
from smart_train.types import ScoreParts

_GATHERED_BYTES = 64 * 2**20  # of query token rows that are copied for the pairs of some documents
_DOCUMENT_PAIRS = 256  # of one document at a time


@torch.no_grad()
def pair_parts(
    queries: Embeddings, documents: Embeddings, pairs: Tensor, *, pooled: bool = True, late: bool = True
) -> ScoreParts:
    """Both terms of the score of every pair, without a graph.

    Args:
        queries, documents: on one device. 8- and 16-bit tokens are scored as fp32, some at a time.
        pairs: int64 [P, 2], (document, query), on the CPU. Pairs of one document lie together.
        pooled, late: whether to compute that term.

    Returns: ScoreParts, fp32 [P] each on that device; a term not asked for is None.

    Raises:
        ScoreError: widths or devices that differ, or states that are NaN or infinite.
    """
    if queries.device != documents.device:
        raise ScoreError(f"pair scores: queries are on {queries.device}, documents on {documents.device}")
    for what, left, right in (
        ("pooled vectors", queries.pooled, documents.pooled),
        ("tokens", queries.packed, documents.packed),
    ):
        if left.shape[1] != right.shape[1]:
            raise ScoreError(
                f"pair scores: {what} of queries are {left.shape[1]} wide, of documents {right.shape[1]}; widths must "
                "be equal"
            )
    return ScoreParts(
        _pooled(queries, documents, pairs) if pooled else None, _late(queries, documents, pairs) if late else None
    )


def _pooled(queries: Embeddings, documents: Embeddings, pairs: Tensor) -> Tensor:
    check_pooled(queries.pooled, documents.pooled)
    scores = [torch.empty(0, device=queries.device)]
    rows = max(_GATHERED_BYTES // (4 * queries.pooled.shape[1]), 1)
    for some in pairs.to(queries.device).split(rows):
        left, right = documents.pooled[some[:, 0]].float(), queries.pooled[some[:, 1]].float()
        scores.append((left * right).sum(dim=1))
    pair_scores = torch.cat(scores)
    if not pair_scores.isfinite().all():
        document, query = pairs[int((~pair_scores.isfinite()).nonzero()[0])].tolist()
        raise ScoreError(
            f"pair scores: the pooled vector of document {document}, or of query {query}, is NaN or infinite"
        )
    return pair_scores


def _late(queries: Embeddings, documents: Embeddings, pairs: Tensor) -> Tensor:
    states, starts, lengths = queries.packed, queries.offsets[:-1], queries.lengths
    spans, without_tokens = documents.numbers, documents.lengths == 0
    scores = [torch.empty(0, device=states.device)]
    for some, pieces in _chunks(pairs, lengths.cpu(), states.shape[1]):
        query_places = some[:, 1].to(states.device)
        counts = lengths[query_places]
        ends = counts.cumsum(0)
        total = int(ends[-1]) if len(ends) else 0
        rows = torch.arange(total, device=states.device)
        rows = rows - (ends - counts).repeat_interleave(counts) + starts[query_places].repeat_interleave(counts)
        scales = None if queries.scales is None else queries.scales[rows]
        asked = recoded(states[rows], scales, "float32")[0]
        best = asked.new_empty(total, 1, dtype=torch.float32)
        done = 0
        for document, tokens in pieces:
            into = best[done : done + tokens]
            start, stop = spans[document], spans[document + 1]
            if stop > start:
                of_document = None if documents.scales is None else documents.scales[start:stop]
                products = inner_products(asked[done : done + tokens], documents.packed[start:stop], of_document)
                largest(products, [(0, stop - start)], into)
            done += tokens
        offsets = torch.cat([ends.new_zeros(1), ends])
        means = bag(best, torch.arange(total, device=states.device), offsets=offsets)[:, 0] / counts.clamp(min=1)
        # Not a mean of this score over the query's tokens: a query may have none, and the mean of it is rounded.
        nothing = without_tokens[some[:, 0].to(states.device)]
        scores.append(means.masked_fill(nothing, EMPTY_DOCUMENT_SCORE))
    pair_scores = torch.cat(scores)
    if not pair_scores.isfinite().all():
        for what, side in (("query", queries), ("document", documents)):
            check_finite(replace(packed_set(side.packed, side.offsets, what), scales=side.scales), what)
    return pair_scores


def _chunks(pairs: Tensor, lengths: Tensor, width: int) -> Iterator[tuple[Tensor, list[tuple[int, int]]]]:
    """Runs of pairs whose query tokens fit the budget, and of each run (document, token rows) in its order."""
    most = max(_GATHERED_BYTES // (4 * max(width, 1)), 1)
    wanted, counts = pairs[:, 0].unique_consecutive(return_counts=True)
    tokens = lengths[pairs[:, 1]]
    first = done = held = 0
    pieces: list[tuple[int, int]] = []
    for document, count in zip(wanted.tolist(), counts.tolist(), strict=True):
        for size in [*[_DOCUMENT_PAIRS] * (count // _DOCUMENT_PAIRS), count % _DOCUMENT_PAIRS]:
            if not size:
                continue
            rows = int(tokens[done : done + size].sum())
            if pieces and held + rows > most:
                yield pairs[first:done], pieces
                first, held, pieces = done, 0, []
            pieces.append((document, rows))
            held += rows
            done += size
    if pieces:
        yield pairs[first:done], pieces
