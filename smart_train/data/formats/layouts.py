"""Rows as other libraries write them: which of them are read as they are, and what to do about the others."""

from __future__ import annotations

from collections.abc import Sequence

from smart_train.data.formats import flag_embedding, swift, tevatron, vlm2vec
from smart_train.data.table import Table
from smart_train.errors import DataError

_READ = (vlm2vec, swift, tevatron, flag_embedding)
_CONVERSATIONS = ("messages", "conversations", "conversation")
_PAIR = 'a row for each pair, as in {"query": "What is the torque?", "positive": "pages/1.png"}'


def adapted(table: Table, name: str) -> Table:
    """The table under our column names, where another library's layout is recognised by its columns; else as it is.

    Args:
        name: of the source, for messages.
    """
    for layout in _READ:
        if layout.matches(table.columns):
            return layout.adapted(table, name)
    return table


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
