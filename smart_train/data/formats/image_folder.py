"""ImageFolder of `datasets`: images, and a table beside them whose column `file_name` names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeGuard

from smart_train.data.formats.pdf import DPI
from smart_train.data.references import References
from smart_train.data.row_files import read_file
from smart_train.data.table import AdaptedRows, Table
from smart_train.inputs.extensions import IMAGE_EXTENSIONS

_TABLES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
_NAME = "file_name"
_IDS = ("document_id", "_id", "id", "doc_id")


def named_pictures(folder: Path, max_rows: int | None = None) -> Table | None:
    """The table with the pictures that it names as `image`; a text of the same row belongs to its picture. None where a
    folder lacks the table, or where none of the pictures that it names are there: then it is about something else."""
    file = next((folder / name for name in _TABLES if (folder / name).is_file()), None)
    table = None if file is None else read_file(file, max_rows)
    references = References(folder, DPI)
    if table is None or _NAME not in table.columns or not _names_one(table, references):
        return None
    return replace(
        table,
        rows=AdaptedRows(table.rows, _Shown(references), str(file), table.numbers),
        columns=["image", *(name for name in table.columns if name != "image")],
        called={"image": _NAME},
        available=table.columns,
    )


def has_ids(table: Table) -> bool:
    """Whether the table gives its pictures ids; else they are called by their paths."""
    return any(name in table.columns for name in _IDS)


def _names_one(table: Table, references: References) -> bool:
    rows: Any = table.rows
    rows = rows.select_columns(_NAME) if hasattr(rows, "select_columns") else rows
    some = (rows[place] for place in range(len(rows)))
    names = (row.get(_NAME) for row in some if isinstance(row, Mapping))
    return any(_is_picture(name) and references.is_there(name) for name in names)


def _is_picture(name: Any) -> TypeGuard[str]:
    return isinstance(name, str) and name.lower().endswith(IMAGE_EXTENSIONS)


class _Shown:
    """Puts the picture that a row names into it.

    Args:
        references: of the table's folder, where its names start from, whatever `image_root` says of other rows.
    """

    def __init__(self, references: References) -> None:
        self.references = references

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        name = row.get(_NAME)
        return {**row, "image": self.references.below_root(name, f"column {_NAME!r}") if _is_picture(name) else name}
