"""`smart-train encode`: documents as an index on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from smart_train.cli.arguments import READING_DOCUMENTS, BatchSize, Documents, ModelPath, Workers, open_model
from smart_train.cli.option_groups import grouped
from smart_train.cli.output import plain_console
from smart_train.cli.rows import DOCUMENT_ROWS, document_source, naming_documents
from smart_train.utils.defaults import BATCH_SIZE
from smart_train.utils.terms import NumberFormat

if TYPE_CHECKING:
    from smart_train.retrieval import DocumentIndex

_LAYOUTS = ("plaid", "qdrant")


@grouped
def encode(
    model: ModelPath,
    documents: Documents,
    index: Annotated[Path, typer.Option(help="The index folder to create or update.")],
    rows: Mapping[str, Any] = DOCUMENT_ROWS,
    batch_size: BatchSize = BATCH_SIZE,
    workers: Workers = None,
    layout: Annotated[
        Literal["index", "plaid", "qdrant"],
        typer.Option(
            "--format", help="Also write another layout: INDEX/plaid for fast-plaid and PyLate, or INDEX/qdrant."
        ),
    ] = "index",
    store: Annotated[
        NumberFormat | None,
        typer.Option(
            help="Data type of the token states on disk. Default: that of INDEX if it exists, else float32 (exact).",
            show_default=False,
        ),
    ] = None,
    reading: Mapping[str, Any] = READING_DOCUMENTS,
) -> None:
    """Encode DOCUMENTS (page images, PDF files, texts) with MODEL. If INDEX exists, only new and changed ones.

    Run an interrupted call again: it continues where it stopped.
    """
    from smart_train.retrieval import is_collection, update_index
    from smart_train.retrieval.index import check_index_folder
    from smart_train.utils.locks import LOCK_NAME, check_free

    with naming_documents(documents, index):
        source = document_source(documents, rows, model, reading)
        is_collection(source)  # all raise before the model is loaded
        check_index_folder(index)
        check_free(index / LOCK_NAME)
        reader = open_model(model, reading)
        if layout == "qdrant":
            reader.family.check_pooled("--format qdrant", "that layout searches by it first; write --format plaid")
        updated, previous = update_index(reader, source, index, batch_size=batch_size, store=store, num_workers=workers)
    if layout != "index":
        from smart_train.serving import write_plaid, write_qdrant

        write = {"plaid": write_plaid, "qdrant": write_qdrant}[layout]
        plain_console().print(f"{write(index / layout, updated.document_ids, updated.embeddings)}: for {layout}")
    stale = [name for name in _LAYOUTS if name != layout and (index / name).is_dir()]
    for name in stale if updated is not previous else ():
        plain_console().print(
            f"{index / name}: holds the documents of an earlier call; write it again with --format {name}, or delete it"
        )
    tokens = updated.embeddings.packed
    plain_console().print(
        f"{index}: {len(updated)} documents{_changes(updated, previous)}, {len(tokens):,} token states of width "
        f"{tokens.shape[1]}, {tokens.numel() * tokens.element_size() / 2**20:.1f} MiB"
    )


def _changes(updated: DocumentIndex, previous: DocumentIndex | None) -> str:
    """What became of the documents of an earlier index; nothing where there was none."""
    if previous is None:
        return ""
    previous_digests = {source.digest for source in previous.sources}
    new = sum(source.digest not in previous_digests for source in updated.sources)
    gone = len(set(previous.document_ids) - set(updated.document_ids))
    return f" ({new} new or changed, {gone} removed)"
