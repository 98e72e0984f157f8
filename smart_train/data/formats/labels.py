"""Columns that say of some rows that their two sides do not belong together: labels, judgements and likeness. Every row
of ours is a query and its answer, so such rows must go; who trains on them elsewhere uses another loss."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Any

from smart_train.data.columns import COUNTED, JUDGEMENTS, LABELS, LIKENESS, Columns
from smart_train.data.table import Table
from smart_train.errors import DataError

_NOT_A_PAIR = {-1.0, 0.0}  # beside 1; other whole numbers are classes
_INFERENCE = {"premise", "hypothesis"}  # whose labels are 0 for what follows, 1 and 2 for what does not
_NOT_ENTAILED = {"contradiction", "not entailment", "not entailed"}
_NO = {"irrelevant", "not relevant", "nonrelevant", "unrelated", "no match", "not match", "not duplicate"}
_ESCI = {"e", "s", "c", "i"}  # exact, substitute, complement, irrelevant
_YES_AND_NO = ({"yes", "no"}, {"true", "false"}, {"y", "n"})
_JUDGING = {"relevant", *_NO, *_NOT_ENTAILED, *_ESCI}.union(*_YES_AND_NO)
_FIRST = 100  # so many rows tell whether a column holds texts
_WORDS_OF_A_LABEL = 2
_REMOVE = "every row here is a query and its answer: remove these rows, or the column if it says something else"
_KEEP = "every row here is a query and its answer: keep the rows whose sides mean the same, and remove the others"


def check_labels(table: Table, name: str, columns: Columns, mapped: Collection[str] = ()) -> None:
    """Raises DataError where a column of labels, judgements or likeness says of some rows that their two sides do not
    belong together.

    Args:
        name: of the source, for messages.
        columns: what was found. Where rows have negatives, fractions are a teacher's scores or margins.
        mapped: columns to which the user's map gives a meaning.
    """
    triplets = bool(columns.negatives)
    twins = None if triplets else _twins(columns)
    read = {*mapped, columns.query, columns.positive, *columns.negatives}
    for column in table.columns:
        if column in read or column not in (*LABELS, *JUDGEMENTS, *LIKENESS, "score"):
            continue
        if column in LIKENESS and twins is None:
            continue  # of a picture and its caption, say: right pairs differ in it, too
        values = values_of(table, column)
        numbers = [value for value in map(number, values) if value is not None]
        if column == "score" and twins is None and (triplets or {*numbers} != {0.0, 1.0}):
            continue  # a teacher's
        fractions = not triplets and any(map(_is_fraction, numbers))
        if {*table.columns} >= _INFERENCE and column in LABELS:
            _check_inference(values, column, name)
        elif len(numbers) < len(values):
            check_words(values, column, name)
        elif (column == "score" and twins) or column in LIKENESS or (column in LABELS and fractions):
            _check_likeness(numbers, column, name, " and ".join(twins) if twins else "the two sides")
        elif column in JUDGEMENTS or {*numbers} <= {*_NOT_A_PAIR, 1.0}:
            _check_judgements(numbers, column, name)


def text_columns(table: Table) -> list[str]:
    """Columns that are called as labels, judgements, likeness or ids are, and hold documents all the same, such as
    `relevant` beside `irrelevant`: most values differ from each other, and none of these is a number or a judgement.
    Labels and ids may be words of any kind, so there only texts of several words count."""
    found = []
    for column in table.columns:
        if column not in (*LABELS, *JUDGEMENTS, *LIKENESS, *COUNTED):
            continue
        values = values_of(table, column, _FIRST)
        least = _WORDS_OF_A_LABEL if column in (*LABELS, *COUNTED) else 0
        texts = {text for text in values if isinstance(text, str) and len(text.split()) > least}
        documents = sum(number(text) is None and _plain(text) not in _JUDGING for text in texts)
        documents += sum(isinstance(value, Mapping) for value in values)
        if 2 * documents > len(values):
            found.append(column)
    return found


def _check_inference(values: Sequence[Any], column: str, name: str) -> None:
    different = sorted({str(value) for value in values})
    if len(different) > 1:
        raise DataError(
            f"{name}: column {column!r} holds {', '.join(different)}: whether the hypothesis follows from the premise; "
            "every row here is a query and its answer: keep the rows where it does (entailment, most often 0), and "
            "remove the others"
        )


def check_words(values: Sequence[Any], column: str, name: str) -> None:
    """Raises DataError for labels in words of which some say no. Numbers among them say nothing, as of classes."""
    words = [_plain(value) for value in values]
    refusing = {*_NO, *_NOT_ENTAILED}
    if {*words} & {"entailment", *_NOT_ENTAILED}:
        refusing.add("neutral")  # else it is of moods: positive, neutral, negative
    if column == "esci_label" or ({*words} <= _ESCI and len({*words}) > 1):
        refusing.add("i")  # else it is a numeral: I, II, III
    if {*words} in _YES_AND_NO:  # "no" in every row is rather a language than an answer
        refusing |= {"no", "false", "n"}
    said = [word in refusing for word in words]
    if any(said):
        first = values[said.index(True)]
        raise DataError(
            f"{name}: column {column!r} is {first!r} or the like in {sum(said)} rows, which says that their two sides "
            f"do not belong together; {_REMOVE}"
        )


def _check_likeness(numbers: Sequence[float], column: str, name: str, sides: str) -> None:
    low = sum(value < max(numbers) / 2 for value in numbers)
    if low:
        raise DataError(
            f"{name}: column {column!r} is below half of the highest in {low} rows: it says how alike {sides} are; "
            f"{_KEEP}"
        )


def _check_judgements(numbers: Sequence[float], column: str, name: str) -> None:
    """Where every row says no, the column means something else than the pair. Fractions outside 0 to 1 are a model's
    scores, which may be below 0 for right pairs."""
    negative = sum(value <= 0 for value in numbers)
    scores = any(_is_fraction(value) and not 0 < value < 1 for value in numbers)
    if 0 < negative < len(numbers) and not scores:
        below = " or less" if min(numbers) < 0 else ""
        raise DataError(
            f"{name}: column {column!r} is 0{below} in {negative} rows, which says that their two sides do not belong "
            f"together; {_REMOVE}"
        )


def _twins(columns: Columns) -> tuple[str, str] | None:
    """The query's and the positive's column where they are of one kind, such as sentence1 and sentence2, text_a and
    text_b: neither side is asked of the other."""
    first, second = sorted((columns.query or "", columns.positive))
    alike = len(first) > 1 and first[:-1] == second[:-1]
    return (first, second) if alike and first[-1] + second[-1] in ("12", "ab", "AB") else None


def _plain(value: Any) -> str:
    return " ".join(str(value).lower().replace("_", " ").replace("-", " ").split())


def _is_fraction(value: float) -> bool:
    return math.isfinite(value) and value % 1 != 0


def number(value: Any) -> float | None:
    """The number that a value is, of a text too: that is all a CSV file knows. None where it is not one."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):  # the last: a whole number of 400 digits
        return None


def values_of(table: Table, column: str, max_rows: int | None = None) -> list[Any]:
    """The values of a column that are not None, in all rows or in the first `max_rows`."""
    rows: Any = table.rows
    rows = rows.select_columns(column) if hasattr(rows, "select_columns") else rows
    values = (rows[place] for place in islice(range(len(rows)), max_rows))
    return [row[column] for row in values if isinstance(row, Mapping) and row.get(column) is not None]
