"""Queries, a corpus, and judgements of which document answers which query, each a table of its own: the layout of BEIR,
of the ViDoRe sets from version 2 on, and of most retrieval tasks in mteb.

A folder holds `queries`, `corpus` and `qrels`, each as a file (.jsonl, .tsv, .parquet, ...) or as a folder of files,
one per split. On the Hub, and in a copy of such a repository, the three are configurations.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from smart_train.data.columns import ColumnMap, header_hint
from smart_train.data.formats import labels, trec
from smart_train.data.row_files import ARROW, is_rows_file, read_arrow, read_file
from smart_train.data.table import AdaptedRows, Table
from smart_train.errors import DataError, LeftOut, did_you_mean
from smart_train.types import HIGHEST_GRADE
from smart_train.utils.text_files import plain_name

PARTS = ("queries", "corpus", "qrels")
INSTRUCTIONS = "instruction"  # of queries, which mteb keeps apart in some of its tasks
CANDIDATES = "top_ranked"  # of each query, in its tasks of reranking
_QUERY_ID = ("query-id", "query_id", "_id", "id", "qid")
_QUERY = ("query", "text", "question")
_DOCUMENT_ID = ("corpus-id", "corpus_id", "document_id", "_id", "id", "doc_id", "docid")
_QUERY_IMAGE = ("query_image", "image", "image_path")
_GRADE = ("score", "relevance", "grade", "rel", "label", "relevance_score", "relevance_label", "judgment", "judgement")
_ITERATION = ("iteration", "iter", "q0")  # of TREC's judgements, which says nothing
_SMALL_NUMBER = re.compile(r"-?\d(\.0)?")


def is_judged(folder: Path) -> bool:
    """Whether `folder` holds all three parts."""
    return all(_candidates(folder, part) for part in PARTS)


def read_judged(folder: Path, split: str | None, columns: ColumnMap | str | None = None) -> Table:
    """The judged pairs of a folder as rows, and its corpus as their documents.

    Raises:
        DataError: a part cannot be read, has several splits of which none is asked for, or lacks a column.
    """
    named = [*PARTS, *([INSTRUCTIONS] if _candidates(folder, INSTRUCTIONS) else [])]
    parts = {part: _read_part(folder, part, split) for part in named}
    if _candidates(folder, CANDIDATES):
        tell_candidates(str(folder))
    return join(parts, {part: str(folder / part) for part in named}, columns)


def tell_candidates(name: str) -> None:
    """Warns (`LeftOut`) that the candidates of each query, which some sets give, are not used."""
    warnings.warn(
        f"{name}: {CANDIDATES} is not read: the whole corpus is ranked for every query", LeftOut, stacklevel=3
    )


def join(parts: Mapping[str, Table], names: Mapping[str, str], columns: ColumnMap | str | None = None) -> Table:
    """One row for every judgement above 0; what the query is judged not to want is left out.

    Args:
        parts: the three tables, and perhaps that of the queries' instructions. names: what to call each in messages.
        columns: the user's map; its `query`, `query_id`, `positive` and `document_id` say where those stand.
    """
    given = columns if isinstance(columns, Mapping) else {}
    queries, qrels = parts["queries"], parts["qrels"]
    query_id = _column(names["queries"], queries, given.get("query_id"), _QUERY_ID, "query_id")
    shown = next((name for name in _QUERY_IMAGE if name in queries.columns), None)
    query = _known(queries, given.get("query"), _QUERY)
    if query is None and shown is None:  # queries may be images alone
        query = _column(names["queries"], queries, None, _QUERY, "query")
    judged_query = _column(names["qrels"], qrels, None, _QUERY_ID, "query_id")
    judged_document = _column(names["qrels"], qrels, None, _DOCUMENT_ID, "document_id")
    grade = _grade_column(qrels, names["qrels"], (judged_query, judged_document))
    rows, numbers = _judged_rows(
        qrels, names, (judged_query, judged_document, grade), _places(queries, query_id, names["queries"])
    )
    instructions = _instructions(parts.get(INSTRUCTIONS), names.get(INSTRUCTIONS, ""))
    joined = AdaptedRows(rows, _WithQuery(queries.rows, query, shown, instructions))
    instructed = "instruction" in queries.columns or instructions
    fields = ["query", "query_id", "positive", "grade", *(["instruction"] if instructed else [])]
    fields += ["query_image"] if shown is not None else []
    documents = replace(parts["corpus"], source=names["corpus"])
    documents = replace(documents, id_column=_known(documents, given.get("document_id"), _DOCUMENT_ID))
    available = [name for name in (*queries.columns, *qrels.columns) if name != query_id]
    called = {
        "query": query or "",
        "query_image": shown or "",
        "query_id": judged_query,
        "positive": judged_document,
        "grade": grade or "score",
    }
    return Table(
        joined,
        fields,
        queries.folder,
        numbers,
        documents,
        source=names["qrels"],
        called=called,
        library=queries.library,
        available=list(dict.fromkeys(available)),
    )


def _judged_rows(
    qrels: Table, names: Mapping[str, str], columns: tuple[str, str, str | None], places: Mapping[str, int]
) -> tuple[list[dict[str, Any] | DataError], list[int]]:
    """Every judgement above 0, or what is wrong with it, and the number of each in its file.

    Args:
        columns: of the query's id, the document's id and the grade; None: every judgement has grade 1.
        places: the place of each query among the queries, by its id.
    """
    judged_at: dict[tuple[str, str], str] = {}
    rows: list[dict[str, Any] | DataError] = []
    numbers = []
    for index in range(len(qrels.rows)):
        row = qrels.rows[index]
        number = index if qrels.numbers is None else qrels.numbers[index]
        where = f"{names['qrels']}, row {number}"
        judged: DataError | tuple[str, str, int] | dict[str, Any]
        judged = row if isinstance(row, DataError) else _judgement(row, *columns, where)
        if isinstance(judged, tuple):
            asked, document, value = judged
            first = judged_at.setdefault((asked, document), where)
            if value < 1 and first == where:
                continue
            place = places.get(asked)
            judged = {"place": place, "positive": document, "grade": value, "query_id": asked}
            if place is None:
                hint = did_you_mean(asked, places) if len(places) <= 10_000 else ""
                judged = DataError(f"{where}, column {columns[0]!r}: no query {asked!r} in {names['queries']}{hint}")
            elif first != where:
                judged = DataError(
                    f"{where}: query {asked!r} and document {document!r} are judged already, in {first}; keep one of "
                    "the two judgements"
                )
        rows.append(judged)
        numbers.append(number)
    if not rows and len(qrels.rows):
        raise DataError(
            f"{names['qrels']}: none of its {len(qrels.rows)} judgements is above 0 (column {columns[2] or 'score'!r})"
            ", so no query has a relevant document"
        )
    return rows, numbers


def _instructions(table: Table | None, name: str) -> dict[str, str]:
    """The instruction of each query, by its id; empty where the set has no such part."""
    if table is None:
        return {}
    identity = _column(name, table, None, _QUERY_ID, "query_id")
    text = _column(name, table, None, ("instruction", "text"), "instruction")
    rows = (table.rows[place] for place in range(len(table.rows)))
    return {str(row[identity]): row[text] for row in rows if isinstance(row, Mapping) and row.get(text)}


def _grade_column(qrels: Table, name: str, ids: tuple[str, str]) -> str | None:
    """The column with the grades; None where judgements are pairs of ids alone.

    Raises:
        DataError: only a column of another name may hold them, or a label says in words that a document is not wanted.
            Without grades, what is judged 0 would be an answer.
    """
    known = next((column for column in _GRADE if column in qrels.columns), None)
    if known == "label":
        words = labels.values_of(qrels, known)
        if words and all(labels.number(word) is None for word in words):
            labels.check_words(words, known, name)
            known = None
    others = [column for column in qrels.columns if column not in ids and column.lower() not in _ITERATION]
    doubtful = None if known is not None else next((column for column in others if _says_no(qrels, column)), None)
    if doubtful is not None:
        raise DataError(
            f"{name}: no column for the grades (looked for {', '.join(_GRADE)}), and {doubtful!r} may hold them; "
            "rename it score, or remove it if it says something else"
        )
    return known


def _says_no(qrels: Table, column: str) -> bool:
    """Whether a column holds small whole numbers, and one that would say no; pages and ranks begin with 1."""
    texts = [str(value) for value in labels.values_of(qrels, column)]
    return all(_SMALL_NUMBER.fullmatch(text) for text in texts) and any(float(text) <= 0 for text in texts)


class _WithQuery:
    """Puts the query's text, its image and its own instruction into a judgement.

    Args:
        column: of the text. shown: of the image. None where queries have no such column.
        instructions: by the queries' ids, where they are kept apart.
    """

    def __init__(
        self, queries: Sequence[Any], column: str | None, shown: str | None, instructions: Mapping[str, str]
    ) -> None:
        self.queries, self.column, self.shown, self.instructions = queries, column, shown, instructions

    def __call__(self, judged: Mapping[str, Any]) -> dict[str, Any] | DataError:
        row = self.queries[judged["place"]]
        if isinstance(row, DataError):
            return row
        instruction = row.get("instruction") or self.instructions.get(judged["query_id"])
        joined = {**judged, "query": row.get(self.column or ""), "instruction": instruction}
        return joined if self.shown is None else {**joined, "query_image": row.get(self.shown)}


def _judgement(
    row: Mapping[str, Any], query: str, document: str, grade: str | None, where: str
) -> tuple[str, str, int] | DataError:
    for column in (query, document):
        if row.get(column) in (None, ""):
            return DataError(f"{where}, column {column!r}: empty; a judgement names a query and a document")
    value = row.get(grade) if grade is not None else 1
    try:
        whole = int(float(value))  # type: ignore[arg-type]  # another type is refused below
    except (TypeError, ValueError, OverflowError):  # the last of what is infinite
        return DataError(f"{where}, column {grade!r}: {value!r} is not a grade; a grade is a whole number")
    if whole != float(value) or whole > HIGHEST_GRADE:  # type: ignore[arg-type]  # it was one a line above
        return DataError(
            f"{where}, column {grade!r}: {value!r} is not a grade; a grade is a whole number up to {HIGHEST_GRADE}"
        )
    return str(row[query]), str(row[document]), whole


def _places(queries: Table, column: str, name: str) -> dict[str, int]:
    rows: Any = queries.rows
    rows = rows.select_columns(column) if hasattr(rows, "select_columns") else rows
    places: dict[str, int] = {}

    def number(place: int) -> int:
        return place if queries.numbers is None else queries.numbers[place]

    for place in range(len(rows)):
        row = rows[place]
        if isinstance(row, DataError):
            raise row
        if row.get(column) in (None, ""):
            raise DataError(f"{name}, row {number(place)}, column {column!r}: empty; every query needs its id")
        if str(row[column]) in places:
            raise DataError(
                f"{name}, row {number(place)}, column {column!r}: the id {str(row[column])!r} is already the id of row "
                f"{number(places[str(row[column])])}; every query needs its own"
            )
        places[str(row[column])] = place
    return places


def with_titles(table: Table) -> Table:
    """Documents with what BEIR keeps apart put together: a document is its title and its text, which Pyserini and SimLM
    call its contents."""
    text = "text" if "text" in table.columns else "contents"
    if not {"title", text} <= {*table.columns}:
        return table
    names = [name for name in table.columns if name not in ("title", text)]
    rows = AdaptedRows(table.rows, titled if text == "text" else _titled_contents)
    return replace(table, rows=rows, columns=[*names, "text"])


def _titled_contents(row: Mapping[str, Any]) -> dict[str, Any]:
    return titled({**row, "text": row.get("contents")})


def titled(row: Mapping[str, Any]) -> dict[str, Any]:
    """A document of text, its title first, which may be a number (a film of 1984). Where one of them cannot be a text,
    it stands alone, for the reader of rows to refuse."""
    title, text = row.get("title"), row.get("text")
    if isinstance(title, (int, float)) and not isinstance(title, bool):
        title = str(title)
    for part in (title, text):
        if not isinstance(part, str | None):
            return {**row, "text": part}
    return {**row, "text": " ".join(str(part) for part in (title, text) if part)}


def _known(table: Table, given: Any, names: Sequence[str]) -> str | None:
    """The column that the user names, else the first of `known` that is there."""
    return given if isinstance(given, str) else next((name for name in names if name in table.columns), None)


def _column(source: str, table: Table, given: Any, names: Sequence[str], ours: str) -> str:
    name = _known(table, given, names)
    if name is None or name not in table.columns:
        listed = ", ".join(table.columns) or "none"
        raise DataError(
            f"{source}: no column for {ours!r} (looked for {name or ', '.join(names)}); columns: {listed}"
            f"{header_hint(table.columns)}"
        )
    return name


def _candidates(folder: Path, part: str) -> list[Path]:
    """The files of one part: PART.jsonl and the like, or those in the folder PART; judgements also as PART.SPLIT.tsv
    and in TREC's form."""
    if (folder / part).is_dir():
        return sorted(file for file in (folder / part).iterdir() if _is_part(file, part))
    named = sorted(file for file in folder.glob(f"{part}.*") if file.is_file() and _is_part(file, part))
    return [file for file in named if part == "qrels" or plain_name(file).stem == part]


def _is_part(file: Path, part: str) -> bool:
    return is_rows_file(file) or (part == "qrels" and plain_name(file).suffix.lower() in trec.EXTENSIONS)


def _split_of(file: Path, part: str) -> str:
    """test.tsv; test-00000-of-00002.parquet; qrels.test.tsv"""
    return plain_name(file).stem.removeprefix(f"{part}.").split("-")[0]


def _read_part(folder: Path, part: str, split: str | None) -> Table:
    files = _candidates(folder, part)
    splits: dict[str, list[Path]] = {}
    for file in files:
        splits.setdefault(_split_of(file, part), []).append(file)
    if len(splits) == 1:
        of_split = files
    elif split in splits:
        of_split = splits[split]
    else:
        asked = f"no split {split!r}{did_you_mean(split, splits)}" if split else "has several splits; choose one"
        raise DataError(f"{folder / part}: {asked}; splits: {', '.join(splits)}")
    if len(of_split) > 1 and all(file.suffix.lower() in ARROW for file in of_split):
        return read_arrow(of_split)
    if len(of_split) > 1:
        raise DataError(f"{folder / part}: {', '.join(file.name for file in of_split)} hold the same split; keep one")
    return trec.read_trec(of_split[0]) if part == "qrels" and trec.is_trec(of_split[0]) else read_file(of_split[0])
