"""From fp32 scores to rankings in which a tie never favours the right answer.

A model that cannot tell two pages apart gives them one score. `argsort` then keeps the order of the columns, and a
corpus that lists positives first looks retrieved when it was only sorted. Here equal scores are ordered by a hash of
the query id and the document id: the same on every machine and in every order of the documents, and unrelated to
which document is right. An untrained model therefore scores chance.

Shapes: Q queries, N documents, n documents of one block, k kept places.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Collection, Sequence

import numpy as np
from torch import Tensor

from smart_train.errors import DataError, ScoreError

_SLACK = 16  # places taken beyond `depth`, so that a few documents that share the last score need no second look
_CROWDED = 8  # times the depth: a longer list is merged alone
_NONE = -1  # the column of a place that no document has


def id_hashes(ids: Sequence[str], role: str) -> np.ndarray:
    """uint64 [len(ids)]: blake2b of every id, stable across machines and Python runs.

    `role` ("query" or "document") enters the hash: a query and its page often carry the same id, and without it such
    pairs would all mix to one key, the smallest.
    """

    def digest(item: str) -> bytes:
        return hashlib.blake2b(item.encode("utf-8", "surrogatepass"), digest_size=8, person=role.encode()).digest()

    return np.frombuffer(b"".join(map(digest, ids)), dtype="<u8").astype(np.uint64)


def tie_keys(query_hash: np.uint64 | np.ndarray, document_hashes: np.ndarray) -> np.ndarray:
    """uint64 [n]: the place of every document among equals of one query; smaller comes first. With hashes [q, 1] of
    several queries, and [q, n] or [n] of documents: [q, n].

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
        # A query's own column; -2, which no place has, where there is none.
        left_out = [columns.get(query, -2) if query in own else -2 for query in self.query_ids]
        self._left_out = np.array(left_out, dtype=np.int64)
        self._scores = np.full((len(self.query_ids), depth), -np.inf, dtype=np.float32)
        self._columns = np.full((len(self.query_ids), depth), _NONE, dtype=np.int64)

    def another(self) -> RankingBuilder:
        """A builder over the same ids and depth that has taken nothing yet: hashes are made once for several scores."""
        other = copy.copy(self)
        other._scores, other._columns = np.full_like(self._scores, -np.inf), np.full_like(self._columns, _NONE)
        return other

    def add(self, scores: Tensor, query_start: int = 0, document_start: int = 0) -> None:
        """Takes the block scores[i, j] = score of query `query_start + i` and document `document_start + j`.

        Args:
            scores: fp32 [q, n], any device. A narrower dtype is refused: it ties what the score told apart.

        Raises:
            ScoreError: another dtype or shape, NaN (named by query and document), or a block beyond the ids.
        """
        self._check(scores, query_start, document_start)
        scores = scores.detach()
        rows, count = np.arange(query_start, query_start + len(scores)), scores.shape[1]
        width = self.depth + 1 + _SLACK  # one more for the query's own document
        if width >= count:
            columns = np.arange(document_start, document_start + count)
            self._merge(rows, scores.cpu().numpy(), np.broadcast_to(columns, scores.shape))
            return
        best, places = scores.topk(width, dim=1)
        values, columns = best.cpu().numpy(), places.cpu().numpy() + document_start
        # Where the last one taken equals the last that counts, others may do so too: their keys decide.
        crowded = values[:, -1] == values[:, self.depth]
        self._merge(rows[~crowded], values[~crowded], columns[~crowded])
        for row in np.flatnonzero(crowded):
            reach = (scores[row] >= float(values[row, self.depth])).nonzero()[:, 0]
            document_columns = reach.cpu().numpy() + document_start
            self._merge(rows[row : row + 1], scores[row, reach].cpu().numpy()[None], document_columns[None])

    def kept(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Per query (scores fp32 [<= depth], columns int64 [<= depth]), best first."""
        counts = (self._columns != _NONE).sum(axis=1)
        return [(self._scores[row, :count], self._columns[row, :count]) for row, count in enumerate(counts)]

    def merge(self, rankings: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
        """Adds what another builder over the same ids has kept (for example another rank's documents), or scores of
        some documents that differ from query to query. Each query's may be of any number and in any order."""
        lengths = np.array([len(values) for values, _ in rankings], dtype=np.int64)
        # One query with a list of ten thousand would otherwise make every other's as long.
        crowded = lengths > _CROWDED * self.depth
        for rows in (np.flatnonzero(~crowded), *np.flatnonzero(crowded)[:, None]):
            longest = lengths[rows].max(initial=0)
            values = np.full((len(rows), longest), -np.inf, dtype=np.float32)
            columns = np.full((len(rows), longest), _NONE, dtype=np.int64)
            for at, row in enumerate(rows):
                values[at, : lengths[row]], columns[at, : lengths[row]] = rankings[row]
            self._merge(rows, values, columns)

    def rankings(self) -> list[list[str]]:
        """The document ids of every query, best first."""
        return [[self.document_ids[column] for column in columns] for _, columns in self.kept()]

    def _merge(self, rows: np.ndarray, values: np.ndarray, columns: np.ndarray) -> None:
        """Keeps the best `depth` of what these rows have and of values and columns [len(rows), w]."""
        columns = np.where(columns == self._left_out[rows, None], _NONE, columns)
        values = np.concatenate([self._scores[rows], values], axis=1)
        columns = np.concatenate([self._columns[rows], columns], axis=1)
        keys = tie_keys(self._query_hashes[rows, None], self._document_hashes[columns])
        order = np.lexsort((keys, -values, columns == _NONE), axis=1)[:, : self.depth]
        self._scores[rows] = np.take_along_axis(values, order, axis=1)
        self._columns[rows] = np.take_along_axis(columns, order, axis=1)

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
        if not scores.sum().isnan():  # a fraction of a look at every score
            return
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
