"""The rows of Tevatron. First layout: `query`, and passages with `docid`, `title` and `text` in lists
`positive_passages` and `negative_passages`, with a teacher's `score` where a model is distilled. Second: `query_text`,
`query_image`, `query_video`, and lists `positive_document_ids` and `negative_document_ids`, whose documents are another
source (`docid`, `text`, `image`, `video`), the recipe's `documents`. SimLM and E5 name theirs in `positives` and
`negatives`, each with a list `doc_id`, and a list `score` of a teacher.

A row with several answers gives a row for each of them, as training takes another of them each time there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from smart_train.data.formats.judged import titled
from smart_train.data.table import AdaptedRows, SplitRows, Table, listed
from smart_train.errors import DataError

_PASSAGES, _NEGATIVES, _IDS = "positive_passages", "negative_passages", "positive_document_ids"
_SCORED, _SCORED_NEGATIVES = "positives", "negatives"


def matches(table: Table) -> bool:
    """Whether the columns are those of one of the layouts."""
    names = {*table.columns}
    scored = {"query", _SCORED, _SCORED_NEGATIVES} <= names and "positive" not in names
    return _PASSAGES in names or _IDS in names or scored


def adapted(table: Table, name: str) -> Table:
    """The same rows under our names; `name`: of their source."""
    called = {"query": "query" if "query" in table.columns else "query_text"}
    if _PASSAGES in table.columns:
        called |= {"positive": _PASSAGES, "document_id": _PASSAGES, "negatives": _NEGATIVES}
        called["scores"] = f"{_PASSAGES}, {_NEGATIVES}"
        columns = ["query", "query_id", "positive", "document_id", "negatives", "scores"]
        return table.renamed(SplitRows(table, name, _PASSAGES, passages_row), columns, called)
    if _IDS not in table.columns:
        first = next((row for row in table.rows if isinstance(row, Mapping)), {})
        if not isinstance(first.get(_SCORED), Mapping):  # columns of this name that hold something else
            return table
        called |= {"positive": _SCORED, "negatives": _SCORED_NEGATIVES, "scores": f"{_SCORED}, {_SCORED_NEGATIVES}"}
        flat = replace(table, rows=AdaptedRows(table.rows, _flat))
        rows = SplitRows(flat, name, _IDS, scored_row)
        columns = ["query", "query_id", "positive", "negatives", "scores"]
        return table.renamed(rows, columns, called, documents_apart=True)
    called |= {"positive": _IDS, "negatives": "negative_document_ids"}
    if "query_video" in table.columns:
        called["query"] += ", query_video"
    columns = ["query", "query_image", "query_id", "positive", "negatives"]
    return table.renamed(SplitRows(table, name, _IDS, ids_row), columns, called, documents_apart=True)


def passages_row(raw: Mapping[str, Any], answer: int) -> dict[str, Any]:
    """The row of one answer, its passages written out."""
    answers, negatives = listed(raw.get(_PASSAGES)), listed(raw.get(_NEGATIVES))
    positive = answers[answer] if answers else None
    scores = [passage.get("score") if isinstance(passage, Mapping) else None for passage in (positive, *negatives)]
    return {
        **_asked(raw),
        "positive": _passage(positive),
        "document_id": positive.get("docid") if isinstance(positive, Mapping) else None,
        "negatives": [_passage(passage) for passage in negatives] or None,
        "scores": None if all(score is None for score in scores) else scores,
    }


def ids_row(raw: Mapping[str, Any], answer: int) -> dict[str, Any]:
    """The row of one answer, its documents named by id."""
    answers = listed(raw.get(_IDS))
    return {
        **_asked(raw),
        "positive": answers[answer] if answers else None,
        "negatives": listed(raw.get("negative_document_ids")) or None,
    }


def scored_row(raw: Mapping[str, Any], answer: int) -> dict[str, Any]:
    """The row of one answer of SimLM, its documents named by id.

    Raises:
        DataError: what belongs to the documents of a side is not lists.
    """
    if raw[_IDS] is None:
        raise DataError(f'columns {_SCORED!r} and {_SCORED_NEGATIVES!r} must read {{"doc_id": [...], "score": [...]}}')
    scores = [*raw["scores"][answer : answer + 1], *raw["negative_scores"]]
    return {**ids_row(raw, answer), "scores": scores or None}


def _flat(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A row of SimLM with its ids and scores in columns of their own; the ids are None where it is not one."""
    sides = [side if isinstance(side, Mapping) else {} for side in (raw.get(_SCORED), raw.get(_SCORED_NEGATIVES))]
    ids, scores = ([listed(side.get(part)) for side in sides] for part in ("doc_id", "score"))
    return {
        **raw,
        _IDS: ids[0] if "doc_id" in sides[0] else None,
        "negative_document_ids": ids[1],
        "scores": scores[0],
        "negative_scores": scores[1],
    }


def _asked(raw: Mapping[str, Any]) -> dict[str, Any]:
    text = raw.get("query") if raw.get("query") is not None else raw.get("query_text")
    video = raw.get("query_video")
    if video not in (None, ""):
        text = {"text": text or None, "video": video}
    return {"query": text, "query_image": raw.get("query_image"), "query_id": raw.get("query_id")}


def _passage(value: Any) -> Any:
    """A passage as a document; what is not one is left for the reader of rows to refuse."""
    return {"text": titled(value)["text"]} if isinstance(value, Mapping) and "text" in value else value
