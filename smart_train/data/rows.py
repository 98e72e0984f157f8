"""From a source's raw row to an `Example`. Rows stay raw until they are asked for, so that a data set of images costs
no memory: a worker that needs row 7 reads row 7."""

from __future__ import annotations

import copy
import warnings
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, overload

from smart_train.data.cells import CellReader
from smart_train.data.column_values import absent
from smart_train.data.columns import Columns
from smart_train.data.formats.ocr import Picture
from smart_train.data.formats.ocr_engine import OcrMode
from smart_train.data.formats.pdf import DPI
from smart_train.data.keys import default_id
from smart_train.data.misspelt_media import MediaColumns
from smart_train.data.printed_values import PrintedColumns
from smart_train.data.read_as_text import PageTexts, SilentPage
from smart_train.data.references import UNREADABLE, References
from smart_train.data.score_columns import read_scores
from smart_train.errors import DataError, LeftOut, causes, listing
from smart_train.inputs.model_input import images_of
from smart_train.inputs.text import check_characters
from smart_train.types import HIGHEST_GRADE, Example, ModelInput

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
        pages_as: whether these are read as images or as text. ocr: which of the latter by OCR, as of `SourceConfig`.
        library: the rows come through the `datasets` library; see `References`.
        names: column -> what messages call it, where that is not its name.
        available: all columns of the source, used or not, under its own names.
        rows: all raw rows of the source, to tell a name that is misspelt from a text: where other values of its column
            are images or videos; and what was printed, where most values of its column were. None takes every text for
            a text.
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
        pages_as: Literal["image", "text"] = "image",
        ocr: OcrMode | None = None,
        library: bool = False,
        names: Mapping[str, str] | None = None,
        available: Sequence[str] = (),
        rows: Sequence[RawRow | DataError] | None = None,
    ) -> None:
        self.source, self.columns, self.root, self.instruction = source, columns, root, instruction
        self.documents = documents
        references = References(root, dpi, library=library)
        texts = PageTexts(references, pages_as=pages_as, ocr=ocr)
        like = dict.fromkeys(columns.negatives, columns.positive)
        media = None if rows is None else MediaColumns(rows, references, like)
        self.cells = CellReader(references, texts, media, None if rows is None else PrintedColumns(rows))
        self.names = names or {}
        self.available = tuple(available)
        self.names_by_content = True

    def columns_used(self) -> str:
        """The source's columns that are read, and those that are not: `query, positive; ignored: page_width`."""
        called = [self.called(column) or "" for column in self.columns.used()]
        used = list(dict.fromkeys(name for names in called for name in names.split(", ") if name in self.available))
        ignored = [name for name in self.available if name not in used]
        return ", ".join(used) + (f"; ignored: {', '.join(ignored)}" if ignored else "")

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
        query_id = self._identity(raw, columns.query_id, where)
        positive = self._positive(raw, where)
        by_column = {column: self._negatives(raw, column, where) for column in columns.negatives}
        negatives = [pair for pairs in by_column.values() for pair in pairs]
        counts = {column: len(pairs) for column, pairs in by_column.items()}
        return Example(
            query=query,
            documents=(positive[1], *(document for _, document in negatives)),
            query_id=query_id if query_id is not None else self._content_id(query, where),
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
        columns = self.columns
        assert columns.query is not None, "find_columns requires a query column for examples"
        if columns.query not in raw:
            raise DataError(f"{where}: has no column {self.called(columns.query)!r}")
        instruction = self._instruction(raw, where) or self.instruction
        item = ModelInput(text="")
        if columns.query != columns.query_image:
            inside = f"{where}, column {self.called(columns.query)!r}"
            item = self.cells.query(raw[columns.query], inside, columns.query)
        if columns.query_image is not None and not absent(raw.get(columns.query_image)):
            inside = f"{where}, column {self.called(columns.query_image)!r}"
            shown = [self.cells.image(image, inside) for image in images_of(raw[columns.query_image])]
            item = ModelInput(item.text or None, (*item.images, *shown), item.video, item.instruction)
        return ModelInput(item.text, item.images, item.video, item.instruction or instruction)

    def _instruction(self, raw: RawRow, where: str) -> str | None:
        value = raw.get(self.columns.instruction) if self.columns.instruction else None
        if not isinstance(value, str | None):
            inside = f"{where}, column {self.called(self.columns.instruction)!r}"
            raise DataError(f"{inside}: {value!r} is {type(value).__name__}; it must be text")
        if value is not None:
            check_characters(value, f"{where}, column {self.called(self.columns.instruction)!r}")
        return value

    def _positive(self, raw: RawRow, where: str) -> tuple[str, ModelInput]:
        column, beside = self.columns.positive, self.columns.text
        words = raw.get(beside) if beside is not None else None
        if words is not None and words != "":
            return self._with_words(raw, words, where)
        if absent(raw.get(column)) and raw.get(column) != "":
            state = "null" if column in raw else "missing"
            inside = f"{where}: column {self.called(column)!r}"
            raise DataError(f"{inside} is {state}; name a document there, or remove the row")
        return self._pair(raw[column], column, where, self._identity(raw, self.columns.document_id, where))

    def _with_words(self, raw: RawRow, words: Any, where: str) -> tuple[str, ModelInput]:
        """Id and document of a row that has words beside its image or video, or in its place."""
        inside = f"{where}, column {self.columns.text!r}"
        if not isinstance(words, str):
            raise DataError(f"{inside}: {words!r} is {type(words).__name__}; it must be text")
        check_characters(words, inside)
        column, given = self.columns.positive, self._identity(raw, self.columns.document_id, where)
        shown = ModelInput()
        if not absent(raw.get(column)):
            shown = self.cells.document(raw[column], f"{where}, column {self.called(column)!r}", column)
        text = words if shown.text is None else f"{words} {shown.text}"
        document = ModelInput(text, shown.images, shown.video, shown.instruction)
        return given if given is not None else self._content_id(document, inside), document

    def _negatives(self, raw: RawRow, column: str, where: str) -> list[tuple[str, ModelInput]]:
        """Ids and documents of one column; rows may have fewer negatives than the source has columns for them."""
        value = raw.get(column)
        if value is None:
            return []
        values = value if isinstance(value, (list, tuple)) else [value]
        return [self._pair(item, column, where, None) for item in values]

    def _identity(self, raw: RawRow, column: str | None, where: str) -> str | None:
        """The id that a row gives in `column`; None where it gives none."""
        value = raw.get(column) if column is not None else None
        if value in (None, ""):
            return None
        check_characters(str(value), f"{where}, column {self.called(column)!r}")
        return str(value)

    def _pair(self, value: Any, column: str, where: str, given: str | None) -> tuple[str, ModelInput]:
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
            identity = self.cells.references.page_id(_alone(value))
            document = self.cells.document(value, inside, column)
        if given is not None:
            return given, document
        return identity or self._content_id(document, inside), document

    def _grade(self, raw: RawRow, where: str) -> int:
        value = raw.get(self.columns.grade) if self.columns.grade else None
        if value is None:
            return 1
        if isinstance(value, bool) or not str(value).isdecimal() or not 1 <= int(value) <= HIGHEST_GRADE:
            inside = f"{where}, column {self.called(self.columns.grade)!r}"
            raise DataError(f"{inside}: {value!r}; a grade is a whole number from 1 up to {HIGHEST_GRADE}")
        return int(value)

    def _task(self, raw: RawRow, where: str) -> str | None:
        value = raw.get(self.columns.task) if self.columns.task else None
        if value is not None and not isinstance(value, (str, int)):
            inside = f"{where}, column {self.called(self.columns.task)!r}"
            raise DataError(f"{inside}: {value!r} is not the name of a task; a name is text")
        check_characters(str(value or ""), f"{where}, column {self.called(self.columns.task)!r}")
        return None if value is None else str(value)

    def _content_id(self, item: ModelInput, where: str) -> str:
        if not self.names_by_content:
            return ""
        try:
            return default_id(item)
        except DataError as error:
            raise DataError(f"{where}: {error}; {UNREADABLE}") from error


def _alone(value: Any) -> Any:
    """The image in a mapping that holds nothing else; any other `value` is returned as it is."""
    if isinstance(value, Mapping):
        images = images_of({name: value[name] for name in ("image", "images") if name in value})
        others = [item for name, item in value.items() if name not in ("image", "images") and item not in (None, "")]
        if len(images) == 1 and not others:
            return images[0]
    return value


def _compact(places: Sequence[int]) -> Sequence[int]:
    return places if isinstance(places, (range, array)) else array("q", places)


class ExampleRows(Sequence[Example]):
    """The rows of a source as Examples, made anew whenever one is asked for.

    Args:
        raw: the raw rows, list-like and picklable (a list, `FileRows`, or a `datasets.Dataset`, of which the last two
            leave rows in their files). A DataError in place of a row is raised when that row is asked for.
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
        # Not a list, which takes 36 bytes for each row where an array takes 8.
        self.chosen: Sequence[int] = range(len(raw)) if chosen is None else _compact(chosen)

    @property
    def source(self) -> str:
        return self.reader.source

    def columns_used(self) -> list[str]:
        """Which columns are read and which are not: a line for the rows, and one for documents that they name by id."""
        documents = getattr(self.reader.documents, "rows", None)
        apart = [] if documents is None else [f"{documents.reader.columns_used()} (of {documents.source})"]
        return [self.reader.columns_used(), *apart]

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
        return self.view(array("q", (self.chosen[index] for index in indices)))

    def view(self, chosen: Sequence[int]) -> ExampleRows:
        """A view of the rows at these positions in `raw`."""
        return ExampleRows(self.raw, self.reader, self.numbers, chosen, self.pages)

    def without_content_ids(self) -> ExampleRows:
        """The same rows, where "" is in the place of ids that are made of the content: no image is read for them."""
        reader = copy.copy(self.reader)
        reader.names_by_content = False
        return ExampleRows(self.raw, reader, self.numbers, self.chosen, self.pages)

    def without_pages(self) -> ExampleRows:
        """The rows but for those whose query is null, which become its `pages`."""
        text, shown = self.reader.columns.query, self.reader.columns.query_image
        assert text is not None, "only a source of documents alone has no query column"
        names = [name for name in dict.fromkeys((text, shown)) if name is not None]
        raw = self.raw.select_columns(names) if hasattr(self.raw, "select_columns") else self.raw
        asking, pages = array("q"), array("q")
        for position in self.chosen:
            row = raw[position]
            silent = isinstance(row, Mapping) and row.get(text, "") is None and row.get(shown or "") is None
            (pages if silent else asking).append(position)
        return ExampleRows(self.raw, self.reader, self.numbers, asking, pages) if pages else self

    def page_documents(self) -> list[tuple[str, ModelInput]]:
        """Id and document of each of `pages`."""
        return [self.reader.document(self._raw(position), self._number(position)) for position in self.pages]

    def read_scans(self) -> ExampleRows:
        """These rows, after OCR has read the scans that they name or hold: side by side, not one by one with them."""
        columns, cells = self.reader.columns, self.reader.cells
        names = [name for name in dict.fromkeys((columns.positive, *columns.negatives)) if name is not None]
        raw = self.raw.select_columns(names) if hasattr(self.raw, "select_columns") else self.raw

        def pictures_of(place: int) -> list[Picture]:
            row, name = raw[self.chosen[place // len(names)]], names[place % len(names)]
            if not isinstance(row, Mapping) or row.get(name) is None:
                return []
            value = row[name]
            several = name != columns.positive and isinstance(value, (list, tuple))
            return [picture for item in (value if several else [value]) for picture in cells.pictures(item, name)]

        if cells.texts.of_pictures:
            cells.texts.read_ahead(pictures_of, len(self) * len(names))
        return self

    def document(self, index: int) -> tuple[str, ModelInput]:
        """Id and document of one row, whose query, if any, is not looked at."""
        position = self.chosen[index]
        return self.reader.document(self._raw(position), self._number(position))

    def documents(self) -> list[tuple[str, ModelInput]]:
        """Id and document of every row. Pages that have no legible text where text is needed are left out; a warning
        (`LeftOut`) counts and names them.

        Raises:
            DataError: none has.
        """
        documents, silent = [], []
        for index in range(len(self)):
            try:
                documents.append(self.document(index))
            except SilentPage as error:
                silent.append(str(error))
        if silent:
            told = f"{len(silent)} of {len(self)} pages that rows name or hold have no legible text"
            told = f"{self.source}: {told}:\n{listing(causes(silent))}"
            if not documents:
                raise DataError(told)
            warnings.warn(told, LeftOut, stacklevel=2)
        return documents

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
