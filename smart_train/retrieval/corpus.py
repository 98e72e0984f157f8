"""Which documents and queries a set of training rows holds, each once, and which answer which.

Pages may be megabytes each, so nothing but keys is kept: `documents` and `queries` read the rows again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from tqdm.auto import tqdm

from smart_train.data.keys import content_key
from smart_train.errors import DataError
from smart_train.types import Example, ModelInput

_HANDED_OVER = 16  # rows that a thread reads at a time


@dataclass(frozen=True)
class _RowKeys:
    query: int
    as_document: int
    query_id: str
    documents: tuple[int, ...]
    document_ids: tuple[str, ...]
    shows: bool


@dataclass
class RowCorpus:
    """The distinct documents and queries of `examples`, in the order of their first appearance.

    Two documents are one when their content is the same (a page, wherever its file lies); so are two queries.

    Args:
        examples: rows; positives and explicit negatives all belong to the corpus.
        extra: (id, document) of documents that answer none of the queries.
        show_progress_bar: None shows it on a terminal.

    Attributes:
        row_query: int per row, the place of its query. row_positive: int per row, the place of its positive.
        positives: per query, the places of all documents that answer it: the positives of every row that asks it (the
            same content or the same query id), and whatever carries the id of one of them. A query that is a document
            itself is among them too: it is not a negative of itself.

        shows: whether any document is an image or a video, or has one.

    Raises:
        DataError: there are no rows, or a file cannot be read.
    """

    examples: Sequence[Example]
    extra: Sequence[tuple[str, ModelInput]] = ()
    show_progress_bar: bool | None = None
    row_query: list[int] = field(init=False)
    row_positive: list[int] = field(init=False)
    positives: list[set[int]] = field(init=False)
    shows: bool = field(init=False)

    def __post_init__(self) -> None:
        if not self.examples:
            raise DataError("mining: there are no rows to mine negatives for")
        rows = self._read_keys()
        self.shows = any(keys.shows for keys in rows) or any(_shows(document) for _, document in self.extra)
        self._document_keys: dict[int, int] = {}
        self._document_places: list[tuple[int, int]] = []  # (row, position); row -1: of `extra`
        ids_of: list[set[str]] = []
        for row, keys in enumerate(rows):
            for position, (key, identity) in enumerate(zip(keys.documents, keys.document_ids, strict=True)):
                self._add_document(key, identity, (row, position), ids_of)
        for position, (identity, document) in enumerate(self.extra):
            self._add_document(content_key(document), identity, (-1, position), ids_of)
        self._keys = list(self._document_keys)
        self._query_keys = {key: place for place, key in enumerate(dict.fromkeys(keys.query for keys in rows))}
        self.row_query = [self._query_keys[keys.query] for keys in rows]
        self.row_positive = [self._document_keys[keys.documents[0]] for keys in rows]
        self._query_rows = [0] * len(self._query_keys)
        for row in reversed(range(len(rows))):
            self._query_rows[self.row_query[row]] = row
        self.positives = self._all_positives([keys.query_id for keys in rows], ids_of)
        self._add_themselves(rows, ids_of)

    @property
    def document_count(self) -> int:
        """N, distinct documents."""
        return len(self._document_places)

    @property
    def query_count(self) -> int:
        """Q, distinct queries."""
        return len(self._query_rows)

    def documents(self, places: Iterable[int]) -> list[ModelInput]:
        """The documents at `places`, read from their rows."""
        documents = []
        for row, position in (self._document_places[place] for place in places):
            documents.append(self.extra[position][1] if row < 0 else self.examples[row].documents[position])
        return documents

    def queries(self, places: Iterable[int]) -> list[ModelInput]:
        """The queries at `places`, read from their rows."""
        return [self.examples[self._query_rows[place]].query for place in places]

    def fingerprint(self) -> dict[str, str]:
        """A hash of the documents and one of the queries: contents and their order."""
        return {
            "documents": _hash(self._keys),
            "queries": _hash(list(self._query_keys)),
        }

    def _read_keys(self) -> list[_RowKeys]:
        """Keys of every row. Hashing reads files, outside Python's global lock."""

        def read(row: int) -> _RowKeys:
            example = self.examples[row]
            documents = tuple(content_key(document) for document in example.documents)
            shows = any(map(_shows, example.documents))
            query = content_key(example.query)
            asked = example.query.instruction
            as_document = content_key(replace(example.query, instruction=None)) if asked else query
            return _RowKeys(query, as_document, example.query_id, documents, example.document_ids, shows)

        disable = None if self.show_progress_bar is None else not self.show_progress_bar
        rows: list[_RowKeys] = []
        # Some rows at a time: to hand one over costs more than to hash a short text.
        starts = range(0, len(self.examples), _HANDED_OVER)
        parts = [range(start, min(start + _HANDED_OVER, len(self.examples))) for start in starts]
        with (
            ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool,
            tqdm(total=len(self.examples), desc="Reading rows", leave=False, disable=disable) as bar,
        ):
            for part in pool.map(lambda rows_of_part: [read(row) for row in rows_of_part], parts):
                rows += part
                bar.update(len(part))
        return rows

    def _add_document(self, key: int, identity: str, where: tuple[int, int], ids_of: list[set[str]]) -> None:
        if key not in self._document_keys:
            self._document_keys[key] = len(self._document_places)
            self._document_places.append(where)
            ids_of.append(set())
        ids_of[self._document_keys[key]].add(identity)

    def _add_themselves(self, rows: Sequence[_RowKeys], ids_of: Sequence[set[str]]) -> None:
        """Adds to each query's positives the documents that are the query: the same content, or the same id where ids
        do more than count."""
        with_id = {identity: place for place, identities in enumerate(ids_of) for identity in identities}
        for keys, query in zip(rows, self.row_query, strict=True):
            same = self._document_keys.get(keys.as_document)
            named = None if keys.query_id.isdecimal() else with_id.get(keys.query_id)
            self.positives[query].update(place for place in (same, named) if place is not None)

    def _all_positives(self, query_ids: Sequence[str], ids_of: Sequence[set[str]]) -> list[set[int]]:
        with_id: dict[str, set[int]] = {}
        for place, identities in enumerate(ids_of):
            for identity in identities:
                with_id.setdefault(identity, set()).add(place)
        queries_of: dict[str, set[int]] = {}
        positives: list[set[int]] = [set() for _ in range(self.query_count)]
        for query_id, query, positive in zip(query_ids, self.row_query, self.row_positive, strict=True):
            queries_of.setdefault(query_id, set()).add(query)
            positives[query].update(*(with_id[identity] for identity in ids_of[positive]))
        joined = [set(places) for places in positives]
        for together in queries_of.values():
            everything = set().union(*(positives[query] for query in together)) if len(together) > 1 else set()
            for query in together:
                joined[query] |= everything
        return joined


def _shows(document: ModelInput) -> bool:
    return bool(document.images) or document.video is not None


def _hash(keys: Sequence[int]) -> str:
    return hashlib.blake2b(b"".join(key.to_bytes(8, "big", signed=True) for key in keys), digest_size=16).hexdigest()
