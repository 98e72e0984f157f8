"""The columns of a row that hold a teacher's scores of its documents, for distillation: reading only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from smart_train.data.columns import Columns
from smart_train.errors import DataError, shown


def read_scores(
    raw: Mapping[str, Any], columns: Columns, counts: Mapping[str, int], where: str
) -> tuple[float | None, ...]:
    """The scores of one row, the positive's first and then those of the negatives; empty when it has none.

    Args:
        counts: how many negatives each of `columns.negatives` gave this row.
        where: source and row, for messages.

    Raises:
        DataError: a score that is not a finite number, or another number of scores than of documents.
    """
    expected = 1 + sum(counts.values())
    if columns.scores is not None and raw.get(columns.scores) is not None:
        scores = _listed(raw[columns.scores], f"{where}, column {columns.scores!r}", expected)
    else:
        scores = [_number(raw[columns.score], f"{where}, column {columns.score!r}")
                 if columns.score and raw.get(columns.score) is not None else None]  # fmt: skip
        for column, count in counts.items():
            name = f"{column}_score"
            value = raw.get(name)
            if value is None:
                scores += [None] * count
            else:
                values = value if isinstance(value, (list, tuple)) else [value]
                scores += _listed(values, f"{where}, column {name!r}", count)
    return tuple(scores) if any(score is not None for score in scores) else ()


def _listed(value: Any, where: str, expected: int) -> list[float | None]:
    if not isinstance(value, (list, tuple)):
        raise DataError(f"{where}: {type(value).__name__} {value!r}; must be a list, the positive's score first")
    if len(value) != expected:
        raise DataError(
            f"{where}: holds {len(value)} scores for {expected} documents; give one for each, null where unknown"
        )
    return [None if score is None else _number(score, where) for score in value]


def _number(value: Any, where: str) -> float:
    try:  # text too: that is all a CSV file knows
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):  # the last: a whole number of 400 digits
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{where}: {shown(value)} is not a score; a score is a finite number")
    return number
