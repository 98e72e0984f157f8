"""Columns that say of some rows that their two sides do not belong together: labels, judgements and likeness. Every row
of ours is a query and its answer, so such rows must go; who trains on them elsewhere uses another loss."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from smart_train.data.columns import JUDGEMENTS, LABELS, LIKENESS
from smart_train.data.table import Table
from smart_train.errors import DataError

_NOT_A_PAIR = {-1.0, 0.0}  # beside 1; other whole numbers are classes
_INFERENCE = {"premise", "hypothesis"}  # whose labels are 0 for what follows, 1 and 2 for what does not
_NO = (
    {"irrelevant", "not relevant", "nonrelevant", "unrelated", "no match", "not match", "not duplicate"}
    | {"neutral", "contradiction", "not entailment", "not entailed", "i"}  # the last: irrelevant, of the ESCI sets
)  # fmt: skip
_YES_AND_NO = ({"yes", "no"}, {"true", "false"}, {"y", "n"})
_REMOVE = "every row here is a query and its answer: remove these rows, or the column if it says something else"
_KEEP = "every row here is a query and its answer: keep the rows whose sides mean the same, and remove the others"


def check_labels(table: Table, name: str, mapped: Collection[str] = (), *, triplets: bool = False) -> None:
    """Raises DataError where a column of labels, judgements or likeness says of some rows that their two sides do not
    belong together.

    Args:
        name: of the source, for messages. mapped: columns to which the user's map gives a meaning.
        triplets: rows have negatives of their own, so that fractions in a label are a teacher's margins.
    """
    twins = _twins(table.columns)
    for column in table.columns:
        if column in mapped or column not in (*LABELS, *JUDGEMENTS, *LIKENESS, "score"):
            continue
        values = _values(table, column)
        numbers = [number for number in map(_number, values) if number is not None]
        if column == "score" and twins is None and (triplets or {*numbers} != {0.0, 1.0}):
            continue  # a teacher's
        fractions = not triplets and any(number % 1 for number in numbers)
        if {*table.columns} >= _INFERENCE and column in LABELS:
            _check_inference(values, column, name)
        elif len(numbers) < len(values):
            _check_words(values, column, name)
        elif (column == "score" and twins) or column in LIKENESS or (column in LABELS and fractions):
            _check_likeness(numbers, column, name, " and ".join(twins) if twins else "the two sides")
        elif column in JUDGEMENTS or {*numbers} <= {*_NOT_A_PAIR, 1.0}:
            _check_judgements(numbers, column, name)


def _check_inference(values: Sequence[Any], column: str, name: str) -> None:
    different = sorted({str(value) for value in values})
    if len(different) > 1:
        raise DataError(
            f"{name}: column {column!r} holds {', '.join(different)}: whether the hypothesis follows from the premise; "
            "every row here is a query and its answer: keep the rows where it does (entailment, most often 0), and "
            "remove the others"
        )


def _check_words(values: Sequence[Any], column: str, name: str) -> None:
    """Labels in words; numbers among them say nothing, as of classes."""
    words = [" ".join(str(value).lower().replace("_", " ").replace("-", " ").split()) for value in values]
    answers = next((both for both in _YES_AND_NO if {*words} <= both), set())
    said = [word in _NO or (word in answers and word[0] in "nf") for word in words]
    if any(said):
        first = values[said.index(True)]
        raise DataError(
            f"{name}: column {column!r} is {first!r} or the like in {sum(said)} rows, which says that their two sides "
            f"do not belong together; {_REMOVE}"
        )


def _check_likeness(numbers: Sequence[float], column: str, name: str, sides: str) -> None:
    low = sum(number < max(numbers) / 2 for number in numbers)
    if low:
        raise DataError(
            f"{name}: column {column!r} is below half of the highest in {low} rows: it says how alike {sides} are; "
            f"{_KEEP}"
        )


def _check_judgements(numbers: Sequence[float], column: str, name: str) -> None:
    negative = sum(number <= 0 for number in numbers)
    if negative:
        below = " or less" if min(numbers) < 0 else ""
        raise DataError(
            f"{name}: column {column!r} is 0{below} in {negative} rows, which says that their two sides do not belong "
            f"together; {_REMOVE}"
        )


def _twins(columns: Iterable[str]) -> tuple[str, str] | None:
    """Two columns of one kind, such as sentence1 and sentence2, text_a and text_b: neither side is asked of the
    other."""
    names = {*columns}
    for name in columns:
        for first, second in (("1", "2"), ("a", "b"), ("A", "B")):
            other = name[:-1] + second
            if name.endswith(first) and len(name) > 1 and other in names:
                return name, other
    return None


def _number(value: Any) -> float | None:
    """Of a text too: that is all a CSV file knows."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):  # the last: a whole number of 400 digits
        return None


def _values(table: Table, column: str) -> list[Any]:
    """The values of a column that are not None."""
    rows: Any = table.rows
    rows = rows.select_columns(column) if hasattr(rows, "select_columns") else rows
    values = (rows[place] for place in range(len(rows)))
    return [row[column] for row in values if isinstance(row, Mapping) and row.get(column) is not None]
