"""`smart-train encode`: documents as an index on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from smart_train.cli.arguments import (
    BasePath,
    BatchSize,
    ColumnMap,
    DocumentInstruction,
    Documents,
    Dpi,
    FamilyName,
    ImageRoot,
    MaxSamples,
    ModelPath,
    SampleSeed,
    Split,
    Subset,
    TrustRemoteCode,
    Workers,
    document_source,
    open_model,
)
from smart_train.cli.output import plain_console

if TYPE_CHECKING:
    from smart_train.retrieval import DocumentIndex


def encode(
    model: ModelPath,
    documents: Documents,
    index: Annotated[Path, typer.Option(help="The index folder to create or update.")],
    columns: ColumnMap = None,
    split: Split = None,
    subset: Subset = None,
    image_root: ImageRoot = None,
    dpi: Dpi = None,
    max_samples: MaxSamples = None,
    sample_seed: SampleSeed = None,
    batch_size: BatchSize = 32,
    workers: Workers = None,
    layout: Annotated[
        Literal["index", "plaid", "qdrant"],
        typer.Option(
            "--format", help="Also write another layout: INDEX/plaid for fast-plaid and PyLate, or INDEX/qdrant."
        ),
    ] = "index",
    store: Annotated[
        Literal["float32", "float16", "bfloat16", "int8"] | None,
        typer.Option(
            help="Data type of the token states on disk. Default: that of INDEX if it exists, else float32 (exact).",
            show_default=False,
        ),
    ] = None,
    family: FamilyName = None,
    document_instruction: DocumentInstruction = None,
    trust_remote_code: TrustRemoteCode = False,
    base: BasePath = None,
) -> None:
    """Encode DOCUMENTS (page images, PDF files, texts) with MODEL. If INDEX exists, only new and changed ones.

    Run an interrupted call again: it continues where it stopped.
    """
    from smart_train.retrieval import is_collection, update_index
    from smart_train.retrieval.index import check_index_folder
    from smart_train.utils.locks import LOCK_NAME, check_free

    source = document_source(
        documents,
        columns=columns,
        split=split,
        subset=subset,
        image_root=image_root,
        dpi=dpi,
        max_samples=max_samples,
        sample_seed=sample_seed,
    )
    is_collection(source)  # all raise before the model is loaded
    check_index_folder(index)
    check_free(index / LOCK_NAME)
    reader = open_model(model, family, None, document_instruction, trust_remote_code, base=base)
    made, previous = update_index(reader, source, index, batch_size=batch_size, store=store, num_workers=workers)
    if layout != "index":
        from smart_train.serving import write_plaid, write_qdrant

        write = {"plaid": write_plaid, "qdrant": write_qdrant}[layout]
        plain_console().print(f"{write(index / layout, made.document_ids, made.embeddings)}: for {layout}")
    tokens = made.embeddings.packed
    plain_console().print(
        f"{index}: {len(made)} documents{_changes(made, previous)}, {len(tokens):,} token states of width "
        f"{tokens.shape[1]}, {tokens.numel() * tokens.element_size() / 2**20:.1f} MiB"
    )


def _changes(made: DocumentIndex, previous: DocumentIndex | None) -> str:
    """What became of the documents of an earlier index; nothing where there was none."""
    if previous is None:
        return ""
    known = {source.digest for source in previous.sources}
    new = sum(source.digest not in known for source in made.sources)
    gone = len(set(previous.document_ids) - set(made.document_ids))
    return f" ({new} new or changed, {gone} removed)"
