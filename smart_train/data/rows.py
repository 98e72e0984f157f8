"""From a source's raw row to an `Example`. Rows stay raw until they are asked for, so that a data set of images costs
no memory: a worker that needs row 7 reads row 7."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from PIL import Image

from smart_train.data.columns import Columns
from smart_train.data.keys import default_id
from smart_train.data.scores import read_scores
from smart_train.errors import DataError
from smart_train.media import IMAGE_EXTENSIONS, URL_SCHEMES, as_model_input, describe_image
from smart_train.types import Example, ModelInput

RawRow = Mapping[str, Any]


class RowReader:
    """Makes Examples of the raw rows of one source.

    Args:
        source: its name in messages.
        columns: where to find what.
        root: the folder that relative image paths start from and may not leave.
        instruction: for queries of rows that have none.
    """

    def __init__(self, source: str, columns: Columns, root: Path, instruction: str | None = None) -> None:
        self.source, self.columns, self.root, self.instruction = source, columns, root, instruction

    def example(self, raw: RawRow, row: int) -> Example:
        """The Example of one row.

        Raises:
            DataError: a column is missing or holds what cannot be a query or document. An empty query is no error
                here: `check_examples` lists those together with images that do not decode.
        """
        columns = self.columns
        where = f"{self.source}, row {row}"
        query = self._query(raw, where)
        documents = [self._document(raw, columns.positive, where)]
        given = {column: self._negatives(raw, column, where) for column in columns.negatives}
        for negatives in given.values():
            documents.extend(negatives)
        counts = {column: len(negatives) for column, negatives in given.items()}
        positive_id = self._identity(raw, columns.document_id, documents[0], where)
        return Example(
            query=query,
            documents=tuple(documents),
            query_id=self._identity(raw, columns.query_id, query, where),
            document_ids=(positive_id, *(self._identity(raw, None, document, where) for document in documents[1:])),
            source=self.source,
            row=row,
            scores=read_scores(raw, columns, counts, where),
            task=self._task(raw, where),
        )

    def document(self, raw: RawRow, row: int) -> tuple[str, ModelInput]:
        """Id and document of one row, whose query, if any, is not looked at."""
        where = f"{self.source}, row {row}"
        document = self._document(raw, self.columns.positive, where)
        return self._identity(raw, self.columns.document_id, document, where), document

    def _query(self, raw: RawRow, where: str) -> ModelInput:
        column = self.columns.query
        assert column is not None, "find_columns requires a query column for examples"
        if column not in raw:
            raise DataError(f"{where}: has no column {column!r}")
        instruction = raw.get(self.columns.instruction) if self.columns.instruction else None
        instruction = instruction or self.instruction
        value = raw[column]
        if value is None or isinstance(value, str):
            return ModelInput(text=value or "", instruction=instruction)
        if not isinstance(value, Mapping):
            raise DataError(f"{where}, column {column!r}: {value!r} is {type(value).__name__}; a query must be text")
        item = self._read(value, f"{where}, column {column!r}", column)
        return ModelInput(item.text, item.images, item.video, item.instruction or instruction)

    def _negatives(self, raw: RawRow, column: str, where: str) -> list[ModelInput]:
        """The documents of one column of negatives; rows may have fewer of them than the source has columns."""
        value = raw.get(column)
        if value is None:
            return []
        values = value if isinstance(value, (list, tuple)) else [value]
        return [self._read(item, f"{where}, column {column!r}", column) for item in values]

    def _task(self, raw: RawRow, where: str) -> str | None:
        value = raw.get(self.columns.task) if self.columns.task else None
        if value is not None and not isinstance(value, (str, int)):
            raise DataError(f"{where}, column {self.columns.task!r}: {value!r} is no name of a task; write text")
        return None if value is None else str(value)

    def _document(self, raw: RawRow, column: str, where: str) -> ModelInput:
        if raw.get(column) is None:
            raise DataError(f"{where}: column {column!r} is {'null' if column in raw else 'missing'}")
        return self._read(raw[column], f"{where}, column {column!r}", column)

    def _read(self, value: Any, where: str, column: str) -> ModelInput:
        """A document: image path, URL, data URI, bytes, PIL image, `datasets` image, text, or a mapping of these."""
        if isinstance(value, (bytes, Image.Image)):
            return ModelInput(images=(value,))
        if isinstance(value, str):
            is_image = column in ("image", "page_image") or looks_like_image(value)
            return ModelInput(images=(self._locate(value, where),)) if is_image else ModelInput(text=value)
        if not isinstance(value, Mapping):
            raise DataError(
                f"{where}: {type(value).__name__} cannot be a document; expected an image path, URL, bytes or text"
            )
        if value.keys() == {"bytes", "path"}:
            return ModelInput(images=(self._decoded_later(value, where),))
        try:
            item = as_model_input(value)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
        images = [
            self._locate(image, where)
            if isinstance(image, str)
            else self._decoded_later(image, where)
            if isinstance(image, Mapping)
            else image
            for image in item.images
        ]
        return ModelInput(item.text, tuple(images), item.video, item.instruction)

    def _decoded_later(self, value: Mapping[str, Any], where: str) -> bytes | Path:
        """What the `datasets` library gives for an image that it was told not to decode."""
        if value.get("bytes") is not None:
            return value["bytes"]
        if not value.get("path"):
            raise DataError(f"{where}: an image with neither bytes nor path")
        return Path(value["path"])

    def _locate(self, reference: str, where: str) -> str | Path:
        """A URL as it is; a path below the root. Links below the root may point anywhere, the path itself may not."""
        if reference.startswith((*URL_SCHEMES, "data:")):
            return reference
        root = os.path.abspath(self.root)
        path = os.path.normpath(os.path.join(root, reference))
        if os.path.commonpath([root, path]) != root:
            raise DataError(
                f"{where}: image path {describe_image(reference)} leaves {root}; set image_root to a folder that "
                "holds all images"
            )
        return Path(path)

    @staticmethod
    def _identity(raw: RawRow, column: str | None, item: ModelInput, where: str) -> str:
        """The id that the row gives, else one made of the content, for which a page has to be read."""
        given = raw.get(column) if column else None
        if given is not None and given != "":
            return str(given)
        try:
            return default_id(item)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error


def looks_like_image(text: str) -> bool:
    """Whether a document given as a string names an image. A file need not exist: a missing page is an error, and must
    not become a document that reads "page_7.png"."""
    if text.startswith(("data:image/", *URL_SCHEMES)):
        return True
    return "\n" not in text and len(text) < 1024 and text.lower().endswith(IMAGE_EXTENSIONS)


class ExampleRows(Sequence[Example]):
    """The rows of a source as Examples, made anew whenever one is asked for.

    Args:
        raw: the raw rows, list-like and picklable (a list, or a `datasets.Dataset`, which maps files instead of
            holding them). A DataError in place of a row is raised when that row is asked for.
        reader: makes Examples of them.
        numbers: the rows' numbers in the source, when they are not 0, 1, 2, ...
        chosen: positions in `raw` that make up this view, in order; default: all.
    """

    def __init__(
        self,
        raw: Sequence[RawRow | DataError],
        reader: RowReader,
        numbers: Sequence[int] | None = None,
        chosen: Sequence[int] | None = None,
    ) -> None:
        self.raw, self.reader, self.numbers = raw, reader, numbers
        self.chosen = range(len(raw)) if chosen is None else chosen

    @property
    def source(self) -> str:
        return self.reader.source

    def __len__(self) -> int:
        return len(self.chosen)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> ExampleRows: ...
    def __getitem__(self, index: int | slice) -> Example | ExampleRows:
        if isinstance(index, slice):
            return self.select(range(len(self))[index])
        position = self.chosen[index]
        raw = self.raw[position]
        if isinstance(raw, DataError):
            raise raw
        return self.reader.example(raw, self.numbers[position] if self.numbers is not None else position)

    def select(self, indices: Sequence[int]) -> ExampleRows:
        """A view of the rows at `indices`, in that order."""
        return ExampleRows(self.raw, self.reader, self.numbers, [self.chosen[index] for index in indices])

    def documents(self) -> list[tuple[str, ModelInput]]:
        """Id and document of every row."""
        pairs = []
        for position in self.chosen:
            raw = self.raw[position]
            if isinstance(raw, DataError):
                raise raw
            pairs.append(self.reader.document(raw, self.numbers[position] if self.numbers is not None else position))
        return pairs
