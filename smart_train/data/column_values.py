"""What the cells of a column hold: nothing, or the first values, from which it is told what the column is for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_ROWS = 300  # reading more would take long in a source of pictures


def absent(value: Any) -> bool:
    """Whether a cell holds nothing; Arrow writes a missing image as {"bytes": None, "path": None}."""
    if isinstance(value, Mapping):
        return bool(value) and all(part is None for part in value.values())
    return value is None or value in ("", [])


def first_values(rows: Sequence[Any], column: str) -> Iterator[Any]:
    """The values of a column in the first rows of a source that are not empty; rows that could not be read have
    none."""
    some: Any = rows.select_columns(column) if hasattr(rows, "select_columns") else rows
    for place in range(min(_ROWS, len(some))):
        row = some[place]
        value = row.get(column) if isinstance(row, Mapping) else None
        if not absent(value):
            yield value
