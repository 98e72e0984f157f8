"""`smart-train encode`: documents as an index on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from smart_train.cli.arguments import (
    BatchSize,
    DocumentInstruction,
    Documents,
    FamilyName,
    ModelPath,
    TrustRemoteCode,
    open_model,
)
from smart_train.cli.output import plain_console


def encode(
    model: ModelPath,
    documents: Documents,
    index: Annotated[Path, typer.Option(help="The index folder to write, or to bring up to date.")],
    batch_size: BatchSize = 32,
    layout: Annotated[
        Literal["index", "plaid", "qdrant"],
        typer.Option("--format", help="Beside the index: INDEX/plaid for fast-plaid and PyLate, INDEX/qdrant."),
    ] = "index",
    family: FamilyName = None,
    document_instruction: DocumentInstruction = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Encode DOCUMENTS (page images, PDF files, texts) with MODEL; only new and changed ones when INDEX is there."""
    from smart_train.retrieval import DocumentIndex, encode_folder
    from smart_train.retrieval.index import INDEX_FILE

    previous = DocumentIndex.load(index) if (index / INDEX_FILE).is_file() else None
    reader = open_model(model, family, None, document_instruction, trust_remote_code)
    made = encode_folder(reader, documents, previous=previous, batch_size=batch_size)
    if made is not previous:
        made.save(index)
    if layout != "index":
        from smart_train.serving import write_plaid, write_qdrant

        write = {"plaid": write_plaid, "qdrant": write_qdrant}[layout]
        plain_console().print(f"{write(index / layout, made.document_ids, made.embeddings)}: for {layout}")
    tokens = made.embeddings.packed
    plain_console().print(
        f"{index}: {len(made)} documents, {len(tokens):,} token states of width {tokens.shape[1]}, "
        f"{tokens.numel() * tokens.element_size() / 2**20:.1f} MiB"
    )
