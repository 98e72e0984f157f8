"""Files of rows, by their extension."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from smart_train.data.columns import ColumnMap, list_columns
from smart_train.data.formats.delimited import DELIMITERS, read_delimited
from smart_train.data.formats.jsonl import read_jsonl
from smart_train.data.table import Table
from smart_train.errors import DataError

JSON_LINES = (".jsonl", ".ndjson")
ARROW = (".parquet", ".json")
EXTENSIONS = (*JSON_LINES, *DELIMITERS, *ARROW)


def read_file(path: Path, max_rows: int | None = None, columns: ColumnMap | str | None = None) -> Table:
    """The rows of one file, images relative to it.

    Raises:
        DataError: an extension that is not known, or the file cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix in JSON_LINES:
        rows, numbers = read_jsonl(path, max_rows)
        names = {name: None for row in rows if isinstance(row, dict) for name in row}
        return Table(rows, list(names), path.parent, numbers)
    if suffix in DELIMITERS:
        cells, header = read_delimited(path, max_rows, lists=list_columns(columns))
        return Table(cells, header, path.parent)
    if suffix in ARROW:
        return read_arrow([path], max_rows)
    raise DataError(f"{path}: rows are read from {', '.join(EXTENSIONS)}, not {path.suffix!r}")


def read_arrow(paths: Sequence[Path], max_rows: int | None = None) -> Table:
    """Parquet or JSON files of one data set, through the `datasets` library."""
    # Imported here: `datasets` takes seconds to import, which JSON lines and CSV need not pay.
    from smart_train.data.formats import huggingface

    return Table.of_dataset(huggingface.read_files(paths), paths[0].parent, max_rows)
