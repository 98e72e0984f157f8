"""The three rankings of a task from one scoring: every document, or chosen ones of each query.

Documents come from the disk a shard at a time, so that a corpus may be larger than the memory.

Shapes: Q queries, N documents, k kept places.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from smart_train.evaluation.ranking import RankingBuilder
from smart_train.retrieval.blocks import QUERY_BLOCK, document_blocks, query_blocks, take, with_progress
from smart_train.retrieval.shards import EmbeddingShards
from smart_train.scoring import ScoringConfig, combine, score_parts
from smart_train.scoring.embeddings import Embeddings
from smart_train.utils.terms import SCORES

# Per query fp32 scores [<= k] and the int64 places of their documents [<= k], best first.
Kept = list[tuple[np.ndarray, np.ndarray]]


@torch.no_grad()
def rank_all(
    queries: Embeddings,
    documents: EmbeddingShards,
    query_ids: Sequence[str],
    document_ids: Sequence[str],
    scoring: ScoringConfig,
    *,
    depth: int,
    device: str | torch.device,
    show_progress_bar: bool | None = None,
) -> dict[str, Kept]:
    """Score -> the best `depth` documents of every query, all documents scored."""
    builders = {score: RankingBuilder(query_ids, document_ids, depth) for score in SCORES}
    queries = queries.to(device)
    for shard in range(len(documents)):
        first, held = documents.places(shard).start, documents.load(shard)
        work = len(queries.packed) * held.packed.numel()
        blocks = document_blocks(held)
        for column, some in with_progress(blocks, len(held), unit="doc", work=work, show=show_progress_bar):
            some = some.to(device)
            for row, query_block in query_blocks(queries):
                parts = score_parts(query_block, some)
                matrices = {"pooled": parts.pooled, "late": parts.late, "hybrid": combine(parts, scoring)}
                for score, matrix in matrices.items():
                    assert matrix is not None
                    builders[score].add(matrix, row, first + column)
    return {score: builder.kept() for score, builder in builders.items()}


@torch.no_grad()
def rank_two_stage(
    queries: Embeddings,
    documents: EmbeddingShards,
    query_ids: Sequence[str],
    document_ids: Sequence[str],
    scoring: ScoringConfig,
    *,
    candidates: int,
    depth: int,
    device: str | torch.device,
) -> dict[str, Kept]:
    """As `rank_all`, but only those `candidates` of each query are scored by tokens, and ranked, that its pooled score
    puts first. The ranking by the pooled score is of all documents."""
    builder = RankingBuilder(query_ids, document_ids, max(candidates, depth))
    pooled = documents.load_pooled(device)
    for row, query_block in query_blocks(queries.to(device)):
        builder.add(score_parts(query_block, pooled, late=False).of("pooled"), row)
    first = builder.kept()
    candidate_places = [columns[:candidates] for _, columns in first]
    rankings = rank_chosen(
        queries, documents, query_ids, document_ids, scoring, candidate_places, depth=depth, device=device
    )
    return {**rankings, "pooled": [(scores[:depth], columns[:depth]) for scores, columns in first]}


@torch.no_grad()
def rank_chosen(
    queries: Embeddings,
    documents: EmbeddingShards,
    query_ids: Sequence[str],
    document_ids: Sequence[str],
    scoring: ScoringConfig,
    candidates: Sequence[np.ndarray],
    *,
    depth: int,
    device: str | torch.device,
) -> dict[str, Kept]:
    """As `rank_all`, of the documents at the `candidates` of each query alone, places: int64 [n], each place once."""
    rows = np.repeat(np.arange(len(candidates)), [len(places) for places in candidates])
    columns = np.concatenate([np.empty(0, dtype=np.int64), *candidates])
    order = np.argsort(columns, kind="stable")  # by document, so that a document's tokens are read once
    rows, columns = rows[order], columns[order]
    values = {score: np.empty(len(rows), dtype=np.float32) for score in SCORES}
    queries = queries.to(device)
    for shard in range(len(documents)):
        places = documents.places(shard)
        start, stop = np.searchsorted(columns, [places.start, places.stop])
        if start == stop:
            continue
        held = documents.load(shard, device)
        for document in np.unique(columns[start:stop]):
            first, last = np.searchsorted(columns, [document, document + 1])
            page = take(held, int(document) - places.start, int(document) - places.start + 1)
            for at in range(first, last, QUERY_BLOCK):
                span = slice(at, min(at + QUERY_BLOCK, last))
                parts = score_parts(queries[rows[span].tolist()], page)
                for score in ("pooled", "late"):
                    values[score][span] = parts.of(score)[:, 0].cpu().numpy()
                values["hybrid"][span] = combine(parts, scoring)[:, 0].cpu().numpy()
    by_query = np.argsort(rows, kind="stable")
    cuts = np.cumsum([len(places) for places in candidates])[:-1]
    places_of = np.split(columns[by_query], cuts)
    rankings: dict[str, Kept] = {}
    for score, scored in values.items():
        builder = RankingBuilder(query_ids, document_ids, depth)
        builder.merge(list(zip(np.split(scored[by_query], cuts), places_of, strict=True)))
        rankings[score] = builder.kept()
    return rankings
