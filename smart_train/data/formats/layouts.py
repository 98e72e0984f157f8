"""Rows as other libraries write them: which of them are read as they are, and what to do about the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from smart_train.data.formats import flag_embedding, swift, tevatron, vlm2vec
from smart_train.data.table import SplitRows, Table
from smart_train.errors import DataError

_READ = (vlm2vec, swift, tevatron, flag_embedding)
_CONVERSATIONS = ("messages", "conversations", "conversation")
_A_PAIR, _NOT_A_PAIR = ("1", "1.0", "True"), ("0", "0.0", "False")
_PAIR = 'a row for each pair, as in {"query": "What is the torque?", "positive": "pages/1.png"}'


def adapted(table: Table, name: str, max_rows: int | None = None) -> Table:
    """The table under our column names, where another library's layout is recognised by its columns; else as it is.

    Args:
        name: of the source, for messages. max_rows: of the result, where a row gives several.
    """
    for layout in _READ:
        if layout.matches(table.columns):
            renamed = layout.adapted(table, name)
            return renamed.head(max_rows) if isinstance(renamed.rows, SplitRows) else renamed
    return table


def check_labels(table: Table, name: str) -> None:
    """Raises DataError where a column of labels says of some rows that their two sides do not belong together."""
    for column in ("label", "labels"):
        if column not in table.columns:
            continue
        rows: Any = table.rows
        rows = rows.select_columns(column) if hasattr(rows, "select_columns") else rows
        values = (rows[place] for place in range(len(rows)))
        labels = [str(row[column]) for row in values if isinstance(row, Mapping) and row.get(column) is not None]
        negative = sum(label in _NOT_A_PAIR for label in labels)
        if negative and {*labels} <= {*_NOT_A_PAIR, *_A_PAIR}:
            raise DataError(
                f"{name}: column {column!r} is 0 in {negative} rows, which says that their two sides do not belong "
                "together; every row here is a query and its answer: remove these rows, or the column if it says "
                "something else"
            )


def check_layout(columns: Sequence[str], name: str) -> None:
    """Raises DataError for columns of layouts that no map of columns makes rows of, and says what to write instead."""
    names = {*columns}
    if {"query", "positive"} <= names:
        return
    if {"data", "annotations"} <= names or {"data", "predictions"} <= names:
        raise DataError(
            f"{name}: an export of Label Studio in its own JSON, where what was labelled lies inside `data` and "
            "`annotations`; export it as JSON-MIN or CSV, whose columns are named as in your labelling interface, and "
            "map them, as in columns: {query: question, positive: image}"
        )
    conversations = next((column for column in _CONVERSATIONS if column in names), None)
    if conversations is not None:
        raise DataError(
            f"{name}: holds conversations (column {conversations!r}), on which chat models are trained (LLaMA-Factory, "
            f"ms-swift); training here needs queries and the documents that answer them: write {_PAIR}, with the "
            "user's question as the query, and the page or text that answers it as the positive"
        )
