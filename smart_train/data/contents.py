"""What rows hold, counted while they are read: text, images and videos, different documents, ids that contradict."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from threading import Lock
from typing import Any, NamedTuple

from smart_train.data.keys import content_key
from smart_train.types import Example, ModelInput

SIDES = ("queries", "positives", "negatives")


def kind_of(item: ModelInput) -> str:
    """What an input consists of: "text", "image", "video", or several of them ("text and image")."""
    present = {"text": item.text is not None, "image": bool(item.images), "video": item.video is not None}
    return " and ".join(name for name, there in present.items() if there) or "nothing"


def kinds_listed(kinds: Mapping[str, Mapping[str, int]]) -> str:
    """`queries: 24 text; positives: 20 image, 4 text`, sides without any left out."""
    sides = []
    for side in SIDES:
        counts = sorted(kinds.get(side, {}).items(), key=lambda item: (-item[1], item[0]))
        if counts:
            sides.append(f"{side}: " + ", ".join(f"{count} {kind}" for kind, count in counts))
    return "; ".join(sides)


class Fewest(NamedTuple):
    """Of the rows that meet in a batch, those of one source and one task, the ones that bring the fewest different
    documents: how many, and their source or task, "" where all rows meet. `one_query`: all of these rows ask the same,
    so that every document answers, and a query has no other candidate than its own."""

    documents: int
    kind: str
    one_query: bool = False


class RowContents:
    """Collects what rows hold, one row at a time and from many threads.

    Args:
        negatives: explicit negatives used of each row, which count among the different documents.
    """

    def __init__(self, negatives: int = 0) -> None:
        self._negatives = negatives
        self._rows: dict[int, tuple[tuple[str, ...], tuple[str, ...], tuple[Any, ...]]] = {}
        self._tasks: dict[int, str] = {}  # of rows that name one
        self._asked: dict[str | None, set[Any]] = {}  # of each task some different queries, two where there are
        self._keys: dict[Any, int] = {}
        self._kinds: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._lock = Lock()

    def add(self, index: int, example: Example) -> None:
        """Notes the row at `index`.

        Raises:
            DataError: an image that is held in memory cannot be read.
        """
        kinds = tuple(kind_of(item) for item in (example.query, *example.documents))
        contents = tuple(_content(document) for document in example.documents)
        query = _content(example.query) if len(self._asked.get(example.task, ())) < 2 else None
        with self._lock:
            # Most rows are of the same kinds, which are then held once.
            self._rows[index] = (self._kinds.setdefault(kinds, kinds), example.document_ids, contents)
            if example.task is not None:
                self._tasks[index] = example.task
            if query is not None:
                self._asked.setdefault(example.task, set()).add(query)

    def clashes(self) -> dict[int, tuple[str, int]]:
        """Rows with a document id that another row gives to another document: row -> (the id, the other row). All of an
        id's rows are in it: which of them is right is not known here.

        Raises:
            DataError: a file that has to be compared can no longer be read.
        """
        first: dict[str, Any] = {}  # id -> the first content with it
        several: dict[str, dict[Any, int]] = {}  # id -> content -> the first row with it, where contents differ
        for _, identities, contents in self._rows.values():
            for identity, content in zip(identities, contents, strict=True):
                if first.setdefault(identity, content) != content:
                    several[identity] = {}
        for index in sorted(self._rows) if several else ():
            _, identities, contents = self._rows[index]
            for identity, content in zip(identities, contents, strict=True):
                if identity in several:
                    several[identity].setdefault(content, index)
        doubtful: dict[str, dict[int, int]] = {}  # id -> content key -> the first row with it, where there are several
        for identity, places in several.items():  # other files may hold the same page
            by_key: dict[int, int] = {}
            for content, index in places.items():
                by_key.setdefault(self._key(content), index)
            if len(by_key) > 1:
                doubtful[identity] = by_key
        clashes: dict[int, tuple[str, int]] = {}
        for index, (_, identities, contents) in self._rows.items():
            for identity, content in zip(identities, contents, strict=True):
                if identity in doubtful and index not in clashes:
                    content_key = self._key(content)
                    other = next(row for key, row in doubtful[identity].items() if key != content_key)
                    clashes[index] = (identity, other)
        return clashes

    def kinds(self, rows: Iterable[int]) -> dict[str, dict[str, int]]:
        """For the rows at these places: "queries", "positives", "negatives" -> kind -> how many."""
        counts: dict[str, Counter[str]] = {side: Counter() for side in SIDES}
        for index in rows:
            query, positive, *negatives = self._rows[index][0]
            counts["queries"][query] += 1
            counts["positives"][positive] += 1
            counts["negatives"].update(negatives)
        return {side: dict(by_kind) for side, by_kind in counts.items()}

    def different_documents(self, rows: Sequence[int]) -> int:
        """How many different documents these rows bring as candidates: by id, and by content where that is fewer."""
        stop = 1 + self._negatives
        used = [self._rows[index][1:] for index in rows]
        identities = {identity for row in used for identity in row[0][:stop]}
        contents = {content for row in used for content in row[1][:stop]}
        return min(len(identities), len(contents))

    def fewest_documents(self, rows: Sequence[int]) -> Fewest:
        """`different_documents` of the task with the fewest: rows of two tasks never meet in a batch."""
        by_task: dict[str | None, list[int]] = {}
        for index in rows:
            by_task.setdefault(self._tasks.get(index), []).append(index)
        counts = []
        for task, places in by_task.items():
            one_query = self._negatives == 0 and len(self._asked[task]) == 1
            documents = 1 if one_query else self.different_documents(places)
            counts.append(Fewest(documents, "" if len(by_task) == 1 else f"task {task or '(none)'}", one_query))
        return min(counts)

    def _key(self, content: Any) -> int:
        if isinstance(content, int):
            return content
        if content not in self._keys:
            self._keys[content] = content_key(content)
        return self._keys[content]


def _content(document: ModelInput) -> ModelInput | int:
    """What tells a document from others: itself where it only names files, so that none is read twice; else its key,
    which holds no page in memory."""
    files = document.images if document.video is None else (*document.images, document.video)
    named = all(isinstance(file, os.PathLike) or (isinstance(file, str) and file[:5] != "data:") for file in files)
    return document if files and named else content_key(document)
