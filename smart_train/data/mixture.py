"""Several sources as one data set, each with its own share of the batches and its own number of negatives."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import overload

from smart_train.data.batches import Group
from smart_train.data.lengths import TokenCounter, longest_documents
from smart_train.data.rows import ExampleRows
from smart_train.types import Example


@dataclass(frozen=True)
class MixturePart:
    """One source of a mixture.

    Args:
        name: for messages.
        examples: its rows.
        negatives: explicit negatives used of each row.
        weight: of its batches among those of an epoch; None in every part: in proportion to their rows.
    """

    name: str
    examples: Sequence[Example]
    negatives: int = 0
    weight: float | None = None


class Mixture(Sequence[Example]):
    """The rows of all parts, end to end; each holds as many negatives as its part uses."""

    def __init__(self, parts: Sequence[MixturePart]) -> None:
        self.parts = parts
        self._stops = list(accumulate(len(part.examples) for part in parts))

    def __len__(self) -> int:
        return self._stops[-1]

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        index = range(len(self))[index]
        place = bisect.bisect_right(self._stops, index)
        part = self.parts[place]
        example = part.examples[index - (self._stops[place] - len(part.examples))]
        stop = 1 + part.negatives
        return replace(
            example,
            documents=example.documents[:stop],
            document_ids=example.document_ids[:stop],
            scores=example.scores[:stop],
        )


def groups_of(examples: Sequence[Example], negatives: int = 0, counter: TokenCounter | None = None) -> list[Group]:
    """The rows that may meet in a batch: those of one source, and of one task where its rows name tasks.

    Args:
        examples: a mixture, or the rows of one source.
        negatives: explicit negatives used of each row; a mixture's parts say their own.
        counter: counts the tokens of documents (a model family); None: lengths are not needed.
    """
    parts = examples.parts if isinstance(examples, Mixture) else [MixturePart("data.train", examples, negatives)]
    groups, start = [], 0
    for part in parts:
        by_task: dict[str | None, list[int]] = {}
        for place, task in enumerate(_tasks(part.examples)):
            by_task.setdefault(task, []).append(place)
        measured = None
        if counter is not None:
            measured = longest_documents(part.examples, counter, negatives=part.negatives)
        for task, places in by_task.items():
            share = len(places) / len(part.examples)
            groups.append(
                Group(
                    name=part.name if len(by_task) == 1 else f"{part.name}, task {task}",
                    rows=[start + place for place in places],
                    weight=None if part.weight is None else part.weight * share,
                    lengths=None if measured is None else [measured[place] for place in places],
                    documents=1 + part.negatives,
                )
            )
        start += len(part.examples)
    return groups


def _tasks(examples: Sequence[Example]) -> list[str | None]:
    """The task of every row; images are not touched."""
    if not isinstance(examples, ExampleRows):
        return [example.task for example in examples]
    column = examples.reader.columns.task
    if column is None:
        return [None] * len(examples)
    return [None if value is None else str(value) for value, _ in examples.values(column)]
