"""What every format gives: raw rows under column names, and sometimes documents that those rows name by id."""

from __future__ import annotations

import copy
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from smart_train.data.rows import ExampleRows, RawRow
from smart_train.errors import DataError, did_you_mean
from smart_train.types import ModelInput

_HINTED = 100_000  # looking for the nearest of more ids than this takes longer than reading the list


@dataclass(frozen=True)
class Table:
    """Rows as a format's reader found them.

    Args:
        rows: list-like and picklable; a DataError stands in place of a row that could not be read.
        columns: all column names, in the order of the source.
        folder: relative image paths start here.
        numbers: the rows' numbers in the source, when they are not 0, 1, 2, ...
        documents: rows of the documents that these rows name by id, where the format keeps them apart.
        source: what the rows' numbers count in, for messages; None: the path that was asked for.
        called: our column -> what the source calls it, for messages, where a layout's own names were changed to ours.
        of_pages: the rows are the pages of a folder or PDF file, and hold no queries.
        library: the rows come through the `datasets` library.
        documents_apart: the rows name documents by id, and the layout keeps these in another place.
        id_column: of a table of documents: the column with the names that rows call them by; None: by its usual name.
        available: the source's own columns, where a layout's own names were changed to ours; None: `columns`.
    """

    rows: Sequence[RawRow | DataError]
    columns: Sequence[str]
    folder: Path
    numbers: Sequence[int] | None = None
    documents: Table | None = None
    source: str | None = None
    of_pages: bool = False
    called: Mapping[str, str] = field(default_factory=dict)
    library: bool = False
    available: Sequence[str] | None = None
    id_column: str | None = None
    documents_apart: bool = False

    @classmethod
    def of_dataset(cls, dataset: Any, folder: Path, max_rows: int | None = None) -> Table:
        """The first `max_rows` rows of a `datasets.Dataset`."""
        if max_rows is not None:
            dataset = dataset.select(range(min(max_rows, len(dataset))))
        return cls(dataset, list(dataset.column_names), folder, library=True)

    def renamed(
        self, rows: SplitRows, columns: Sequence[str], called: Mapping[str, str], *, documents_apart: bool = False
    ) -> Table:
        """The table of `rows`, which were made of this one's. Arguments as of the class."""
        return replace(
            self,
            rows=rows,
            columns=columns,
            numbers=rows.numbers,
            called=called,
            available=self.columns,
            documents_apart=documents_apart,
        )

    def head(self, max_rows: int | None) -> Table:
        """The first `max_rows` rows; None: all."""
        if max_rows is None:
            return self
        return replace(self, rows=self.rows[:max_rows], numbers=self.numbers and self.numbers[:max_rows])


class AdaptedRows(Sequence[Any]):
    """Rows of a foreign layout under our column names, changed when they are asked for.

    Args:
        adapt: raw row -> row under our names, or the DataError that stands in its place; picklable (a function of a
            module). A DataError that it raises stands there with the row's name before it.
        name, numbers: of the source and its rows, as of `Table`, where `adapt` may raise.
    """

    def __init__(
        self,
        rows: Sequence[RawRow | DataError],
        adapt: Callable[[RawRow], dict[str, Any] | DataError],
        name: str = "",
        numbers: Sequence[int] | None = None,
    ) -> None:
        self.rows, self.adapt, self.name = rows, adapt, name
        self.numbers = range(len(rows)) if numbers is None else numbers

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return AdaptedRows(self.rows[index], self.adapt, self.name, self.numbers[index])
        row = self.rows[index]
        if isinstance(row, DataError):
            return row
        try:
            return self.adapt(row)
        except DataError as error:
            return _of_row(error, self.name, self.numbers[index])


def _of_row(error: DataError, name: str, number: int) -> DataError:
    return DataError(f"{name}, row {number}{',' if str(error).startswith('column ') else ':'} {error}")


class SplitRows(Sequence[Any]):
    """Rows of a foreign layout that bring several answers each: one row for every answer, under our column names.

    Args:
        table: the rows as they are written. name: of their source, for messages.
        answers: the column that holds a list of answers; a row where it holds none stays one row, which `adapt` gives
            no positive.
        adapt: (raw row, number of the answer) -> row under our names; picklable (a function of a module). Where it
            raises a DataError, that error stands in place of the row.
    """

    def __init__(self, table: Table, name: str, answers: str, adapt: Callable[[RawRow, int], dict[str, Any]]) -> None:
        self.rows, self.name, self.adapt = table.rows, name, adapt
        some: Any = self.rows
        some = some.select_columns(answers) if hasattr(some, "select_columns") else some
        self.places, self.answers = array("q"), array("q")  # of lists, each row would take a tuple
        for place in range(len(some)):
            row = some[place]
            count = max(1, len(listed(row.get(answers)))) if isinstance(row, Mapping) else 1
            self.places.extend([place] * count)
            self.answers.extend(range(count))
        of_rows = table.numbers
        self.numbers = self.places if of_rows is None else array("q", (of_rows[place] for place in self.places))

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            part = copy.copy(self)
            part.places, part.answers, part.numbers = self.places[index], self.answers[index], self.numbers[index]
            return part
        place, answer = self.places[index], self.answers[index]
        row = self.rows[place]
        if isinstance(row, DataError):
            return row
        try:
            return self.adapt(row, answer)
        except DataError as error:
            return _of_row(error, self.name, self.numbers[index])


def listed(value: Any) -> list[Any]:
    """A value, several, or none, as a list."""
    return [] if value is None else list(value) if isinstance(value, (list, tuple)) else [value]


class DocumentTable(Mapping[str, ModelInput]):
    """Documents by id, each read when it is asked for.

    Args:
        rows: one document a row; the source must give ids.

    Raises:
        DataError: no ids, an id twice, or a row that cannot be read.
    """

    def __init__(self, rows: ExampleRows) -> None:
        self.rows = rows
        self.places: dict[str, int] = {}
        column = rows.reader.columns.document_id
        if column is None:
            raise DataError(f"{rows.source}: documents that rows name by id need an id column: document_id, _id or id")
        called = rows.reader.called(column)
        for place, (identity, where) in enumerate(rows.values(column)):
            if identity is None or identity == "":
                raise DataError(f"{where}, column {called!r}: empty; every document needs its id")
            if str(identity) in self.places:
                raise DataError(
                    f"{where}, column {called!r}: the id {str(identity)!r} is already the id of another row"
                )
            self.places[str(identity)] = place

    def __getitem__(self, identity: str) -> ModelInput:
        """Raises DataError for an id that is not there, naming the nearest."""
        place = self.places.get(identity)
        if place is None:
            hint = did_you_mean(identity, self.places) if len(self.places) <= _HINTED else ""
            raise DataError(f"no document {identity!r} among the {len(self.places)} of {self.rows.source}{hint}")
        return self.rows.document(place)[1]

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)
