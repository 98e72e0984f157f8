"""Every query against an encoded corpus that does not fit in memory: one pass over its shards, resumable.

    exact       every document's score; the best `depth` of each query are kept while shards go by
    two stages  the pooled scores choose `candidates` documents of each query; only those pairs are scored in full

Whatever a query's ranking, the scores of its known positives are always computed: rules relative to them need them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from smart_train.errors import DataError
from smart_train.retrieval.blocks import QUERY_BLOCK, document_blocks, query_blocks
from smart_train.retrieval.rounded_search import Rescored, RoundedSearch
from smart_train.retrieval.shards import EmbeddingShards
from smart_train.scoring import PackedDocuments, ScoringConfig, combine
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.packed import AS_STORED
from smart_train.scoring.pairs import pair_parts
from smart_train.scoring.rounding_bounds import EXACT, scan_products
from smart_train.utils.differences import for_digest
from smart_train.utils.tensors import load_tensors, save_tensors

_VECTORS = 8_192  # pooled vectors that are searched at once where there are no tokens
# Those of version 0.1.0, which are in the keys of all its searches.
_FIRST_SCORING_SETTINGS = ("pooled_weight", "late_weight", "layer", "query_tokens", "document_tokens", "pooled_token")


class Ranking(NamedTuple):
    """One query's documents: int64 places [k] and their fp32 scores [k], best first, equals by place; and the score of
    each known positive, wherever it ranks."""

    places: Tensor
    scores: Tensor
    positives: dict[int, float]


@dataclass
class _State:
    """How far the pass over the shards has come. `best` [Q, <= depth] and `places` hold the exact search's hits so far,
    `pair_scores` [P] those of the pairs that lie in shards gone by."""

    shards_done: int
    best: Tensor
    places: Tensor
    pair_scores: Tensor


class CorpusSearch:
    """Ranks the documents of `documents` for all `queries`.

    Args:
        queries: Q items, all in memory. documents: N items in shards.
        positives: per query, the places of its known positives.
        scoring: weights of the two scores.
        depth: documents kept per query.
        candidates: None is exact; otherwise how many documents of each query its pooled scores let through.
        file: where progress is kept; that of two stages in files beside it, one a shard.
        device: where scores are computed.
        products: "exact", or the dtype of the products by which an exact search finds what may be among the best (see
            `RoundedSearch`); the ranking is the same. "exact" takes the stored dtype where `scan_products` says so.

    Attributes:
        rescored: what was scored again, also by the process that this search continues.
    """

    def __init__(
        self,
        queries: Embeddings,
        documents: EmbeddingShards,
        positives: Sequence[set[int]],
        scoring: ScoringConfig,
        *,
        depth: int,
        candidates: int | None,
        file: Path,
        device: str | torch.device = "cpu",
        products: str = EXACT,
    ) -> None:
        self.products, self.rescored = products, Rescored()
        self._rounded_search: RoundedSearch | None = None
        self.queries = queries.to(device)
        self.documents, self.positives, self.scoring = documents, positives, scoring
        self.depth, self.candidates, self.device = depth, candidates, device
        self.path = file
        # Progress made with another answer to any of these is worth nothing here; a greater depth serves a smaller one.
        scored = for_digest(scoring.to_dict(), ScoringConfig().to_dict(), _FIRST_SCORING_SETTINGS)
        answers = [scored, candidates, [sorted(places) for places in positives]]
        self.key = hashlib.blake2b(json.dumps(answers, sort_keys=True).encode(), digest_size=16).hexdigest()

    @torch.no_grad()
    def run(self, *, show_progress_bar: bool | None = None) -> list[Ranking]:
        """The ranking of every query, in their order."""
        pairs = self._pairs()
        state = self._resume(len(pairs))
        disable = None if show_progress_bar is None else not show_progress_bar
        with tqdm(total=len(self.documents), desc="Searching shards", leave=False, disable=disable) as bar:
            bar.update(state.shards_done)
            # Vectors alone are small: the best of some thousands cost hardly more to find than those of a shard.
            together = 1 if self.documents.tokens else max(_VECTORS // self.documents.size, 1)
            for first in range(state.shards_done, len(self.documents), together):
                shards = range(first, min(first + together, len(self.documents)))
                self._score_shards(shards, pairs, state)
                state.shards_done = shards.stop
                self._save(state, self._of_shards(shards, pairs))
                bar.update(len(shards))
        return self._rankings(pairs, state)

    def _pairs(self) -> Tensor:
        """int64 [P, 2]: (document, query) pairs to be scored one by one, sorted, so that a shard's lie together."""
        count = len(self.queries)
        # One number for a pair: a large corpus has tens of millions of them.
        pair_numbers = [
            torch.tensor([place * count + query for query, places in enumerate(self.positives) for place in places])
        ]
        if self.candidates is not None:
            pooled = PackedDocuments(self.documents.load_pooled(self.device))
            by_pooled = ScoringConfig(late_weight=0.0)
            for row, some in query_blocks(self.queries):
                near = pooled.top_k(some, self.candidates, by_pooled, show_progress_bar=False).indices.cpu()
                pair_numbers.append((near * count + torch.arange(row, row + len(some))[:, None]).flatten())
        pairs = torch.cat(pair_numbers).unique()
        return torch.stack([pairs // count, pairs % count], dim=1)

    def _score_shards(self, shards: range, pairs: Tensor, state: _State) -> None:
        start = self.documents.places(shards.start).start
        documents = Embeddings.concatenate(self.documents.load(shard, self.device) for shard in shards)
        in_shards = self._of_shards(shards, pairs)
        state.pair_scores[in_shards] = self._pair_scores(documents, pairs[in_shards], start)
        if self.candidates is not None:
            return
        products = scan_products(self.products, self.queries, documents, self.device)
        if products != EXACT:
            for first, block in document_blocks(documents):  # tokens are copied to be rounded, so not all at once
                self._score_rounded(block, start + first, state, products)
            return
        packed = PackedDocuments(documents, dtype=AS_STORED)
        best, best_places = [], []
        for row, some in query_blocks(self.queries):
            near = packed.top_k(some, self.depth, self.scoring, show_progress_bar=False)
            rows = slice(row, row + len(some))
            # Kept ones come from earlier shards and a stable sort keeps them ahead of their equals.
            scores, order = torch.cat([state.best[rows], near.scores.cpu()], 1).sort(
                dim=1, descending=True, stable=True
            )
            merged = torch.cat([state.places[rows], near.indices.cpu() + start], 1).gather(1, order)
            best.append(scores[:, : self.depth])
            best_places.append(merged[:, : self.depth])
        state.best, state.places = torch.cat(best), torch.cat(best_places)

    def _score_rounded(self, documents: Embeddings, start: int, state: _State, products: str) -> None:
        if self._rounded_search is None:
            earlier_best = {"": state.best} if state.best.shape[1] else None
            self._rounded_search = RoundedSearch(
                self.queries, products, {"": self.scoring}, self.depth, best=earlier_best
            )
            self._rounded_search.count = self.rescored
        pairs, exact_scores = self._rounded_search.add(documents)
        scores = exact_scores[""].cpu()
        order = pairs[:, 1].argsort(stable=True)
        bounds = torch.searchsorted(pairs[order, 1], torch.arange(0, len(self.queries) + QUERY_BLOCK, QUERY_BLOCK))
        best, places = [], []
        for row, stop in zip(range(0, len(self.queries), QUERY_BLOCK), bounds[1:].tolist(), strict=True):
            rows = slice(row, min(row + QUERY_BLOCK, len(self.queries)))
            in_block = order[bounds[row // QUERY_BLOCK] : stop]
            block = torch.full((rows.stop - row, len(documents)), -torch.inf)
            block[pairs[in_block, 1] - row, pairs[in_block, 0]] = scores[in_block]
            of_block = torch.arange(start, start + len(documents)).expand(rows.stop - row, -1)
            # Kept ones come from earlier shards and a stable sort keeps them ahead of their equals.
            merged, at = torch.cat([state.best[rows], block], 1).sort(dim=1, descending=True, stable=True)
            best.append(merged[:, : self.depth])
            places.append(torch.cat([state.places[rows], of_block], 1).gather(1, at)[:, : self.depth])
        state.best, state.places = torch.cat(best), torch.cat(places)

    def _of_shards(self, shards: range, pairs: Tensor) -> slice:
        """Which pairs lie in neighbouring shards."""
        bounds = torch.tensor([self.documents.places(shards.start).start, self.documents.places(shards[-1]).stop])
        return slice(*torch.searchsorted(pairs[:, 0].contiguous(), bounds).tolist())

    def _pair_scores(self, documents: Embeddings, pairs: Tensor, start: int) -> Tensor:
        """fp32 [p], on the CPU."""
        weights = self.scoring
        shard_pairs = torch.stack([pairs[:, 0] - start, pairs[:, 1]], dim=1)
        parts = pair_parts(
            self.queries, documents, shard_pairs, pooled=weights.pooled_weight > 0, late=weights.late_weight > 0
        )
        return combine(parts, weights).cpu()

    def _rankings(self, pairs: Tensor, state: _State) -> list[Ranking]:
        counts = pairs[:, 1].bincount(minlength=len(self.queries)).tolist()
        by_query = pairs[:, 1].argsort(stable=True)
        rankings = []
        for query, (places, scores) in enumerate(
            zip(pairs[by_query, 0].split(counts), state.pair_scores[by_query].split(counts), strict=True)
        ):
            positive_places = sorted(self.positives[query])
            at = np.searchsorted(places.numpy(), positive_places)  # pairs are sorted by place
            positives = dict(zip(positive_places, scores.numpy()[at].tolist(), strict=True))
            if self.candidates is None:
                rankings.append(Ranking(state.places[query], state.best[query], positives))
            else:  # equals stay sorted by place
                best, order = scores.sort(descending=True, stable=True)
                rankings.append(Ranking(places[order][: self.depth], best[: self.depth], positives))
        return rankings

    def _resume(self, pairs: int) -> _State:
        """What an earlier process got to, if it asked the same."""
        count = len(self.queries)
        state = _State(
            0, torch.empty(count, 0), torch.empty(count, 0, dtype=torch.int64), torch.full((pairs,), float("nan"))
        )
        if self.candidates is not None:
            self._resume_pairs(state)
        elif self.path.is_file():
            tensors, about = self._load(self.path)
            if about["key"] == self.key and int(about["depth"]) >= self.depth:
                self.depth = int(about["depth"])
                state = _State(int(about["shards_done"]), *(tensors[name] for name in ("best", "places", "pairs")))
                self.rescored = Rescored(int(about.get("scores", 0)), int(about.get("again", 0)))
        return state

    def _resume_pairs(self, state: _State) -> None:
        for shard in range(len(self.documents)):
            if not self._pairs_path(shard).is_file():
                return
            tensors, about = self._load(self._pairs_path(shard))
            if about["key"] != self.key:
                return
            first = int(about["first"])
            state.pair_scores[first : first + len(tensors["pairs"])] = tensors["pairs"]
            state.shards_done = shard + 1

    @staticmethod
    def _load(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
        try:
            return load_tensors(path)
        except DataError as error:
            raise DataError(f"{error}; delete it, and the search begins again") from error

    def _pairs_path(self, shard: int) -> Path:
        return self.path.with_name(f"{self.path.stem}-pairs-{shard:05d}{self.path.suffix}")

    def _save(self, state: _State, scored: slice) -> None:
        """What the last shard has added. Chosen pairs are many, and are written once, by themselves: written again
        with every shard, they would grow with the square of the corpus."""
        if self.candidates is not None:
            about = {"key": self.key, "first": str(scored.start)}
            save_tensors(self._pairs_path(state.shards_done - 1), {"pairs": state.pair_scores[scored].clone()}, about)
            return
        tensors = {"best": state.best, "places": state.places, "pairs": state.pair_scores}
        about = {"key": self.key, "depth": str(self.depth), "shards_done": str(state.shards_done)}
        if self.rescored.scores:
            about |= {"scores": str(self.rescored.scores), "again": str(self.rescored.again)}
        save_tensors(self.path, tensors, about)
