"""Files of rows, by their extension."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from smart_train.data.columns import ColumnMap, list_columns
from smart_train.data.formats.delimited import DELIMITERS, read_delimited
from smart_train.data.formats.jsonl import read_jsonl
from smart_train.data.formats.office import OFFICE_EXTENSIONS
from smart_train.data.table import Table
from smart_train.errors import DataError
from smart_train.utils.text_files import GZIP, plain_name
from smart_train.utils.wrong_contents import BEGINNING, left_behind

JSON_LINES = (".jsonl", ".ndjson")
ARROW = (".parquet", ".json", ".arrow", ".feather", ".tar")  # read by the `datasets` library
EXTENSIONS = (*JSON_LINES, *DELIMITERS, *ARROW)
_COMPRESSED = (*JSON_LINES, *DELIMITERS, ".json")  # also with .gz at the end
_PACKED = (".zst", ".bz2", ".xz", ".lz4", ".zip", ".7z", ".rar", ".tgz")
_SHEETS = (".xls", ".xlsx", ".ods")  # whose rows are what is meant, and not their pages


def is_rows_file(path: Path) -> bool:
    """Whether the name is that of a file of rows, compressed or not."""
    suffix = plain_name(path).suffix.lower()
    return suffix in (EXTENSIONS if plain_name(path) == path else _COMPRESSED)


def read_file(path: Path, max_rows: int | None = None, columns: ColumnMap | str | None = None) -> Table:
    """The rows of one file, images relative to it.

    Raises:
        DataError: an extension that is not known, or the file cannot be read.
    """
    suffix = plain_name(path).suffix.lower()
    if not is_rows_file(path):
        if suffix in OFFICE_EXTENSIONS and suffix not in _SHEETS:
            raise DataError(
                f"{path}: is an office, web or book file, whose pages are not read here; export it as PDF, or make "
                "pairs of the folder that it is in: smart-train make-pairs"
            )
        kinds = f"{', '.join(EXTENSIONS)}, and of these {', '.join(_COMPRESSED)} with {GZIP} at the end"
        saved = "; save the sheet as .csv" if suffix in _SHEETS else ""
        saved = "; unpack it first (zstd -d, bunzip2, unxz, unzip)" if suffix in _PACKED else saved
        saved = f"; unpack it: gunzip {path.name}" if suffix == ".tar" else saved
        raise DataError(f"{path}: rows are read from {kinds}, not {path.suffix!r}{saved}")
    _check_beginning(path)
    if suffix in JSON_LINES:
        rows, names = read_jsonl(path, max_rows)
        return Table(rows, names, path.parent, rows.numbers)
    if suffix in DELIMITERS:
        rows, names = read_delimited(path, max_rows, lists=list_columns(columns))
        return Table(rows, names, path.parent)
    return read_arrow([path], max_rows)


def _check_beginning(path: Path) -> None:
    with contextlib.suppress(OSError):  # who reads it says why it cannot be read
        with path.open("rb") as file:
            head = file.read(BEGINNING)
        wrong = left_behind(head)
        if wrong is not None:
            raise DataError(f"{path}: holds {wrong}")


def read_arrow(paths: Sequence[Path], max_rows: int | None = None) -> Table:
    """Parquet, JSON, Arrow or tar (WebDataset) files of one data set, through the `datasets` library."""
    # Imported here: `datasets` takes seconds to import, which JSON lines and CSV need not pay.
    from smart_train.data.formats import parquet_and_hub

    return Table.of_dataset(parquet_and_hub.read_files(paths), paths[0].parent, max_rows)
