"""Reads the parts of a data set whole: every row built, every image decoded once, in parallel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from threading import Lock
from typing import Any

from smart_train.data import CheckReport, check_examples
from smart_train.data.keys import content_key
from smart_train.errors import DataError
from smart_train.inputs.images import image_key
from smart_train.inputs.page_fingerprints import ImageFacts, look_at
from smart_train.types import Example, ModelInput


@dataclass(frozen=True)
class Row:
    """A usable row. Equal queries have equal `query` text keys, equal documents equal `documents`, positive first."""

    where: str
    place: int
    query: str
    documents: tuple[int, ...]


@dataclass(frozen=True)
class Held:
    """Where a document was first seen, as row and position in `examples`, and the keys of its images. The document
    itself is not kept: rows of a Parquet file bring their pages as bytes."""

    place: int
    position: int
    images: tuple[int, ...]


@dataclass
class Part:
    """One part of a data set, read.

    Attributes:
        name: "train", "evaluation", "corpus", or a split's. asks: whether its rows are queries; a corpus has none.
        total: of all rows. examples: the usable ones. rows: the same, in keys. problems: what is wrong with the others.
        contents: what the check found in them; None where no row can be used. kinds, columns: as there.
        images: image key -> what the image looks like. documents: document key -> where it is.
    """

    name: str
    asks: bool = True
    total: int = 0
    contents: CheckReport | None = None
    kinds: dict[str, dict[str, int]] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)
    examples: Sequence[Example] = ()
    rows: list[Row] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    images: dict[int, ImageFacts] = field(default_factory=dict)
    documents: dict[int, Held] = field(default_factory=dict)

    @cached_property
    def positives(self) -> dict[int, list[Row]]:
        """Document key -> the rows that it answers."""
        answered_rows: dict[int, list[Row]] = {}
        for row in self.rows:
            answered_rows.setdefault(row.documents[0], []).append(row)
        return answered_rows

    def facts(self, document: int) -> list[ImageFacts]:
        """What the images of a document look like."""
        return [self.images[image] for image in self.documents[document].images]

    def document(self, key: int) -> ModelInput:
        """The document, read from its row again."""
        held = self.documents[key]
        return self.examples[held.place].documents[held.position]


def read_part(name: str, check: Callable[[Callable[[Any], None]], tuple[Sequence[Example], CheckReport]]) -> Part:
    """Reads the rows of one part, with a bar on a terminal. Rows that cannot be used are listed, not raised.

    Args:
        check: `check_examples` on the rows, or what does as it does, with on_error "skip"; gets the `decode` to use.
    """
    looked = _Looked()
    part = Part(name)
    try:
        part.examples, report = check(looked)
        part.problems, part.total, part.contents = report.problems, report.total, report
        part.kinds, part.columns = report.kinds, report.columns
    except DataError as error:  # the source is not there, or not one row can be used
        part.problems = [str(error)]
    part.images = looked.facts
    for place, example in enumerate(part.examples):
        keys = tuple(content_key(document) for document in example.documents)
        for position, (key, document) in enumerate(zip(keys, example.documents, strict=True)):
            if key not in part.documents:
                part.documents[key] = Held(place, position, tuple(image_key(image) for image in document.images))
        part.rows.append(Row(example.where, place, _query_text(example.query), keys))
    return part


def read_rows(name: str, examples: Sequence[Example], *, workers: int | None = None) -> Part:
    """Reads rows that no recipe names."""
    return read_part(name, lambda decode: check_examples(examples, on_error="skip", workers=workers, decode=decode))


def read_corpus(name: str, documents: Sequence[tuple[str, ModelInput]], *, workers: int | None = None) -> Part:
    """Reads documents that no query asks for. Each is taken for its own query, so that the same checks serve."""
    rows = [
        Example(document, (document,), identity, (identity,), name, place)
        for place, (identity, document) in enumerate(documents)
    ]
    return replace(read_rows(name, rows, workers=workers), asks=False)


class _Looked:
    """A `decode` for `check_examples` that keeps what it saw. Safe to call from many threads."""

    def __init__(self) -> None:
        self.facts: dict[int, ImageFacts] = {}
        self._lock = Lock()

    def __call__(self, reference: Any) -> None:
        facts = look_at(reference)
        with self._lock:
            self.facts[facts.key] = facts


def _query_text(query: ModelInput) -> str:
    """A query as people would call it the same: its text without regard to case and blanks, its images and video."""
    text = " ".join((query.text or "").casefold().split())
    return text if not query.images and query.video is None else f"{text} {content_key(query)}"
