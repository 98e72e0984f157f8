"""`smart-train search`: rank the documents of a folder or a file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from smart_train.cli.arguments import (
    BatchSize,
    DocumentInstruction,
    Documents,
    FamilyName,
    ModelPath,
    QueryInstruction,
    TrustRemoteCode,
    open_model,
)
from smart_train.cli.output import plain_console

_SHOWN_TEXT = 60  # characters of a text beside its id


def search(
    model: ModelPath,
    documents: Documents,
    query: Annotated[list[str], typer.Option(help="What to look for; give it again for more queries.")],
    top_k: Annotated[int, typer.Option(min=1, help="Hits per query.")] = 10,
    candidates: Annotated[
        int | None,
        typer.Option(min=1, help="Let the pooled score choose this many first; exact over all documents if not given."),
    ] = None,
    index: Annotated[
        Path | None, typer.Option(help="Keep the encoded documents here; a later search encodes only what is new.")
    ] = None,
    batch_size: BatchSize = 32,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per query.")] = False,
    family: FamilyName = None,
    query_instruction: QueryInstruction = None,
    document_instruction: DocumentInstruction = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Rank DOCUMENTS (page images, PDF files, texts) for each query, best first."""
    from rich.table import Table

    from smart_train.retrieval import collection, search_folder

    reader = open_model(model, family, query_instruction, document_instruction, trust_remote_code)
    bar = False if as_json else None  # None: on a terminal
    found = search_folder(
        reader, documents, list(query), top_k, candidates, index, batch_size=batch_size, show_progress_bar=bar
    )
    if as_json:
        for text, hits in zip(query, found, strict=True):
            print(json.dumps({"query": text, "hits": [asdict(hit) for hit in hits]}))
        return
    texts = {name: item.text for name, item in (collection(documents) or {}).items() if item.text}
    for text, hits in zip(query, found, strict=True):
        table = Table("rank", "hybrid", "pooled", "late", "document", title=text, title_justify="left", box=None)
        if texts:
            table.add_column("text", overflow="ellipsis", no_wrap=True, max_width=_SHOWN_TEXT)
        for hit in hits:
            scores = (f"{value:.4f}" for value in (hit.hybrid, hit.pooled, hit.late))
            shown = [" ".join(texts.get(hit.document_id, "").split())] if texts else []
            table.add_row(str(hit.rank), *scores, hit.document_id, *shown)
        plain_console().print(table)
