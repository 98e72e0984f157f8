"""`smart-train search`: rank the page images of a folder."""

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
        Path | None, typer.Option(help="Keep the encoded pages here; a later search encodes only what is new.")
    ] = None,
    batch_size: BatchSize = 32,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per query.")] = False,
    family: FamilyName = None,
    query_instruction: QueryInstruction = None,
    document_instruction: DocumentInstruction = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Rank the page images under DOCUMENTS for each query, best first."""
    from rich.table import Table

    from smart_train.retrieval import search_folder

    reader = open_model(model, family, query_instruction, document_instruction, trust_remote_code)
    found = search_folder(
        reader, documents, list(query), top_k, candidates, index, batch_size=batch_size, show_progress_bar=not as_json
    )
    if as_json:
        for text, hits in zip(query, found, strict=True):
            print(json.dumps({"query": text, "hits": [asdict(hit) for hit in hits]}))
        return
    for text, hits in zip(query, found, strict=True):
        table = Table("rank", "hybrid", "pooled", "late", "document", title=text, title_justify="left", box=None)
        for hit in hits:
            table.add_row(str(hit.rank), f"{hit.hybrid:.4f}", f"{hit.pooled:.4f}", f"{hit.late:.4f}", hit.document_id)
        plain_console().print(table)
