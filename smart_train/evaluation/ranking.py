"""From fp32 scores to rankings in which a tie never favours the right answer.

A model that cannot tell two pages apart gives them one score. `argsort` then keeps the order of the columns, and a
corpus that lists positives first looks retrieved when it was only sorted. Here equal scores are ordered by a hash of
the query id and the document id: the same on every machine and in every order of the documents, and unrelated to
which document is right. An untrained model therefore scores chance.

Shapes: Q queries, N documents, n documents of one block, k kept places.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

import numpy as np
from torch import Tensor

from smart_train.errors import DataError, ScoreError


def id_hashes(ids: Sequence[str], role: str) -> np.ndarray:
    """uint64 [len(ids)]: blake2b of every id, stable across machines and Python runs.

    `role` ("query" or "document") enters the hash: a query and its page often carry the same id, and without it such
    pairs would all mix to one key, the smallest.
    """

    def digest(item: str) -> bytes:
        return hashlib.blake2b(item.encode("utf-8", "surrogatepass"), digest_size=8, person=role.encode()).digest()

    return np.frombuffer(b"".join(map(digest, ids)), dtype="<u8").astype(np.uint64)


def tie_keys(query_hash: np.uint64, document_hashes: np.ndarray) -> np.ndarray:
    """uint64 [n]: the place of every document among equals of one query; smaller comes first.

    Both ids are hashed once (`id_hashes`) and the pair is mixed with the finaliser of SplitMix64 (Steele, Lea and
    Flood, 2014), so that a corpus in which everything ties costs N hashes and not Q times N. The finaliser is a
    bijection: two documents share a key only if the hashes of their ids are equal.
    """
    mixed = document_hashes ^ query_hash
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


class RankingBuilder:
    """Collects score blocks in any order and keeps the first `depth` documents of every query.

    Args:
        query_ids: Q different ids.
        document_ids: N different ids; blocks refer to them by column.
        depth: how many places are kept; at least 1.
        own: ids of queries that are documents too: each is left out of its own ranking, as BEIR does.

    The full [Q, N] matrix never has to exist: memory is Q times `depth` and one block. The result does not depend on
    how the matrix was cut, nor on the order of the documents.
    """

    def __init__(
        self, query_ids: Sequence[str], document_ids: Sequence[str], depth: int, own: Collection[str] = ()
    ) -> None:
        if depth < 1:
            raise DataError(f"RankingBuilder: depth is {depth}, it must be at least 1")
        for name, ids in (("query", query_ids), ("document", document_ids)):
            if len(set(ids)) != len(ids):
                raise DataError(
                    f"RankingBuilder: {len(ids)} {name} ids, but only {len(set(ids))} different ones; "
                    "each must be unique"
                )
        self.query_ids = list(query_ids)
        self.document_ids = list(document_ids)
        self.depth = depth
        self._query_hashes = id_hashes(self.query_ids, "query")
        self._document_hashes = id_hashes(self.document_ids, "document")
        columns = {identity: column for column, identity in enumerate(self.document_ids)} if own else {}
        self._left_out = {row: columns[query] for row, query in enumerate(self.query_ids) if query in own}
        self._scores = [np.empty(0, dtype=np.float32) for _ in self.query_ids]
        self._columns = [np.empty(0, dtype=np.int64) for _ in self.query_ids]

    def add(self, scores: Tensor, query_start: int = 0, document_start: int = 0) -> None:
        """Takes the block scores[i, j] = score of query `query_start + i` and document `document_start + j`.

        Args:
            scores: fp32 [q, n], any device. A narrower dtype is refused: it ties what the score told apart.

        Raises:
            ScoreError: another dtype or shape, NaN (named by query and document), or a block beyond the ids.
        """
        self._check(scores, query_start, document_start)
        block = scores.detach().cpu().numpy()
        columns = np.arange(document_start, document_start + block.shape[1])
        for row, values in enumerate(block):
            self._merge(query_start + row, values, columns)

    def kept(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Per query (scores fp32 [<= depth], columns int64 [<= depth]), best first."""
        return list(zip(self._scores, self._columns, strict=True))

    def merge(self, kept: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
        """Adds what another builder over the same ids has kept (for example another rank's documents)."""
        for row, (values, columns) in enumerate(kept):
            self._merge(row, values, columns)

    def rankings(self) -> list[list[str]]:
        """The document ids of every query, best first."""
        return [[self.document_ids[column] for column in columns] for columns in self._columns]

    def _merge(self, row: int, values: np.ndarray, columns: np.ndarray) -> None:
        if row in self._left_out:
            others = columns != self._left_out[row]
            values, columns = values[others], columns[others]
        if len(values) > self.depth:
            # Everything that reaches the last kept place stays in until the tie is decided by key.
            threshold = np.partition(values, len(values) - self.depth)[len(values) - self.depth]
            chosen = np.flatnonzero(values >= threshold)
            values, columns = values[chosen], columns[chosen]
        values = np.concatenate([self._scores[row], values])
        columns = np.concatenate([self._columns[row], columns])
        keys = tie_keys(self._query_hashes[row], self._document_hashes[columns])
        order = np.lexsort((keys, -values))[: self.depth]
        self._scores[row], self._columns[row] = values[order], columns[order]

    def _check(self, scores: Tensor, query_start: int, document_start: int) -> None:
        if scores.ndim != 2 or str(scores.dtype) != "torch.float32":
            raise ScoreError(
                f"RankingBuilder.add: scores are {tuple(scores.shape)} {scores.dtype}; they must be [q, n] float32"
            )
        rows, columns = scores.shape
        if query_start + rows > len(self.query_ids) or document_start + columns > len(self.document_ids):
            raise ScoreError(
                f"RankingBuilder.add: a block of {rows} x {columns} at ({query_start}, {document_start}) goes beyond "
                f"{len(self.query_ids)} queries x {len(self.document_ids)} documents"
            )
        bad = scores.isnan().nonzero()
        if len(bad):
            query, document = bad[0].tolist()
            raise ScoreError(
                f"{len(bad)} scores are NaN, the first for query {self.query_ids[query_start + query]!r} and document "
                f"{self.document_ids[document_start + document]!r}: NaN cannot be ranked"
            )


def rank_documents(
    scores: Tensor, query_ids: Sequence[str], document_ids: Sequence[str], depth: int | None = None
) -> list[list[str]]:
    """Document ids of every query, best first, from a whole fp32 score matrix [Q, N]; all N unless `depth` is given."""
    builder = RankingBuilder(query_ids, document_ids, depth=depth or max(1, len(document_ids)))
    builder.add(scores)
    return builder.rankings()
