"""Queries in one file of JSON lines, their candidates in another: `query.jsonl` and `cand_pool.jsonl`, the layout of
M-BEIR, on which LamRA and others train and evaluate.

A query line has `qid`, `query_txt`, `query_img_path`, `pos_cand_list`, `neg_cand_list` and `task_id`; a candidate
`did`, `txt` and `img_path`. Image paths start from the folder, or from `image_root`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from smart_train.data.row_files import read_file
from smart_train.data.table import AdaptedRows, SplitRows, Table
from smart_train.errors import DataError, did_you_mean

# Our column -> theirs, for messages.
_OF_QUERIES = {
    "query": "query_txt, query_img_path",
    "query_id": "qid",
    "positive": "pos_cand_list",
    "negatives": "neg_cand_list",
    "task": "task_id",
}
_OF_POOL = {"document_id": "did", "positive": "txt, img_path"}


def pool_in(folder: Path) -> Path | None:
    """The file of candidates in `folder`, if there is exactly one."""
    pools = sorted(folder.glob("*cand_pool*.jsonl"))
    return pools[0] if len(pools) == 1 else None


def read_candidates(folder: Path, pool: Path, split: str | None, max_rows: int | None = None) -> Table:
    """One row for every query and each of its positive candidates; the pool as their documents.

    Raises:
        DataError: no file of queries, or several of which `split` names none.
    """
    file = _queries_in(folder, pool, split)
    table = replace(read_file(file), folder=folder)
    columns = ["query", "query_id", "positive", "negatives", "task"]
    documents = read_file(pool)
    if "did" not in documents.columns:
        raise DataError(f"{pool}: a pool of candidates needs the column did; columns: {', '.join(documents.columns)}")
    documents = Table(
        AdaptedRows(documents.rows, candidate),
        ["document_id", "positive"],
        folder,
        documents.numbers,
        source=str(pool),
        called=_OF_POOL,
        available=documents.columns,
    )
    split_rows = table.renamed(SplitRows(table, str(file), "pos_cand_list", answer_row), columns, _OF_QUERIES)
    return replace(split_rows, documents=documents, source=str(file)).head(max_rows)


def candidate(row: Mapping[str, Any]) -> dict[str, Any]:
    """A line of the pool under our names."""
    return {"document_id": row.get("did"), "positive": _item(row.get("txt"), row.get("img_path"))}


def answer_row(row: Mapping[str, Any], answer: int) -> dict[str, Any]:
    """The row of one of a query's positive candidates.

    Raises:
        DataError: the query has none.
    """
    positives = row.get("pos_cand_list")
    if not isinstance(positives, list) or not positives:
        raise DataError(f"column 'pos_cand_list': {positives!r}; must be a list of at least one candidate")
    query = _item(row.get("query_txt"), row.get("query_img_path"))
    task = row.get("task_id")
    return {
        "query": query if query is not None else "",
        "query_id": row.get("qid"),
        "positive": positives[answer],
        "negatives": row.get("neg_cand_list") or None,
        "task": None if task is None else str(task),
    }


def _item(text: Any, image: Any) -> dict[str, Any] | None:
    parts = {"text": text, "image": image}
    return {name: value for name, value in parts.items() if value} or None


def _queries_in(folder: Path, pool: Path, split: str | None) -> Path:
    files = sorted(file for file in folder.glob("*.jsonl") if file != pool)
    named = [file for file in files if split is not None and file.stem == split]
    query_files = named or (files if split is None and len(files) == 1 else [])
    if split is None and len(files) > 1:
        query_files = [file for file in files if file.stem == "query"]
    if len(query_files) != 1:
        stems = [file.stem for file in files]
        asked = f"no file {split}.jsonl{did_you_mean(split, stems)}" if split else "several hold queries; set split"
        raise DataError(f"{folder}: {asked}; beside {pool.name} there are: {', '.join(stems) or 'none'}")
    return query_files[0]
