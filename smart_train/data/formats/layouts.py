"""Rows as other libraries write them: which of them are read as they are, and what to do about the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from smart_train.data.formats import flag_embedding, swift, tevatron, vlm2vec
from smart_train.data.table import SplitRows, Table
from smart_train.errors import DataError

_READ = (vlm2vec, swift, tevatron, flag_embedding)
_CONVERSATIONS = ("messages", "conversations", "conversation", "chosen_messages")
_PAIR = 'a row for each pair, as in {"query": "What is the torque?", "positive": "pages/1.png"}'


def adapted(table: Table, name: str, max_rows: int | None = None) -> Table:
    """The table under our column names, where another library's layout is recognised by its columns or by what these
    hold; else as it is.

    Args:
        name: of the source, for messages. max_rows: of the result, where a row gives several.
    """
    for layout in _READ:
        if layout.matches(table):
            renamed = layout.adapted(table, name)
            return renamed.head(max_rows) if isinstance(renamed.rows, SplitRows) else renamed
    return table


def check_layout(columns: Sequence[str], name: str) -> None:
    """Raises DataError for columns of layouts that no map of columns makes rows of, and says what to write instead."""
    names = {*columns}
    if {"query", "positive"} <= names:
        return
    if Path(name).name == "dataset_info.json":
        raise DataError(
            f"{name}: lists the data sets of LLaMA-Factory, and holds no rows; name the file of one of them, its "
            "file_name there, as the path"
        )
    if "docs" in names and names & {"labels", "label", "scores"}:
        raise DataError(
            f"{name}: holds lists of documents with a list of labels or scores (column 'docs'), on which rerankers are "
            'trained; write a row for each document that answers, as in {"query": "What is the torque?", "positive": '
            '"It is 4 Nm.", "negatives": ["The belt is 3 m long."]}'
        )
    if {"data", "annotations"} <= names or {"data", "predictions"} <= names:
        raise DataError(
            f"{name}: an export of Label Studio in its own JSON, where what was labelled lies inside `data` and "
            "`annotations`; export it as JSON-MIN or CSV, whose columns are named as in your labelling interface, and "
            "map them, as in columns: {query: question, positive: image}"
        )
    if "pos_cand_list" in names:
        raise DataError(
            f"{name}: holds queries of M-BEIR, whose candidates are a file of their own; name a folder with both, this "
            "file and *cand_pool*.jsonl"
        )
    conversations = next((column for column in _CONVERSATIONS if column in names), None)
    if conversations is not None:
        raise DataError(
            f"{name}: holds conversations (column {conversations!r}), on which chat models are trained (LLaMA-Factory, "
            f"ms-swift); training here needs queries and the documents that answer them: write {_PAIR}, with the "
            "user's question as the query, and the page or text that answers it as the positive"
        )
