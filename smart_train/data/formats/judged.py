"""Queries, a corpus, and judgements of which document answers which query, each a table of its own: the layout of BEIR,
of the ViDoRe sets from version 2 on, and of most retrieval tasks in mteb.

A folder holds `queries`, `corpus` and `qrels`, each as a file (.jsonl, .tsv, .parquet, ...) or as a folder of files,
one per split. On the Hub, and in a copy of such a repository, the three are configurations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from smart_train.data.columns import ColumnMap
from smart_train.data.files import ARROW, EXTENSIONS, read_arrow, read_file
from smart_train.data.table import AdaptedRows, Table
from smart_train.errors import DataError, did_you_mean

PARTS = ("queries", "corpus", "qrels")
_QUERY_ID = ("query-id", "query_id", "_id", "id", "qid")
_QUERY = ("query", "text", "question")
_DOCUMENT_ID = ("corpus-id", "corpus_id", "document_id", "_id", "id", "doc_id", "docid")
_GRADE = ("score", "relevance", "grade")


def is_judged(folder: Path) -> bool:
    """Whether `folder` holds all three parts."""
    return all(_candidates(folder, part) for part in PARTS)


def read_judged(folder: Path, split: str | None, columns: ColumnMap | str | None = None) -> Table:
    """The judged pairs of a folder as rows, and its corpus as their documents.

    Raises:
        DataError: a part cannot be read, has several splits of which none is asked for, or lacks a column.
    """
    parts = {part: _read_part(folder, part, split) for part in PARTS}
    return join(parts, {part: str(folder / part) for part in PARTS}, columns)


def join(parts: Mapping[str, Table], names: Mapping[str, str], columns: ColumnMap | str | None = None) -> Table:
    """One row for every judgement above 0; what the query is judged not to want is left out.

    Args:
        parts: the three tables. names: what to call each in messages.
        columns: the user's map; its `query`, `query_id`, `positive` and `document_id` say where those stand.
    """
    given = columns if isinstance(columns, Mapping) else {}
    queries, qrels = parts["queries"], parts["qrels"]
    query_id = _column(names["queries"], queries, given.get("query_id"), _QUERY_ID, "query_id")
    query = _column(names["queries"], queries, given.get("query"), _QUERY, "query")
    judged_query = _column(names["qrels"], qrels, None, _QUERY_ID, "query_id")
    judged_document = _column(names["qrels"], qrels, None, _DOCUMENT_ID, "document_id")
    grade = next((name for name in _GRADE if name in qrels.columns), None)
    places = _places(queries, query_id, names["queries"])
    rows: list[dict[str, Any] | DataError] = []
    numbers = []
    for index in range(len(qrels.rows)):
        row = qrels.rows[index]
        where = f"{names['qrels']}, row {index if qrels.numbers is None else qrels.numbers[index]}"
        judged: DataError | tuple[str, str, int] | dict[str, Any]
        judged = row if isinstance(row, DataError) else _judgement(row, judged_query, judged_document, grade, where)
        if isinstance(judged, tuple):
            asked, document, value = judged
            if value < 1:
                continue
            place = places.get(asked)
            judged = {"place": place, "positive": document, "grade": value, "query_id": asked}
            if place is None:
                hint = did_you_mean(asked, places) if len(places) <= 10_000 else ""
                judged = DataError(f"{where}, column {judged_query!r}: no query {asked!r} in {names['queries']}{hint}")
        rows.append(judged)
        numbers.append(index if qrels.numbers is None else qrels.numbers[index])
    joined = AdaptedRows(rows, _WithQuery(queries.rows, query))
    kept = ["query", "query_id", "positive", "grade", *(["instruction"] if "instruction" in queries.columns else [])]
    documents = replace(_corpus(parts["corpus"]), source=names["corpus"])
    called = {"query": query, "query_id": judged_query, "positive": judged_document, "grade": grade or "score"}
    return Table(
        joined,
        kept,
        queries.folder,
        numbers,
        documents,
        source=names["qrels"],
        called=called,
        library=queries.library,
    )


class _WithQuery:
    """Puts the query's text, and its own instruction, into a judgement."""

    def __init__(self, queries: Sequence[Any], column: str) -> None:
        self.queries, self.column = queries, column

    def __call__(self, judged: Mapping[str, Any]) -> dict[str, Any]:
        row = self.queries[judged["place"]]
        if isinstance(row, DataError):
            raise row
        return {**judged, "query": row.get(self.column), "instruction": row.get("instruction")}


def _judgement(
    row: Mapping[str, Any], query: str, document: str, grade: str | None, where: str
) -> tuple[str, str, int] | DataError:
    for column in (query, document):
        if row.get(column) in (None, ""):
            return DataError(f"{where}, column {column!r}: empty; a judgement names a query and a document")
    value = row.get(grade) if grade is not None else 1
    try:
        whole = int(float(value))  # type: ignore[arg-type]  # another type is refused below
    except (TypeError, ValueError):
        return DataError(f"{where}, column {grade!r}: {value!r} is not a grade; a grade is a whole number")
    if whole != float(value):  # type: ignore[arg-type]  # it was one a line above
        return DataError(f"{where}, column {grade!r}: {value!r} is not a grade; a grade is a whole number")
    return str(row[query]), str(row[document]), whole


def _places(queries: Table, column: str, name: str) -> dict[str, int]:
    rows: Any = queries.rows
    rows = rows.select_columns(column) if hasattr(rows, "select_columns") else rows
    places: dict[str, int] = {}
    for place in range(len(rows)):
        row = rows[place]
        if isinstance(row, DataError):
            raise row
        if row.get(column) in (None, ""):
            raise DataError(f"{name}, row {place}, column {column!r}: empty; every query needs its id")
        places[str(row[column])] = place
    return places


def _corpus(table: Table) -> Table:
    """The corpus with what BEIR keeps apart put together: a document is its title and its text."""
    if "image" in table.columns or not {"title", "text"} <= {*table.columns}:
        return table
    names = [name for name in table.columns if name not in ("title", "text")]
    return replace(table, rows=AdaptedRows(table.rows, titled), columns=[*names, "text"])


def titled(row: Mapping[str, Any]) -> dict[str, Any]:
    """A document of text, its title first."""
    return {**row, "text": " ".join(part for part in (row.get("title"), row.get("text")) if part)}


def _column(source: str, table: Table, given: Any, known: Sequence[str], ours: str) -> str:
    name = given if isinstance(given, str) else next((name for name in known if name in table.columns), None)
    if name is None or name not in table.columns:
        listed = ", ".join(table.columns) or "none"
        raise DataError(f"{source}: no column for {ours!r} (looked for {name or ', '.join(known)}); columns: {listed}")
    return name


def _candidates(folder: Path, part: str) -> list[Path]:
    """The files of one part: PART.jsonl and the like, or those in the folder PART."""
    if (folder / part).is_dir():
        return sorted(file for file in (folder / part).iterdir() if file.suffix.lower() in EXTENSIONS)
    return [folder / f"{part}{suffix}" for suffix in EXTENSIONS if (folder / f"{part}{suffix}").is_file()]


def _read_part(folder: Path, part: str, split: str | None) -> Table:
    files = _candidates(folder, part)
    splits: dict[str, list[Path]] = {}
    for file in files:  # test.tsv; test-00000-of-00002.parquet
        splits.setdefault(file.stem.split("-")[0], []).append(file)
    if len(splits) == 1:
        chosen = files
    elif split in splits:
        chosen = splits[split]
    else:
        asked = f"no split {split!r}{did_you_mean(split, splits)}" if split else "has several splits; choose one"
        raise DataError(f"{folder / part}: {asked}; splits: {', '.join(splits)}")
    if len(chosen) > 1 and all(file.suffix.lower() in ARROW for file in chosen):
        return read_arrow(chosen)
    if len(chosen) > 1:
        raise DataError(f"{folder / part}: {', '.join(file.name for file in chosen)} hold the same split; keep one")
    return read_file(chosen[0])
