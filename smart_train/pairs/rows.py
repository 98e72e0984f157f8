"""Pages and queries -> the files of a data set: rows, and copies of drawn pages."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm.auto import tqdm

from smart_train.data.formats.pdf import PdfPage
from smart_train.inputs.images import MAX_ASPECT
from smart_train.pairs.candidates import Kind, Page
from smart_train.pairs.pages_as_text import answering
from smart_train.pairs.settings import HELD_OUT, TEST

PAGES = "pages"
CORPORA = {HELD_OUT: "corpus.jsonl", TEST: "test_corpus.jsonl"}

Chosen = dict[int, list[tuple[Kind, str]]]  # place of a page among all of them -> its queries
RowsOf = Callable[[Page], list[dict[str, Any]]]  # the documents that a page is, one or several


def write_pages(folder: Path, drawn: Mapping[str, Sequence[PdfPage]], show_progress_bar: bool | None) -> None:
    """Copies all pages that a model takes, so that the data set is complete and the cache may be deleted."""
    everything = [page for pages in drawn.values() for page in pages if not too_long(page)]
    hidden = None if show_progress_bar is None else not show_progress_bar
    for page in tqdm(everything, desc="writing pages", leave=False, disable=hidden):
        target = folder / page_path(page)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(page.image, target)


def page_path(page: PdfPage) -> str:
    """Where a page lies in the data set."""
    return f"{PAGES}/{page.document}/{page.image.name}"


def too_long(page: PdfPage) -> bool:
    """Whether no model takes a page, because it is so much longer than wide."""
    with Image.open(page.image) as image:
        return max(image.size) > MAX_ASPECT * min(image.size)


def image_rows(drawn: Mapping[str, Sequence[PdfPage]], page: Page) -> list[dict[str, Any]]:
    """The columns `positive` and `document_id` of a drawn page."""
    source = drawn[page.document][page.number]
    return [{"positive": page_path(source), "document_id": source.id}]


def write_rows(folder: Path, parts: Mapping[str, Sequence[Page]], queries: Chosen, rows_of: RowsOf) -> None:
    """The queries of each part with the documents that answer them, and the corpora.

    Args:
        parts: part -> its pages; places in `queries` count through all of them.
    """
    start = 0
    for name, pages in parts.items():
        rows: list[dict[str, Any]] = []
        corpus: list[dict[str, Any]] = []
        for place, page in enumerate(pages, start=start):
            documents = rows_of(page)
            corpus += documents
            for number, (kind, query) in enumerate(queries.get(place, [])):
                identity = f"{page.document}#page={page.number + 1}&query={number}"
                rows.append({"query": query, **answering(documents, query), "query_id": identity, "kind": kind})
        start += len(pages)
        _write_jsonl(folder / f"{name}.jsonl", rows)
        if name in CORPORA:
            _write_jsonl(folder / CORPORA[name], corpus)


def _write_jsonl(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
