"""What the layouts of engines share: an id of its own for each document, and files that are written together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from smart_train.errors import DataError
from smart_train.scoring.embeddings import Embeddings
from smart_train.utils.atomic import replace_together
from smart_train.utils.locks import beside, only_one

_PATIENCE = 60.0  # seconds to wait for another process that writes the same layout


def check_ids(document_ids: Sequence[str], embeddings: Embeddings) -> None:
    """
    Raises:
        DataError: other numbers of ids and embeddings, or an id twice.
    """
    if len(document_ids) != len(embeddings) or len(set(document_ids)) != len(document_ids):
        raise DataError(
            f"{len(document_ids)} ids ({len(set(document_ids))} different) for {len(embeddings)} documents; each "
            "document needs its own id"
        )


def write_layout(folder: Path, files: Mapping[str, Callable[[Path], Any]]) -> Path:
    """The files of a layout, by name, each made by its function; none takes its place before all are on the disk.

    Raises:
        WriteError: the file system refuses one of them; an earlier layout stays.
        BusyError: another process has been writing it for a minute.
    """
    with only_one(beside(folder), "writing a layout", patience=_PATIENCE):
        replace_together({folder / name: write for name, write in files.items()})
    return folder
