"""From queries to ranked documents: exact, or in two stages.

    exact       every document's pooled, late and hybrid score
    two stages  pooled scores of all documents choose `candidates` of them per query; only their tokens are scored

The second costs candidates / N of the late-interaction work and can lose a document whose pooled vector hides what its
tokens show. Equal scores are ordered by document id.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smart_train.data import SourceConfig
from smart_train.errors import DataError, ScoreError
from smart_train.inputs.model_input import as_model_input
from smart_train.retrieval.blocks import (
    DOCUMENT_BLOCK_BYTES,
    document_blocks,
    query_blocks,
    take,
    with_progress,
)
from smart_train.retrieval.document_sources import is_collection
from smart_train.retrieval.encode_documents import encode_folder, update_index
from smart_train.retrieval.encoder import IndexEncoder, check_pooled
from smart_train.retrieval.index import DocumentIndex, check_index_folder
from smart_train.retrieval.rounded_search import RoundedSearch
from smart_train.scoring import ScoringConfig, combine, score_parts
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.index_form import queries_for_index
from smart_train.scoring.pairs import pair_parts
from smart_train.scoring.rounding_bounds import EXACT, scan_products
from smart_train.types import ModelInput
from smart_train.utils.defaults import BATCH_SIZE, TOP_K


@dataclass(frozen=True)
class Hit:
    """One document found for one query: its place (1 is best) and its scores; `hybrid` is what ranks it: the weighted
    sum. `pooled` is None of a model that is late only."""

    document_id: str
    rank: int
    pooled: float | None
    late: float
    hybrid: float


def search(
    model: IndexEncoder,
    queries: Any | Sequence[Any],
    index: DocumentIndex,
    *,
    top_k: int = TOP_K,
    scoring: ScoringConfig | None = None,
    candidates: int | None = None,
    batch_size: int = BATCH_SIZE,
    show_progress_bar: bool | None = None,
) -> list[list[Hit]]:
    """The best documents of `index` for every query.

    Args:
        model: the `SmartModel` that made the index.
        queries: anything `encode_query` takes; a list or tuple of them, or one.
        top_k: hits per query; fewer when the index is smaller.
        scoring: other weights than `model.scoring`; its token filters and layer must be the model's.
        candidates: None scores all documents exactly; otherwise how many the pooled score lets through.

    Raises:
        DataError: no queries, or numbers out of range.   ModelError: the index is another model's, or `candidates` of a
            model without a pooled score.
        ScoreError: `scoring` asks for other tokens than the model keeps.
    """
    index.check(model)
    _check_candidates(model, candidates)
    scoring = _with_other_weights(model.scoring, scoring)
    _check_numbers(top_k, candidates)
    encoded = model.encode_query(_inputs(queries), batch_size=batch_size, show_progress_bar=show_progress_bar)
    return search_embeddings(
        queries_for_index(encoded, scoring),
        index.embeddings,
        index.document_ids,
        scoring,
        top_k=top_k,
        candidates=candidates,
        show_progress_bar=show_progress_bar,
    )


def search_folder(
    model: IndexEncoder | str | Path,
    folder: str | Path | SourceConfig,
    queries: Any | Sequence[Any],
    top_k: int = TOP_K,
    candidates: int | None = None,
    index_dir: str | Path | None = None,
    *,
    batch_size: int = BATCH_SIZE,
    show_progress_bar: bool | None = None,
    num_workers: int | None = None,
    documents: Mapping[str, ModelInput] | None = None,
) -> list[list[Hit]]:
    """Ranks the documents of `folder` for every query: page images and PDF files, or a collection of the formats of
    docs/data.md (see `encode_folder`). A page's id is its path inside the folder.

    Args:
        model: a `SmartModel`, or the path or Hub name of one.
        top_k, candidates: as `search`.
        index_dir: where to keep the encoded documents. A later call encodes only new and changed ones. None keeps
            nothing.
        num_workers: processes that decode pages while the model runs; None leaves it to the model.
        documents: what `collection` gave for `folder`, where it was called already.

    Raises: as `search` and `update_index`; whatever does not need the model is found before it is loaded.
    """
    check_request(folder, queries, top_k, candidates, index_dir)
    if isinstance(model, (str, Path)):
        # Here and not above: evaluation and training import this package and bring a model of their own.
        from smart_train.models import SmartModel

        model = SmartModel.from_pretrained(model)
    _check_candidates(model, candidates)
    options: dict[str, Any] = {"batch_size": batch_size, "show_progress_bar": show_progress_bar}
    if index_dir is None:
        index = encode_folder(model, folder, num_workers=num_workers, documents=documents, **options)
    else:
        index, _ = update_index(model, folder, index_dir, num_workers=num_workers, documents=documents, **options)
    return search(model, queries, index, top_k=top_k, candidates=candidates, **options)


def check_request(
    folder: str | Path | SourceConfig,
    queries: Any | Sequence[Any],
    top_k: int = TOP_K,
    candidates: int | None = None,
    index_dir: str | Path | None = None,
) -> None:
    """Raises DataError for what `search_folder` would refuse of its arguments, without a model."""
    check_queries(queries, top_k, candidates)
    is_collection(folder)
    if index_dir is not None:
        check_index_folder(index_dir)


def check_queries(queries: Any | Sequence[Any], top_k: int = TOP_K, candidates: int | None = None) -> None:
    """Raises DataError for what `search` would refuse of its arguments, without a model."""
    _check_numbers(top_k, candidates)
    _inputs(queries)


@torch.no_grad()
def search_embeddings(
    queries: Embeddings,
    documents: Embeddings,
    document_ids: Sequence[str],
    scoring: ScoringConfig,
    *,
    top_k: int = TOP_K,
    candidates: int | None = None,
    show_progress_bar: bool | None = None,
) -> list[list[Hit]]:
    """`search` for embeddings that exist already. Runs where `documents` are.

    Args:
        show_progress_bar: None shows one when scoring will take long.

    Raises:
        DataError: `top_k` or `candidates` out of range, or ids that do not match the documents.
    """
    _check_numbers(top_k, candidates)
    if len(document_ids) != len(documents):
        raise DataError(f"search: {len(documents)} documents but {len(document_ids)} document ids")
    queries = queries.to(documents.device)
    if candidates is None or candidates >= len(documents):
        return _exact(queries, documents, document_ids, scoring, top_k, show_progress_bar)
    return _two_stage(queries, documents, document_ids, scoring, top_k, candidates, show_progress_bar)


def _check_numbers(top_k: int, candidates: int | None) -> None:
    if top_k < 1:
        raise DataError(f"search: top_k is {top_k}; it must be at least 1")
    if candidates is not None and candidates < top_k:
        raise DataError(
            f"search: candidates is {candidates}, fewer than the top_k of {top_k} hits; raise candidates, or leave "
            "candidates out for an exact search"
        )


def _check_candidates(model: IndexEncoder, candidates: int | None) -> None:
    """Raises ModelError where there is no pooled score to choose candidates by."""
    if candidates is not None:
        check_pooled(model, f"candidates {candidates}", "leave candidates out: all documents are scored then")


def _inputs(queries: Any | Sequence[Any]) -> list[ModelInput]:
    """`queries` as a list. Raises DataError when there is none, or one asks for nothing."""
    items = [as_model_input(item) for item in (queries if isinstance(queries, (list, tuple)) else [queries])]
    if not items:
        raise DataError("search: there is no query; at least one is needed")
    for place, item in enumerate(items, 1):
        if not (item.text or "").strip() and not item.images and item.video is None:
            raise DataError(f"search: query {place} of {len(items)} is empty")
    return items


# A hit before it has a place: sorts by falling hybrid score, then by id.
_Found = tuple[float, str, float | None, float]


def _exact(
    queries: Embeddings,
    documents: Embeddings,
    ids: Sequence[str],
    scoring: ScoringConfig,
    top_k: int,
    show: bool | None,
) -> list[list[Hit]]:
    best: list[list[_Found]] = [[] for _ in range(len(queries))]
    work = len(queries.packed) * documents.packed.numel()
    # A rounded search is of use only where there are more documents than hits, and a query.
    selects = len(queries) > 0 and top_k < len(documents)
    rounded_search: RoundedSearch | None = None
    for column, some_documents in with_progress(
        document_blocks(documents), len(documents), unit="doc", work=work, show=show
    ):
        some_ids = ids[column : column + len(some_documents)]
        products = scan_products(EXACT, queries, some_documents, documents.device) if selects else EXACT
        if products != EXACT:
            rounded_search = rounded_search or RoundedSearch(queries, products, {"": scoring}, top_k)
            _merge(best, 0, _best_of_rounded(rounded_search, some_documents, some_ids, scoring, top_k), top_k)
            continue
        for row, some_queries in query_blocks(queries):
            _merge(best, row, _score(some_queries, some_documents, some_ids, scoring, top_k), top_k)
    return [_hits(items) for items in best]


def _merge(best: list[list[_Found]], row: int, block: Sequence[Sequence[_Found]], top_k: int) -> None:
    """Puts a block's best of the queries from `row` on among theirs: once per query, since it goes through all."""
    for query, items in enumerate(block, row):
        if items:
            best[query] = heapq.nsmallest(top_k, [*best[query], *items])


def _best_of_rounded(
    rounded_search: RoundedSearch, documents: Embeddings, ids: Sequence[str], scoring: ScoringConfig, top_k: int
) -> list[list[_Found]]:
    """Per query the best `top_k` of a block, found by products in the dtype of its tokens."""
    pairs, by_name = rounded_search.add(documents)
    scores = by_name[""].cpu()
    by_query = pairs[:, 1].argsort(stable=True)
    places: list[Tensor] = []
    for of_query in by_query.split(pairs[:, 1].bincount(minlength=len(rounded_search.queries)).tolist()):
        some_ids = [ids[document] for document in pairs[of_query, 0].tolist()]
        places.append(of_query[_best(scores[of_query], some_ids, top_k)])
    best = pairs[torch.cat(places).sort().values]  # pairs of one document lie together
    parts = pair_parts(rounded_search.queries, documents, best, pooled=not documents.late_only)
    hybrid, late = combine(parts, scoring).tolist(), parts.of("late").tolist()
    pooled = [None] * len(best) if parts.pooled is None else parts.pooled.tolist()
    items: list[list[_Found]] = [[] for _ in range(len(rounded_search.queries))]
    for (document, query), *item in zip(best.tolist(), hybrid, pooled, late, strict=True):
        items[query].append((-item[0], ids[document], item[1], item[2]))
    return items


def _two_stage(
    queries: Embeddings,
    documents: Embeddings,
    ids: Sequence[str],
    scoring: ScoringConfig,
    top_k: int,
    candidates: int,
    show: bool | None,
) -> list[list[Hit]]:
    hits: list[list[Hit]] = []
    work = len(queries.packed) * documents.packed.numel() * candidates // len(documents)
    for _, some_queries in with_progress(query_blocks(queries), len(queries), unit="query", work=work, show=show):
        pooled = score_parts(some_queries, documents, late=False).of("pooled")
        for i, row in enumerate(pooled.cpu()):
            query = take(some_queries, i, i + 1)
            best: list[_Found] = []
            for places in _gatherable(documents, _best(row, ids, candidates)):
                scored = _score(query, documents[places], [ids[j] for j in places], scoring, top_k)[0]
                best = heapq.nsmallest(top_k, [*best, *scored])
            hits.append(_hits(best))
    return hits


def _gatherable(documents: Embeddings, places: Sequence[int]) -> Iterator[list[int]]:
    """Runs of `places` whose documents are copied together: their tokens take at most `DOCUMENT_BLOCK_BYTES`."""
    token_bytes = documents.packed.element_size() * documents.packed.shape[1]
    offsets = documents.numbers
    run: list[int] = []
    held = 0
    for place in places:
        size = (offsets[place + 1] - offsets[place]) * token_bytes
        if run and held + size > DOCUMENT_BLOCK_BYTES:
            yield run
            run, held = [], 0
        run.append(place)
        held += size
    if run:
        yield run


def _score(
    queries: Embeddings, documents: Embeddings, ids: Sequence[str], scoring: ScoringConfig, top_k: int
) -> list[list[_Found]]:
    """Per query the best `top_k` of `documents`, sorted."""
    parts = score_parts(queries, documents, pooled=not queries.late_only)
    hybrid, late = combine(parts, scoring).cpu(), parts.of("late").cpu()
    pooled = None if parts.pooled is None else parts.pooled.cpu()

    def entry(i: int, j: int) -> _Found:
        return -float(hybrid[i, j]), ids[j], None if pooled is None else float(pooled[i, j]), float(late[i, j])

    return [[entry(i, j) for j in _best(hybrid[i], ids, top_k)] for i in range(len(queries))]


def _best(scores: Tensor, ids: Sequence[str], count: int) -> list[int]:
    """The places of the `count` highest of scores [n], best first, equals by id."""
    values = scores.numpy()
    places = np.arange(len(values))
    if len(values) > count:
        # All that reach the last place stay in until their ids decide.
        places = np.flatnonzero(values >= np.partition(values, len(values) - count)[len(values) - count])
    return sorted(places.tolist(), key=lambda i: (-values[i], ids[i]))[:count]


def _hits(entries: Sequence[_Found]) -> list[Hit]:
    return [
        Hit(identity, place, pooled, late, -score) for place, (score, identity, pooled, late) in enumerate(entries, 1)
    ]


def _with_other_weights(model_scoring: ScoringConfig, asked: ScoringConfig | None) -> ScoringConfig:
    if asked is None:
        return model_scoring
    for name, value in model_scoring.to_dict().items():
        if not name.endswith("_weight") and asked.to_dict()[name] != value:
            raise ScoreError(
                f"search: scoring.{name} is {asked.to_dict()[name]!r}, but the model keeps {value!r}; only the weights "
                "can be changed without encoding again"
            )
    return asked
