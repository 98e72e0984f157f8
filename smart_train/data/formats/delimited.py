"""CSV and TSV files with a header. Cells are text; nothing is guessed from them, so a query of digits stays a query."""

from __future__ import annotations

import ast
import csv
import io
import json
import re
import sys
import tokenize
from array import array
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from smart_train.data.columns import MAYBE_LISTS
from smart_train.data.formats.rows_in_file import FileRows, RowsFile
from smart_train.errors import DataError
from smart_train.utils.text_files import READ_ERRORS, not_utf8, plain_name

Row = dict[str, Any]
DELIMITERS = {".csv": ",", ".tsv": "\t"}
_LINE_END = re.compile(r"\r\n|\r|\n")
_TEXTS = ("pos", "neg")  # of FlagEmbedding
_USUAL_CELL = 100_000  # characters: less than the bound of the csv module
_ONE_BOUND = Lock()


class LooseTable(DataError):
    """What the CSV readers of other libraries take, each in its own way: a name twice in the header, quotes inside a
    cell, a row without its last cells."""


def read_delimited(
    path: Path, max_rows: int | None = None, *, lists: Collection[str] = ()
) -> tuple[FileRows, list[str]]:
    """The rows of a file, which stay there (`FileRows`), the first below the header being row 0, and the names of its
    columns. An empty cell is None. A first column without a name is the index that pandas writes, and left out. A row
    with too many or too few cells gives the DataError that says so in its place.

    Args:
        lists: columns whose cells may hold a list, written as in JSON.

    Raises:
        DataError: the file cannot be read, is not UTF-8, or its header is empty.
        LooseTable: the header names a column twice or not at all, or a quote is inside a cell.
    """
    starts, end = array("q"), 0
    delimiter = DELIMITERS[plain_name(path).suffix.lower()]
    try:
        file = RowsFile(path)
        counted = _Counted(file)
        with _long_cells():
            lines = csv.reader(counted, delimiter=delimiter, strict=True)
            header = next(lines, [])
            _check_header(path, header, delimiter)
            end = counted.end
            quotes = counted.first.startswith('"')
            for cells in lines:
                if max_rows is not None and len(starts) == max_rows:
                    break
                if cells:  # the csv module gives [] for a blank line
                    starts.append(end)
                end = counted.end
    except UnicodeDecodeError as error:
        raise DataError(f"{path}, line {lines.line_num + 1}: {not_utf8(path, error)}") from error
    except csv.Error as error:
        raise LooseTable(
            f"{path}, line {lines.line_num}: {error}; quote cells that contain quotes or line breaks"
        ) from error
    except READ_ERRORS as error:
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    starts.append(end)
    return FileRows(file, _Record(header, delimiter, tuple(lists), quotes), starts), header[_has_index(header) :]


class _Counted:
    """The lines of a file as text, for the csv module, which takes as many as a row has. `end`: where the last one that
    it took ends. `first`: the first of them."""

    def __init__(self, file: RowsFile) -> None:
        self._lines, self.end, self.first = file.lines(), 0, ""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        place, line = next(self._lines)
        self.end = place + len(line)
        text = line.decode()
        self.first = self.first or text
        return text


def _check_header(path: Path, header: list[str], delimiter: str) -> None:
    if not header:
        raise DataError(f"{path}: is empty; its first line must name the columns")
    if any("\0" in name for name in header):
        raise DataError(f"{path}: every other byte is 0, as in UTF-16 text without a mark; save it as UTF-8")
    other = next((mark for mark in (";", "\t", ",", "|") if mark != delimiter and mark in header[0]), None)
    if len(header) == 1 and other is not None:
        raise DataError(
            f"{path}: its first line is {header[0]!r}: columns of a {plain_name(path).suffix} file are separated by "
            f"{delimiter!r}, not by {other!r}; save it with the right separator"
        )
    for name in header[_has_index(header) :]:
        if not name or header.count(name) > 1:
            raise LooseTable(
                f"{path}: its first line names {header.count(name)} columns {name!r}; give each column its own name"
            )


def _has_index(header: list[str]) -> bool:
    return len(header) > 1 and not header[0]


@dataclass(frozen=True)
class _Record:
    """Parses a row of the file. Arguments as of `read_delimited`; `quotes`: the file has its header in quotes, and so
    was written with every cell in quotes."""

    header: list[str]
    delimiter: str
    lists: tuple[str, ...]
    quotes: bool

    def __call__(self, content: bytes, where: str) -> Row | DataError:
        text = content.decode()
        with _long_cells() if len(text) > _USUAL_CELL else nullcontext():
            cells = next(csv.reader(io.StringIO(text, newline=""), delimiter=self.delimiter, strict=True))
        if len(cells) != len(self.header):
            kind = LooseTable if len(cells) < len(self.header) else DataError
            return kind(
                f"{where}: has {len(cells)} cells, the header has {len(self.header)}; quote cells that contain the "
                "delimiter"
            )
        if self.delimiter == "\t" and not self.quotes and len(cells) > 1 and self._swallows(text):
            return DataError(
                f"{where}: a quote opens in one line and closes in a later one, and each of these lines is a row by "
                'itself; put a cell that begins with a quote in quotes, and double those inside ("""word"" again"), or '
                "save the rows as .jsonl"
            )
        row: Row = {name: cell or None for name, cell in zip(self.header, cells, strict=True) if name}
        for name in self.lists:
            cell = row.get(name)
            if cell is not None and cell.startswith("["):
                try:
                    values = _list(cell)
                    if name not in _TEXTS or all(isinstance(value, str) for value in values):  # "[1, 2]" is an answer
                        row[name] = values
                except ValueError as error:
                    if name not in MAYBE_LISTS:
                        return DataError(f"{where}, column {name!r}: not a list in JSON {error}")
        return row

    def _swallows(self, text: str) -> bool:
        """Whether every line of a record would be a row: files of tab-separated values often quote nothing, and a cell
        that begins with a quote then reaches to the next one. A table in a quoted cell looks the same where nothing
        else shows that the file quotes. Commas are in too many texts to tell this of."""
        lines = [line for line in _LINE_END.split(text) if line]
        return len(lines) > 1 and all(line.count(self.delimiter) == len(self.header) - 1 for line in lines)


def _list(cell: str) -> list[Any]:
    """The list that a cell holds, in JSON or as Python prints one of texts and numbers, which is what pandas writes.

    Raises:
        ValueError: it holds none.
    """
    try:
        value = json.loads(cell)
    except json.JSONDecodeError as error:
        value = _printed(cell)
        if value is None:
            raise ValueError(f"({error.msg} at column {error.colno})") from error
    except (ValueError, RecursionError) as error:  # as of JSON lines
        raise ValueError(f"that is read ({error})") from error
    if not isinstance(value, list):
        raise ValueError(f"({type(value).__name__})")
    return value


def _printed(cell: str) -> Any:
    """What Python printed as a cell; None where that is not known. An array of numpy has blanks between its texts,
    which Python would put together."""
    try:
        value = ast.literal_eval(cell)
        kinds = [token.type for token in tokenize.generate_tokens(io.StringIO(cell).readline)]
    except (ValueError, SyntaxError, RecursionError, MemoryError, tokenize.TokenError):
        return None
    texts = sum(isinstance(item, str) for item in value) if isinstance(value, list) else 0
    return value if kinds.count(tokenize.STRING) == texts else None


@contextmanager
def _long_cells() -> Iterator[None]:
    """Cells may hold an image in base64; the module's own bound is 128 KiB, for the whole process: threads wait for
    each other, or one would bring the bound back while another still reads."""
    with _ONE_BOUND:
        before = csv.field_size_limit(sys.maxsize)
        try:
            yield
        finally:
            csv.field_size_limit(before)
