"""Runs a model over an evaluation set: one encoding, three scores (one of a model that is late only), ranked in fp32.

Across ranks queries move and documents stay (a page is a thousand tokens, a query forty): each rank encodes its slice
of both, gets all queries, ranks them over its own documents, and the short lists are merged. Every rank returns the
same result, the one that a single process returns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from smart_train.distributed import gather_objects, is_main, on_main, rank, world_size
from smart_train.errors import DataError
from smart_train.evaluation.metrics import chance, check_ks, depth_for, score_rankings
from smart_train.evaluation.ranking import RankingBuilder
from smart_train.evaluation.result import EvaluationResult
from smart_train.evaluation.sets import EvaluationSet
from smart_train.evaluation.shared_encoding import done_on_all
from smart_train.retrieval.blocks import (
    DOCUMENT_BLOCK_BYTES,
    QUERY_BLOCK,
    document_blocks,
    query_blocks,
    take,
    with_progress,
)
from smart_train.retrieval.encoder import Encoder, check_readable, with_workers
from smart_train.retrieval.rounded_search import Rescored, RoundedSearch
from smart_train.scoring import ScoringConfig, combine, score_parts
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.hybrid import pooled_scores
from smart_train.scoring.index_form import documents_for_index, queries_for_index
from smart_train.scoring.product import check_products
from smart_train.scoring.rounding_bounds import EXACT, scan_products
from smart_train.types import ModelInput
from smart_train.utils.excerpts import beginning
from smart_train.utils.terms import SCORES

_RESIDENT_BYTES = 4 * 2**30  # queries' tokens that are kept where scores are computed; more are sent block by block
_GATHERED_BYTES = 256 * 2**20  # scores that wait to be ranked
SHOWN_DOCUMENTS = 5  # of each ranking, kept for reports
LONGEST_TEXT = 1_000  # characters of a query, likewise
LONGEST_BEGINNING = 100  # characters of a document, likewise


class RetrievalEvaluator:
    """nDCG, recall and MRR of a model on one evaluation set.

    Args:
        evaluation_set: queries, corpus and judgements.
        ks: cut-offs of nDCG and recall.
        batch_size: items the model encodes at once.
        show_progress_bar: handed to the model's encode methods, on the main rank; None shows one of the scoring, too,
            when it takes long.
        query_block: queries scored at once.
        num_workers: processes that decode and tokenise ahead of the model; None leaves it to the model.
        document_block_bytes: bytes of document tokens scored (and, on an accelerator, held) at once.
        products: "exact", fp32; or "bfloat16" or "float16": products of rounded tokens, several times as fast on a GPU,
            find what may be among the first, and that is scored again in fp32. The ranking is the same. "exact" does so
            too, in the stored dtype, where documents are stored in 16 bits, the device multiplies them as they are, and
            the queries' tokens fit on it (4 GiB).

    Attributes:
        rescored: how much of the last ranking, by all ranks, was scored again by fp32 products, also where "exact"
            chose products in the stored dtype itself; nothing where all products were fp32 at once.
    """

    def __init__(
        self,
        evaluation_set: EvaluationSet,
        ks: Sequence[int] = (1, 5, 10),
        batch_size: int = 32,
        *,
        show_progress_bar: bool | None = None,
        query_block: int = QUERY_BLOCK,
        document_block_bytes: int = DOCUMENT_BLOCK_BYTES,
        num_workers: int | None = None,
        products: str = EXACT,
    ) -> None:
        check_products(products, "RetrievalEvaluator: products")
        if batch_size < 1 or query_block < 1 or document_block_bytes < 1:
            raise DataError(
                f"RetrievalEvaluator: batch_size={batch_size}, query_block={query_block}, "
                f"document_block_bytes={document_block_bytes}; each must be at least 1"
            )
        self.evaluation_set = evaluation_set
        self.ks = check_ks(ks)
        self.batch_size = batch_size
        self.show_progress_bar = show_progress_bar
        self.query_block = query_block
        self.document_block_bytes = document_block_bytes
        self.num_workers = num_workers
        self.products = products
        self.rescored = Rescored()

    def __call__(self, model: Encoder) -> EvaluationResult:
        """Encodes queries and corpus with `model` (a `SmartModel`) and ranks them by `model.scoring`, documents as an
        index would keep them.

        Under several ranks every rank must call this; all get the same result.

        Raises:
            DataError: queries or documents with an image or a video that the model does not read.
            RunError: encoding or ranking failed on another rank.
        """
        data = self.evaluation_set
        for names, items, kind in (
            (data.query_ids, data.queries, "queries"),
            (data.document_ids, data.documents, "documents"),
        ):
            named = list(zip(names, items, strict=True))
            on_main(partial(check_readable, model, named, f"evaluation set, {kind}"))
        # The ranks of a sharded model wait for each other inside its forward, and cannot hear of a failure.
        in_step = getattr(model, "in_step", False)
        queries, documents, first_document = (
            self._encode_share(model) if in_step else done_on_all(partial(self._encode_share, model))
        )
        queries = _gather_embeddings(queries, len(data.queries), self.query_block)
        device = torch.device(model.device)
        builders = done_on_all(partial(self._rank, queries, documents, first_document, model.scoring, device))
        if world_size() > 1:
            gathered = gather_objects(({score: builder.kept() for score, builder in builders.items()}, self.rescored))
            for other, (lists, _) in enumerate(gathered):
                if other != rank():
                    for score, builder in builders.items():
                        builder.merge(lists[score])
            counts = [count for _, count in gathered]
            self.rescored = Rescored(sum(count.scores for count in counts), sum(count.again for count in counts))
        return self._result(builders, model.scoring, _sizes(documents))

    def score_embeddings(
        self, queries: Embeddings, documents: Embeddings, scoring: ScoringConfig, device: str | torch.device = "cpu"
    ) -> EvaluationResult:
        """The result for embeddings that exist already, in the order of the evaluation set: other weights or compressed
        tokens need no second encoding. Works in this process alone.

        Raises:
            DataError: numbers of items that are not those of the evaluation set.
        """
        expected = (len(self.evaluation_set.queries), len(self.evaluation_set.documents))
        if (len(queries), len(documents)) != expected:
            raise DataError(
                f"score_embeddings: {len(queries)} queries and {len(documents)} documents were given, the evaluation "
                f"set has {expected[0]} and {expected[1]}"
            )
        sizes = _own_sizes(documents)
        return self._result(self._rank(queries, documents, 0, scoring, torch.device(device)), scoring, sizes)

    def _encode_share(self, model: Encoder) -> tuple[Embeddings, Embeddings, int]:
        """This rank's queries and documents as an index would ask and keep them, and the first document's place."""
        queries, _ = self._encode(model.encode_query, self.evaluation_set.queries)
        documents, first_document = self._encode(model.encode_document, self.evaluation_set.documents)
        return (
            queries_for_index(queries, model.scoring),
            documents_for_index(documents, model.scoring),
            first_document,
        )

    def _encode(self, encode: Callable[..., Embeddings], items: Sequence[ModelInput]) -> tuple[Embeddings, int]:
        """This rank's slice, encoded, and its first item.

        Every rank encodes equally many, the last ones again where the slices do not come out even: a sharded model's
        forward is collective, and a rank with one batch less would leave the others waiting.
        """
        share = -(-len(items) // world_size())
        start = min(rank() * share, len(items))
        stop = min(start + share, len(items))
        padded = [*items[start:stop], *([items[-1]] * (share - (stop - start)))]
        options = with_workers(self.batch_size, self.num_workers)
        shown = self.show_progress_bar if is_main() else False
        encoded = encode(padded, show_progress_bar=shown, **options)
        return take(encoded, 0, stop - start), start

    def _rank(
        self,
        queries: Embeddings,
        documents: Embeddings,
        first_document: int,
        scoring: ScoringConfig,
        device: torch.device,
    ) -> dict[str, RankingBuilder]:
        """The best of `documents`, which are the corpus's items from `first_document` on, for every query and score."""
        data = self.evaluation_set
        depth = depth_for(self.ks)
        # Of a model without pooled vectors, a hybrid score would be the late one once more, under another name.
        scores = ("late",) if documents.late_only else SCORES
        empty = RankingBuilder(data.query_ids, data.document_ids, depth, data.own)
        builders = {score: empty.another() for score in scores}
        self.rescored = Rescored()
        resident = queries.packed.numel() * queries.packed.element_size() <= _RESIDENT_BYTES
        # A rounded search holds all queries on the device; so many of them are only sent there whole if that was asked
        # for.
        products = scan_products(self.products, queries, documents, device) if resident else self.products
        if products != EXACT:
            self._rank_by_rounded(builders, queries.to(device), documents, first_document, scoring, products)
            return builders
        gathered = _Gathered(builders, len(queries))
        blocks = document_blocks(documents, self.document_block_bytes)
        work = len(queries.packed) * documents.packed.numel()
        if resident:  # once, and not again for every block of documents
            queries = queries.to(device)
        for column, some_documents in with_progress(
            blocks, len(documents), unit="doc", work=work, show=self.show_progress_bar
        ):
            some_documents = some_documents.to(device)
            for row, some_queries in query_blocks(queries, self.query_block):
                with torch.no_grad():
                    query_block = some_queries if resident else some_queries.to(device)
                    parts = score_parts(query_block, some_documents, pooled="pooled" in scores)
                    hybrid = combine(parts, scoring)
                block = {name: hybrid if name == "hybrid" else parts.of(name) for name in scores}
                gathered.add(block, row, first_document + column)
        gathered.flush()
        return builders

    def _rank_by_rounded(
        self,
        builders: dict[str, RankingBuilder],
        queries: Embeddings,
        documents: Embeddings,
        first_document: int,
        scoring: ScoringConfig,
        products: str,
    ) -> None:
        """As `_rank`, into `builders`, by narrow products where tokens are multiplied."""
        named = {"late": ScoringConfig(pooled_weight=0.0), "hybrid": scoring}
        scorings = {name: named[name] for name in builders if name != "pooled"}
        # One more for a query's own document, which is left out.
        depth = 1 + next(iter(builders.values())).depth
        rounded_search = RoundedSearch(queries, products, scorings, depth, query_block=self.query_block)
        ranks_pooled = "pooled" in builders  # which a late-only model has not
        pooled = _Gathered({"pooled": builders["pooled"]}, len(queries)) if ranks_pooled else None
        waiting = _Chosen({name: builders[name] for name in scorings})
        work = len(queries.packed) * documents.packed.numel()
        for column, block in with_progress(
            document_blocks(documents, self.document_block_bytes),
            len(documents),
            unit="doc",
            work=work,
            show=self.show_progress_bar,
        ):
            some = block.to(queries.device)
            pairs, scores = rounded_search.add(some)
            waiting.add(pairs, scores, first_document + column)
            if pooled is not None:
                for row, asked in query_blocks(queries, self.query_block):
                    near = pooled_scores(asked.pooled, some.pooled)
                    pooled.add({"pooled": near}, row, first_document + column)
        if pooled is not None:
            pooled.flush()
        waiting.flush()
        self.rescored = rounded_search.count

    def _result(
        self, builders: dict[str, RankingBuilder], scoring: ScoringConfig, sizes: dict[str, int]
    ) -> EvaluationResult:
        """`sizes`: bytes of all documents together."""
        data = self.evaluation_set
        rankings = {score: builder.rankings() for score, builder in builders.items()}
        first_documents = {score: [ids[:SHOWN_DOCUMENTS] for ids in lists] for score, lists in rankings.items()}
        shown = {document for lists in first_documents.values() for ids in lists for document in ids}
        shown.update(document for grades in data.qrels.values() for document, grade in grades.items() if grade)
        return EvaluationResult(
            query_ids=list(data.query_ids),
            per_query={
                score: score_rankings(dict(zip(data.query_ids, lists, strict=True)), data.qrels, self.ks)
                for score, lists in rankings.items()
            },
            documents=len(data.documents),
            chance=chance(data.qrels, len(data.documents), self.ks, data.own),
            scoring=scoring.to_dict(),
            measured_on=data.name,
            own=len(data.own),
            query_texts=[_in_words(query) for query in data.queries],
            relevant=[
                {document: grade for document, grade in data.qrels[query].items() if grade} for query in data.query_ids
            ],
            found=first_documents,
            document_texts={
                identity: beginning(document.text, LONGEST_BEGINNING)
                for identity, document in zip(data.document_ids, data.documents, strict=True)
                if identity in shown and document.text and not document.images and document.video is None
            },
            document_bytes={part: size / len(data.documents) for part, size in sizes.items()},
        )


class _Gathered:
    """Holds narrow blocks of scores until there are enough columns to be ranked together: a block of pages has two
    dozen columns, and choosing the best of ten thousand costs hardly more.

    Args:
        builders: what ranks, by score. queries: how many there are in all.
    """

    def __init__(self, builders: dict[str, RankingBuilder], queries: int) -> None:
        self.builders = builders
        self._columns = _GATHERED_BYTES // (4 * len(builders) * queries)
        self._waiting: dict[int, tuple[int, list[dict[str, Tensor]]]] = {}

    def add(self, block: dict[str, Tensor], row: int, column: int) -> None:
        """Takes fp32 [q, n] of every score, the next n columns of these queries."""
        first, blocks = self._waiting.setdefault(row, (column, []))
        blocks.append(block)
        if column + next(iter(block.values())).shape[1] - first >= self._columns:
            self._rank(row)

    def flush(self) -> None:
        """Ranks what is left."""
        for row in list(self._waiting):
            self._rank(row)

    def _rank(self, row: int) -> None:
        first, blocks = self._waiting.pop(row)
        for score, builder in self.builders.items():
            builder.add(torch.cat([block[score] for block in blocks], dim=1), row, first)


class _Chosen:
    """Holds scores of chosen pairs until there are enough of them to be ranked together.

    Args:
        builders: what ranks, by score.
    """

    def __init__(self, builders: dict[str, RankingBuilder]) -> None:
        self.builders = builders
        self._waiting: list[tuple[Tensor, dict[str, Tensor]]] = []
        self._held = 0

    def add(self, pairs: Tensor, scores: dict[str, Tensor], column: int) -> None:
        """Takes int64 pairs [P, 2], (document, query), the documents counted from `column` on, and their scores."""
        self._waiting.append((pairs + torch.tensor([column, 0]), {name: part.cpu() for name, part in scores.items()}))
        self._held += len(pairs) * (16 + 4 * len(scores))
        if self._held >= _GATHERED_BYTES:
            self.flush()

    def flush(self) -> None:
        """Ranks what is held."""
        if not self._waiting:
            return
        pairs = torch.cat([part for part, _ in self._waiting])
        order = pairs[:, 1].argsort(stable=True)
        queries = len(next(iter(self.builders.values())).query_ids)
        stops = pairs[:, 1].bincount(minlength=queries).cumsum(0)[:-1].numpy()
        columns = np.split(pairs[order, 0].numpy(), stops)
        for name, builder in self.builders.items():
            scores = torch.cat([part[name] for _, part in self._waiting])[order].numpy()
            builder.merge(list(zip(np.split(scores, stops), columns, strict=True)))
        self._waiting, self._held = [], 0


def _own_sizes(documents: Embeddings) -> dict[str, int]:
    """Bytes of the pooled vectors, and of the token states."""
    scales = 0 if documents.scales is None else documents.scales.nbytes
    return {"pooled": documents.pooled.nbytes, "tokens": documents.packed.nbytes + scales}


def _sizes(of_this_rank: Embeddings) -> dict[str, int]:
    """The same, of all ranks' documents together."""
    parts = gather_objects(_own_sizes(of_this_rank)) if world_size() > 1 else [_own_sizes(of_this_rank)]
    return {name: sum(part[name] for part in parts) for name in parts[0]}


def _in_words(query: ModelInput) -> str:
    """A query for a reader's table: its text, and that there is an image or a video."""
    seen = [f"({len(query.images)} images)" if len(query.images) > 1 else "(an image)"] if query.images else []
    seen += ["(a video)"] if query.video is not None else []
    text = " ".join([*seen, query.text or ""]).strip()
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 3] + "..."


def _gather_embeddings(of_this_rank: Embeddings, total: int, block: int) -> Embeddings:
    """All ranks' items in rank order, fetched `block` items of each rank at a time to bound the pickles."""
    if world_size() == 1:
        return of_this_rank
    share = -(-total // world_size())
    rounds: list[list[Embeddings]] = []
    for start in range(0, share, block):
        # A copy: a view, such as `take` gives, pickles the whole storage behind it.
        rounds.append(gather_objects(of_this_rank[start : start + block]))
    return Embeddings.concatenate(part[i] for i in range(world_size()) for part in rounds)
