"""Ids of documents, as every engine needs them: one of its own for each document."""

from __future__ import annotations

from collections.abc import Sequence

from smart_train.errors import DataError
from smart_train.scoring.embeddings import Embeddings


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
