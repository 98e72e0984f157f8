"""CSV and TSV files with a header. Cells are text; nothing is guessed from them, so a query of digits stays a query."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from smart_train.errors import DataError
from smart_train.utils.text_files import READ_ERRORS, open_text, plain_name

Row = dict[str, Any]
DELIMITERS = {".csv": ",", ".tsv": "\t"}


def read_delimited(
    path: Path, max_rows: int | None = None, *, lists: Collection[str] = ()
) -> tuple[list[Row | DataError], list[str]]:
    """The rows of a file, the first below the header being row 0, and the names of its columns. An empty cell is None.
    A row with too many or too few cells gives the DataError that says so in its place.

    Args:
        lists: columns whose cells may hold a list, written as in JSON.

    Raises:
        DataError: the file cannot be read, is not UTF-8, or its header is empty or names a column twice.
    """
    try:
        with open_text(path, newline="") as file, _long_cells():
            lines = csv.reader(file, delimiter=DELIMITERS[plain_name(path).suffix.lower()], strict=True)
            header = next(lines, [])
            _check_header(path, header, lines.dialect.delimiter)
            rows: list[Row | DataError] = []
            for cells in lines:
                if max_rows is not None and len(rows) == max_rows:
                    break
                if cells:  # the csv module gives [] for a blank line
                    rows.append(_row(header, cells, f"{path}, row {len(rows)}", lists))
            return rows, header
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error}); save it as UTF-8") from error
    except csv.Error as error:
        raise DataError(
            f"{path}, line {lines.line_num}: {error}; quote cells that contain quotes or line breaks"
        ) from error
    except READ_ERRORS as error:
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error


def _check_header(path: Path, header: list[str], delimiter: str) -> None:
    if not header:
        raise DataError(f"{path}: is empty; its first line must name the columns")
    other = next((mark for mark in (";", "\t", ",", "|") if mark != delimiter and mark in header[0]), None)
    if len(header) == 1 and other is not None:
        raise DataError(
            f"{path}: its first line is {header[0]!r}: columns of a {plain_name(path).suffix} file are separated by "
            f"{delimiter!r}, not by {other!r}; save it with the right separator"
        )
    for name in header:
        if not name or header.count(name) > 1:
            raise DataError(
                f"{path}: its first line names {header.count(name)} columns {name!r}; give each column its own name"
            )


def _row(header: list[str], cells: list[str], where: str, lists: Collection[str]) -> Row | DataError:
    if len(cells) != len(header):
        return DataError(
            f"{where}: has {len(cells)} cells, the header has {len(header)}; quote cells that contain the delimiter"
        )
    row: Row = {name: cell or None for name, cell in zip(header, cells, strict=True)}
    for name in lists:
        cell = row.get(name)
        if cell is not None and cell.startswith("["):
            try:
                row[name] = json.loads(cell)
            except json.JSONDecodeError as error:
                return DataError(f"{where}, column {name!r}: not a list in JSON ({error.msg} at column {error.colno})")
    return row


@contextmanager
def _long_cells() -> Iterator[None]:
    """Cells may hold an image in base64; the module's own bound is 128 KiB."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)
