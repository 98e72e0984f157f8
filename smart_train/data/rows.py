"""From a source's raw row to an `Example`. Rows stay raw until they are asked for, so that a data set of images costs
no memory: a worker that needs row 7 reads row 7."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from PIL import Image

from smart_train.data.columns import Columns
from smart_train.data.formats.pdf import DPI
from smart_train.data.keys import default_id
from smart_train.data.references import UNREADABLE, References
from smart_train.data.scores import read_scores
from smart_train.errors import DataError
from smart_train.inputs.model_input import as_model_input, images_of
from smart_train.types import Example, ModelInput

RawRow = Mapping[str, Any]


class RowReader:
    """Makes Examples of the raw rows of one source.

    Args:
        source: its name in messages.
        columns: where to find what.
        root: the folder that relative paths of images and videos start from and may not leave.
        instruction: for queries of rows that have none.
        documents: id -> document; with it, text in a column of documents is an id.
        dpi: resolution of pages of PDF files.
        library: the rows come through the `datasets` library; see `References`.
        names: column -> what messages call it, where that is not its name.
    """

    def __init__(
        self,
        source: str,
        columns: Columns,
        root: Path,
        instruction: str | None = None,
        *,
        documents: Mapping[str, ModelInput] | None = None,
        dpi: int = DPI,
        library: bool = False,
        names: Mapping[str, str] | None = None,
    ) -> None:
        self.source, self.columns, self.root, self.instruction = source, columns, root, instruction
        self.documents = documents
        self.references = References(root, dpi, library=library)
        self.names = names or {}

    def called(self, column: str | None) -> str | None:
        """What the user knows a column as."""
        return self.names.get(column, column) if column is not None else None

    def example(self, raw: RawRow, row: int) -> Example:
        """The Example of one row.

        Raises:
            DataError: a column is missing or holds what cannot be a query or document. An empty query is not an error
                here: `check_examples` lists those together with images that do not decode.
        """
        columns = self.columns
        where = f"{self.source}, row {row}"
        query = self._query(raw, where)
        query_id = raw.get(columns.query_id or "")
        positive = self._positive(raw, where)
        found = {column: self._negatives(raw, column, where) for column in columns.negatives}
        negatives = [pair for pairs in found.values() for pair in pairs]
        counts = {column: len(pairs) for column, pairs in found.items()}
        return Example(
            query=query,
            documents=(positive[1], *(document for _, document in negatives)),
            query_id=str(query_id) if query_id not in (None, "") else self._content_id(query, where),
            document_ids=(positive[0], *(identity for identity, _ in negatives)),
            source=self.source,
            row=row,
            scores=read_scores(raw, columns, counts, where),
            task=self._task(raw, where),
            grade=self._grade(raw, where),
        )

    def document(self, raw: RawRow, row: int) -> tuple[str, ModelInput]:
        """Id and document of one row, whose query, if any, is not looked at."""
        return self._positive(raw, f"{self.source}, row {row}")

    def _query(self, raw: RawRow, where: str) -> ModelInput:
        column = self.columns.query
        assert column is not None, "find_columns requires a query column for examples"
        if column not in raw:
            raise DataError(f"{where}: has no column {self.called(column)!r}")
        instruction = self._instruction(raw, where) or self.instruction
        value = raw[column]
        if value is None or isinstance(value, str):
            return ModelInput(text=value or "", instruction=instruction)
        if not isinstance(value, Mapping):
            raise DataError(
                f"{where}, column {self.called(column)!r}: {value!r} is {type(value).__name__}; a query must be text, "
                "or a mapping of text, image, video"
            )
        item = self._read(value, f"{where}, column {self.called(column)!r}", column)
        return ModelInput(item.text, item.images, item.video, item.instruction or instruction)

    def _instruction(self, raw: RawRow, where: str) -> str | None:
        value = raw.get(self.columns.instruction) if self.columns.instruction else None
        if not isinstance(value, str | None):
            inside = f"{where}, column {self.called(self.columns.instruction)!r}"
            raise DataError(f"{inside}: {value!r} is {type(value).__name__}; it must be text")
        return value

    def _positive(self, raw: RawRow, where: str) -> tuple[str, ModelInput]:
        column = self.columns.positive
        if raw.get(column) is None:
            state = "null" if column in raw else "missing"
            inside = f"{where}: column {self.called(column)!r}"
            raise DataError(f"{inside} is {state}; name a document there, or remove the row")
        return self._pair(raw[column], column, where, raw.get(self.columns.document_id or ""))

    def _negatives(self, raw: RawRow, column: str, where: str) -> list[tuple[str, ModelInput]]:
        """Ids and documents of one column; rows may have fewer negatives than the source has columns for them."""
        value = raw.get(column)
        if value is None:
            return []
        values = value if isinstance(value, (list, tuple)) else [value]
        return [self._pair(item, column, where, None) for item in values]

    def _pair(self, value: Any, column: str, where: str, given: Any) -> tuple[str, ModelInput]:
        """Id and document. The id is the one that the row gives, else the name the row calls the document by (in a
        collection, or as a page of a PDF file), else one made of the content, for which an image has to be read."""
        inside = f"{where}, column {self.called(column)!r}"
        if self.documents is not None and isinstance(value, (str, int)):
            identity: str | None = str(value)
            try:
                document = self.documents[str(value)]
            except DataError as error:
                raise DataError(f"{inside}: {error}") from error
        else:
            identity, document = self.references.page_id(_alone(value)), self._read(value, inside, column)
        if given not in (None, ""):
            return str(given), document
        return identity or self._content_id(document, inside), document

    def _grade(self, raw: RawRow, where: str) -> int:
        value = raw.get(self.columns.grade) if self.columns.grade else None
        if value is None:
            return 1
        if isinstance(value, bool) or not str(value).isdecimal() or int(value) < 1:
            inside = f"{where}, column {self.called(self.columns.grade)!r}"
            raise DataError(f"{inside}: {value!r}; a grade is a whole number from 1 up")
        return int(value)

    def _task(self, raw: RawRow, where: str) -> str | None:
        value = raw.get(self.columns.task) if self.columns.task else None
        if value is not None and not isinstance(value, (str, int)):
            inside = f"{where}, column {self.called(self.columns.task)!r}"
            raise DataError(f"{inside}: {value!r} is not the name of a task; a name is text")
        return None if value is None else str(value)

    def _read(self, value: Any, where: str, column: str) -> ModelInput:
        """A document: path of an image or a video, page of a PDF file, URL, data URI, base64, bytes, PIL image,
        `datasets` image, text, or a mapping of these. A Path comes from a reader of ours, and is not a user's text."""
        if isinstance(value, (bytes, Path, Image.Image)):
            return as_model_input(value)
        if isinstance(value, str):
            video = self.references.locate_video(value, where, is_video=column == "video")
            if video is not None:
                return ModelInput(video=video)
            image = self.references.locate(value, where, is_image=column in ("image", "page_image"))
            return ModelInput(text=value) if image is None else ModelInput(images=(image,))
        if not isinstance(value, Mapping):
            raise DataError(f"{where}: {type(value).__name__} cannot be a document; {_expected(value)}")
        if value.keys() == {"bytes", "path"}:
            found = self._decoded_later(value, where)
            return ModelInput(images=(found,)) if isinstance(found, str) else as_model_input(found)
        try:
            item = as_model_input(value)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
        images = tuple(self._image(image, where) for image in item.images)
        return ModelInput(item.text, images, self._video(item.video, where), item.instruction)

    def _image(self, value: Any, where: str) -> Any:
        """An image inside a mapping."""
        if isinstance(value, Mapping):
            return self._decoded_later(value, where)
        return self.references.locate(value, where, is_image=True) if isinstance(value, str) else value

    def _video(self, value: Any, where: str) -> Any:
        """A video inside a mapping: a path, an address, or a list of frames, which are images."""
        if isinstance(value, (list, tuple)):
            return [self._image(frame, where) for frame in images_of(value)]
        if isinstance(value, Mapping):
            return self._decoded_later(value, where)
        return self.references.locate_video(value, where, is_video=True) if isinstance(value, str) else value

    def _decoded_later(self, value: Mapping[str, Any], where: str) -> bytes | str | Path:
        """What the `datasets` library gives for an image or a video that it was told not to decode, and what any file
        of rows may hold too; in JSON, which has no bytes, the image's in base64."""
        found = value.get("bytes")
        if isinstance(found, str):
            return found if found.startswith("data:") else "data:image;base64," + "".join(found.split())
        if found is not None:
            return found
        if not value.get("path"):
            raise DataError(f"{where}: an image or video with neither bytes nor path")
        return self.references.undecoded(value["path"], where)

    @staticmethod
    def _content_id(item: ModelInput, where: str) -> str:
        try:
            return default_id(item)
        except DataError as error:
            raise DataError(f"{where}: {error}; {UNREADABLE}") from error


def _alone(value: Any) -> Any:
    """The image in a mapping that holds nothing else; `value` itself where it is no such mapping."""
    if isinstance(value, Mapping):
        images = images_of({name: value[name] for name in ("image", "images") if name in value})
        others = [item for name, item in value.items() if name not in ("image", "images") and item not in (None, "")]
        if len(images) == 1 and not others:
            return images[0]
    return value


def _expected(value: Any) -> str:
    """What to write in the place of a value that is not a document."""
    if isinstance(value, (list, tuple)):
        return "write a row for each answer, or {images: [...]} for one document of several images"
    if isinstance(value, int):
        return "if these are ids, name the file or folder with the documents: documents: PATH"
    return "expected an image path, URL, bytes, text, or a mapping of these"


class ExampleRows(Sequence[Example]):
    """The rows of a source as Examples, made anew whenever one is asked for.

    Args:
        raw: the raw rows, list-like and picklable (a list, or a `datasets.Dataset`, which maps files instead of
            holding them). A DataError in place of a row is raised when that row is asked for.
        reader: makes Examples of them.
        numbers: the rows' numbers in the source, when they are not 0, 1, 2, ...
        chosen: positions in `raw` that make up this view, in order; default: all.
        pages: positions in `raw` of rows that ask nothing, and are documents to be found by the others.
    """

    def __init__(
        self,
        raw: Sequence[RawRow | DataError],
        reader: RowReader,
        numbers: Sequence[int] | None = None,
        chosen: Sequence[int] | None = None,
        pages: Sequence[int] = (),
    ) -> None:
        self.raw, self.reader, self.numbers, self.pages = raw, reader, numbers, pages
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
        return self.reader.example(self._raw(position), self._number(position))

    def select(self, indices: Sequence[int]) -> ExampleRows:
        """A view of the rows at `indices`, in that order."""
        return ExampleRows(self.raw, self.reader, self.numbers, [self.chosen[index] for index in indices], self.pages)

    def without_pages(self) -> ExampleRows:
        """The rows but for those whose query is null, which become its `pages`."""
        column = self.reader.columns.query
        assert column is not None, "only a source of documents alone has no query column"
        raw = self.raw.select_columns(column) if hasattr(self.raw, "select_columns") else self.raw
        rows = {position: raw[position] for position in self.chosen}
        pages = [at for at, row in rows.items() if isinstance(row, Mapping) and row.get(column, "") is None]
        asking = sorted(rows.keys() - {*pages})
        return ExampleRows(self.raw, self.reader, self.numbers, asking, pages) if pages else self

    def page_documents(self) -> list[tuple[str, ModelInput]]:
        """Id and document of each of `pages`."""
        return [self.reader.document(self._raw(position), self._number(position)) for position in self.pages]

    def document(self, index: int) -> tuple[str, ModelInput]:
        """Id and document of one row, whose query, if any, is not looked at."""
        position = self.chosen[index]
        return self.reader.document(self._raw(position), self._number(position))

    def documents(self) -> list[tuple[str, ModelInput]]:
        """Id and document of every row."""
        return [self.document(index) for index in range(len(self))]

    def values(self, column: str) -> Iterator[tuple[Any, str]]:
        """What one of the source's columns holds, and where, row by row; nothing else of a row is read.

        Raises: DataError at a row that could not be read.
        """
        raw = self.raw.select_columns(column) if hasattr(self.raw, "select_columns") else self.raw
        for position in self.chosen:
            row = raw[position]
            if isinstance(row, DataError):
                raise row
            yield row.get(column), f"{self.source}, row {self._number(position)}"

    def _raw(self, position: int) -> RawRow:
        raw = self.raw[position]
        if isinstance(raw, DataError):
            raise raw
        return raw

    def _number(self, position: int) -> int:
        return self.numbers[position] if self.numbers is not None else position
