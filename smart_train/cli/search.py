"""`smart-train search`: rank the documents of a folder or a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smart_train.cli.arguments import READING, BatchSize, ModelPath, SearchedDocuments, Workers, open_model
from smart_train.cli.option_groups import grouped
from smart_train.cli.output import plain_console
from smart_train.cli.rows import DOCUMENT_ROWS, document_source, naming_documents, source_values
from smart_train.cli.typed_options import naming_options
from smart_train.errors import DataError, option_of
from smart_train.utils.defaults import BATCH_SIZE, TOP_K
from smart_train.utils.excerpts import beginning
from smart_train.utils.terms import SCORES
from smart_train.utils.text_files import ENCODING

if TYPE_CHECKING:
    from smart_train.models import SmartModel
    from smart_train.retrieval import Hit
    from smart_train.types import ModelInput

_SHOWN_TEXT = 60  # characters of a text
_LEAST_BESIDE = 30  # of a text beside its id; where the line has less room, it is below it
_LONGEST_ID = 120  # that is printed whole on a narrow terminal
_SCORES_WIDTH = 38  # of a line's other columns, blanks included


@grouped
def search(
    model: ModelPath,
    documents: SearchedDocuments = None,
    query: Annotated[list[str] | None, typer.Option(help="A query text. Repeat the option for more queries.")] = None,
    queries: Annotated[
        Path | None, typer.Option(help="A UTF-8 text file with one query per line; - reads standard input.")
    ] = None,
    top_k: Annotated[int, typer.Option(min=1, help="Number of hits per query.")] = TOP_K,
    candidates: Annotated[
        int | None,
        typer.Option(
            min=1, help="Let the pooled score preselect this many documents. Default: exact search over all documents."
        ),
    ] = None,
    index: Annotated[
        Path | None,
        typer.Option(
            help="Folder to keep the encoded documents in; a later search encodes only new ones, and takes "
            "out what --documents no longer has. Without --documents, those that it holds are searched."
        ),
    ] = None,
    rows: Mapping[str, Any] = DOCUMENT_ROWS,
    batch_size: BatchSize = BATCH_SIZE,
    workers: Workers = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per query.")] = False,
    reading: Mapping[str, Any] = READING,
) -> None:
    """Rank DOCUMENTS (page images, PDF files, texts) for each query, best first."""
    from rich.table import Table

    from smart_train.retrieval import DocumentIndex, check_request, collection, search_folder
    from smart_train.retrieval import search as search_index
    from smart_train.retrieval.pdf_text_documents import in_chunks
    from smart_train.retrieval.search import check_queries
    from smart_train.utils.console import bars

    query_texts = _texts(query or (), queries)
    options: dict[str, Any] = {"batch_size": batch_size, "show_progress_bar": False if as_json else bars()}
    found_documents: Mapping[str, ModelInput] | None = None
    with naming_documents(documents, index), naming_options("top_k", "candidates"):
        if documents is None:  # what the index holds; all checks come before the model is loaded, here and below
            check_queries(query_texts, top_k, candidates)
            held = DocumentIndex.load(_index_alone(index, rows, workers))
            reader = open_model(model, reading)
            results = search_index(reader, query_texts, held, top_k=top_k, candidates=candidates, **options)
        else:
            source = document_source(documents, rows, model, reading)
            request = (source, query_texts, top_k, candidates, index)
            check_request(*request)
            found_documents = collection(source)
            reader = open_model(model, reading)
            if found_documents is not None:  # here too, because the parts of a page are shown
                found_documents = in_chunks(reader, source, found_documents)
            results = search_folder(reader, *request, documents=found_documents, num_workers=workers, **options)
    if as_json:
        for text, hits in zip(query_texts, results, strict=True):
            print(json.dumps({"query": text, "hits": [asdict(hit) for hit in hits]}))
        return
    console = plain_console()
    texts = {name: item.text for name, item in (found_documents or {}).items() if item.text}
    for text, hits in zip(query_texts, results, strict=True):
        console.print(text)  # not as the table's title, which is broken at the table's width
        shown_scores = ("late",) if reader.family.late_only else (SCORES[-1], *SCORES[:-1])  # what ranks comes first
        table = Table("rank", *shown_scores, box=None)
        # A text takes what ids and scores leave of the line, or the line below: rich would squeeze the numbers instead,
        # or cut the page's number off the id.
        longest = max((len(hit.document_id) for hit in hits), default=0)
        table.add_column("document", min_width=min(longest, _LONGEST_ID))
        room = console.width - _SCORES_WIDTH
        beside = room - longest >= _LEAST_BESIDE
        if texts and beside:
            table.add_column("text")
        for hit in hits:
            scores = (f"{getattr(hit, score):.4f}" for score in shown_scores)
            cells = [hit.document_id]
            if texts:
                space = room - longest if beside else max(room, longest)
                cells.append(beginning(texts.get(hit.document_id, ""), min(space, _SHOWN_TEXT)))
            table.add_row(str(hit.rank), *scores, *(cells if beside else ["\n".join(filter(None, cells))]))
        console.print(table)
    if documents is None and _may_be_texts(reader, results):
        console.print(
            f"{index} keeps ids and vectors, and no texts: name --documents too, and the beginning of each text is "
            "shown"
        )


def _may_be_texts(reader: SmartModel, results: Sequence[Sequence[Hit]]) -> bool:
    """Whether documents of `results` are texts, as far as the model and their ids say; pages have none to show."""
    from smart_train.retrieval.pdf_text_documents import names_page

    reads_pages = "image" in reader.family.modalities
    return not (reads_pages and all(names_page(hit.document_id) for hits in results for hit in hits))


def _index_alone(index: Path | None, rows: Mapping[str, Any], workers: int | None) -> Path:
    """The index to search where no documents are named; DataError where there is none, or options say how to read
    documents."""
    if index is None:
        raise DataError(
            "search: name what to search: --documents (pages or texts), or --index (a folder that `smart-train encode` "
            "or an earlier search wrote)"
        )
    options = [option_of(name) for name in (*source_values(rows), *(() if workers is None else ("workers",)))]
    if options:
        given, verb = ", ".join(options), "says" if len(options) == 1 else "say"
        raise DataError(
            f"search: {given} {verb} how documents are read, and there is no --documents: what --index holds is "
            f"searched as it is. Name --documents too, or leave {given} out"
        )
    return index


def _texts(asked: Sequence[str], file: Path | None) -> list[str]:
    """The queries that --query and --queries give; DataError where there is none, or one is empty."""
    for text in asked:
        if not text.strip():
            raise DataError("--query: is empty; give a text")
    texts = [*asked, *(_lines(file) if file is not None else ())]
    if not texts:
        raise DataError("search: no query is given; name one by --query, or a file of them by --queries")
    return texts


def _lines(path: Path) -> list[str]:
    """The lines of a text file that are not blank, or of standard input."""
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding=ENCODING)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"--queries {path}: cannot be read as UTF-8 text ({error})") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise DataError(f"--queries {path}: holds no query")
    return lines
