"""The rows of FlagEmbedding: `query`, lists `pos` and `neg` of documents, and, from a teacher, lists `pos_scores` and
`neg_scores`. `prompt` is the query's instruction.

A row with several answers gives a row for each of them, as training takes another of them each time there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from smart_train.data.table import SplitRows, Table, listed

_CALLED = {"query": "query", "positive": "pos", "negatives": "neg", "instruction": "prompt",
           "scores": "pos_scores, neg_scores"}  # fmt: skip


def matches(columns: Collection[str]) -> bool:
    """Whether the columns are those of FlagEmbedding."""
    return {"query", "pos"} <= {*columns}


def adapted(table: Table, name: str) -> Table:
    """The same rows under our names; `name`: of their source."""
    columns = ["query", "positive", "negatives", "instruction", "scores"]
    return table.renamed(SplitRows(table, name, "pos", row), columns, _CALLED)


def row(raw: Mapping[str, Any], answer: int) -> dict[str, Any]:
    """The row of one answer."""
    answers, negatives = listed(raw.get("pos")), listed(raw.get("neg"))
    scores, of_negatives = listed(raw.get("pos_scores")), listed(raw.get("neg_scores"))
    return {
        "query": raw.get("query"),
        "positive": answers[answer] if answers else None,
        "negatives": negatives or None,
        "instruction": raw.get("prompt") or None,
        # Where only one side has scores, those of the other are not known.
        "scores": [*(scores[answer : answer + 1] or [None]), *(of_negatives or [None] * len(negatives))]
        if scores or of_negatives
        else None,
    }
