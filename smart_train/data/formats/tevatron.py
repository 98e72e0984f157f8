"""The rows of Tevatron. First layout: `query`, and passages with `docid`, `title` and `text` in lists
`positive_passages` and `negative_passages`. Second: `query_text`, `query_image`, and lists `positive_document_ids` and
`negative_document_ids`, whose documents are another source (`docid`, `text`, `image`), the recipe's `documents`.

A row with several answers gives a row for each of them, as training takes another of them each time there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from smart_train.data.formats.judged import titled
from smart_train.data.table import SplitRows, Table, listed

_PASSAGES, _IDS = "positive_passages", "positive_document_ids"


def matches(columns: Collection[str]) -> bool:
    """Whether the columns are those of one of the two layouts."""
    return _PASSAGES in columns or _IDS in columns


def adapted(table: Table, name: str) -> Table:
    """The same rows under our names; `name`: of their source."""
    called = {"query": "query" if "query" in table.columns else "query_text"}
    if _PASSAGES in table.columns:
        called |= {"positive": _PASSAGES, "document_id": _PASSAGES, "negatives": "negative_passages"}
        columns = ["query", "query_id", "positive", "document_id", "negatives"]
        return table.renamed(SplitRows(table, name, _PASSAGES, passages_row), columns, called)
    called |= {"positive": _IDS, "negatives": "negative_document_ids"}
    columns = ["query", "query_image", "query_id", "positive", "negatives"]
    return table.renamed(SplitRows(table, name, _IDS, ids_row), columns, called, documents_apart=True)


def passages_row(raw: Mapping[str, Any], answer: int) -> dict[str, Any]:
    """The row of one answer, its passages written out."""
    answers = listed(raw.get(_PASSAGES))
    positive = answers[answer] if answers else None
    return {
        **_asked(raw),
        "positive": _passage(positive),
        "document_id": positive.get("docid") if isinstance(positive, Mapping) else None,
        "negatives": [_passage(passage) for passage in listed(raw.get("negative_passages"))] or None,
    }


def ids_row(raw: Mapping[str, Any], answer: int) -> dict[str, Any]:
    """The row of one answer, its documents named by id."""
    answers = listed(raw.get(_IDS))
    return {
        **_asked(raw),
        "positive": answers[answer] if answers else None,
        "negatives": listed(raw.get("negative_document_ids")) or None,
    }


def _asked(raw: Mapping[str, Any]) -> dict[str, Any]:
    text = raw.get("query") if raw.get("query") is not None else raw.get("query_text")
    return {"query": text, "query_image": raw.get("query_image"), "query_id": raw.get("query_id")}


def _passage(value: Any) -> Any:
    """A passage as a document; what is not one is left for the reader of rows to refuse."""
    return {"text": titled(value)["text"]} if isinstance(value, Mapping) and "text" in value else value
