"""The rows of FlagEmbedding: `query`, lists `pos` and `neg` of documents, and, from a teacher, lists `pos_scores` and
`neg_scores`. `prompt` is the query's instruction, and `type` the kind of row: a batch holds rows of one.

A row with several answers gives a row for each of them, as training takes another of them each time there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smart_train.data.column_values import first_values
from smart_train.data.table import SplitRows, Table, listed
from smart_train.errors import DataError

_CALLED = {"query": "query", "positive": "pos", "negatives": "neg", "instruction": "prompt",
           "scores": "pos_scores, neg_scores", "task": "type"}  # fmt: skip
# Rows whose answer is a class or another text of a cluster: what answers one row answers many others, and FlagEmbedding
# trains on them without the other rows of a batch as negatives, which is not done here.
_SHARED_ANSWERS = ("symmetric_class", "symmetric_clustering")
_ALIKE = "symmetric_sts"  # both sides are queries: documents have the prompt, too


def matches(table: Table) -> bool:
    """Whether the rows are those of FlagEmbedding, and not our own with a column `pos` of another meaning. Beside a
    column `document`, which may also say where the answers come from, a list of texts in `pos` decides."""
    names = {*table.columns}
    if not {"query", "pos"} <= names or "positive" in names:
        return False
    return "document" not in names or any(isinstance(value, list) for value in first_values(table.rows, "pos"))


def adapted(table: Table, name: str) -> Table:
    """The same rows under our names; `name`: of their source."""
    columns = ["query", "positive", "negatives", "instruction", "scores", "task"]
    return table.renamed(SplitRows(table, name, "pos", row), columns, _CALLED)


def row(raw: Mapping[str, Any], answer: int) -> dict[str, Any]:
    """The row of one answer.

    Raises:
        DataError: its type says that other rows' documents answer it, too.
    """
    kind, prompt = raw.get("type"), raw.get("prompt") or None
    if kind in _SHARED_ANSWERS:
        raise DataError(
            f"column 'type': {kind!r} says that documents of other rows answer this one, too, and training here takes "
            "them for negatives; remove the row"
        )
    instruction = prompt if kind == _ALIKE else None
    answers = [_instructed(text, instruction) for text in listed(raw.get("pos"))]
    negatives = [_instructed(text, instruction) for text in listed(raw.get("neg"))]
    scores, of_negatives = listed(raw.get("pos_scores")), listed(raw.get("neg_scores"))
    return {
        "query": raw.get("query"),
        "positive": answers[answer] if answers else None,
        "negatives": negatives or None,
        "instruction": prompt,
        # Where only one side has scores, those of the other are not known.
        "scores": [*(scores[answer : answer + 1] or [None]), *(of_negatives or [None] * len(negatives))]
        if scores or of_negatives
        else None,
        "task": kind or None,
    }


def _instructed(document: Any, instruction: str | None) -> Any:
    return {"text": document, "instruction": instruction} if instruction and isinstance(document, str) else document
