"""Embeddings of the queries and documents of benchmarks, on disk: encoded once, for every score and every call.

    CACHE/encoded.json                   whose embeddings these are: weights, prompts, limits, token filters
    CACHE/KEY/documents-XXXXX.safetensors, CACHE/KEY/queries-XXXXX.safetensors

KEY is a digest of what the rows say (`Rows.key`), so nothing is ever taken for other data, and a corpus that several
tasks share is there once. A cache of another model is refused.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smart_train.distributed import on_main
from smart_train.errors import DataError, ModelError, listing
from smart_train.evaluation.suites.rows import Rows
from smart_train.retrieval.encoder import WorkerEncoder
from smart_train.retrieval.fingerprints import fingerprint_like, model_fingerprint, prompt_settings
from smart_train.retrieval.index import document_settings
from smart_train.retrieval.shards import EmbeddingShards
from smart_train.scoring import ScoringConfig
from smart_train.scoring.embeddings import Embeddings
from smart_train.utils.atomic import make_folder, naming_refusals, remove, write_json
from smart_train.utils.differences import changes, flat, lines
from smart_train.utils.terms import NUMBER_FORMATS

CACHE_FILE = "encoded.json"
_FORMAT = 1
# Items in a file: the most that lie in memory beside the queries (1,800 tokens of width 2,048 a page: 1.9 GB).
SHARD_SIZE = 128
_NAMES = {"query": "queries", "document": "documents"}


class EncodedSets:
    """Embeddings of `model`, kept in `folder`.

    Args:
        store: what token states are kept as: float32 (exact), float16, bfloat16 or int8.

    Attributes:
        weights: the model's fingerprint, of the kind that the folder holds.

    Raises:
        DataError: `store` is unknown, or the folder's record is damaged.
        ModelError: the folder holds embeddings of another model, or made with other settings; names what differs.
    """

    def __init__(self, model: WorkerEncoder, folder: str | Path, *, store: str = "float32") -> None:
        check_store(store)
        self.model = model
        self.folder = Path(folder)
        self.store = store
        self.weights = on_main(self._claim)

    def encode(
        self, rows: Rows, *, batch_size: int = 32, num_workers: int | None = 0, show_progress_bar: bool | None = None
    ) -> EmbeddingShards:
        """The embeddings of `rows`; what is not on disk yet is encoded. Several processes share the work, and must all
        call this, unless everything is there.

        Raises:
            DataError: a row that cannot be read, which is named; or the disk cannot hold the embeddings.
        """
        shards = self.shards(rows)
        if all(shards.path(shard).is_file() for shard in range(len(shards))):
            return shards
        encode = self.model.encode_query if rows.side == "query" else self.model.encode_document

        options: dict[str, Any] = {
            "batch_size": batch_size,
            "num_workers": num_workers,
            "show_progress_bar": show_progress_bar,
        }

        def made(places: Sequence[int]) -> Embeddings:
            try:
                return encode(rows.inputs(places), **options)
            except DataError as error:
                # The model does not know which document an image belongs to. A check of all of them first would decode
                # each page twice.
                raise DataError(rows.unreadable(places) or f"{rows.where}: {error}") from error

        with naming_refusals(shards.folder):
            make_folder(shards.folder)
        shards.encode(made, show_progress_bar=show_progress_bar)
        return shards

    def shards(self, rows: Rows) -> EmbeddingShards:
        """Where the embeddings of `rows` are, or will be."""
        return EmbeddingShards(self.folder / rows.key, _NAMES[rows.side], len(rows), SHARD_SIZE, store=self.store)

    def discard(self, keys: Sequence[str]) -> None:
        """Deletes the embeddings of the rows of these keys."""
        for key in keys:
            remove(self.folder / key)

    def _claim(self) -> str:
        path = self.folder / CACHE_FILE
        if not path.is_file():
            weights = model_fingerprint(self.model)
            write_json(path, self._settings(weights))
            return weights
        try:
            begun = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(begun, dict):
                raise ValueError(f"holds a {type(begun).__name__}, not an object")
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: cannot be read ({error}); delete {self.folder}, which is made again") from error
        weights = fingerprint_like(self.model, begun.get("weights"))
        differing = changes(flat(begun), flat(self._settings(weights)), flat({"scoring": ScoringConfig().to_dict()}))
        if differing:
            raise ModelError(
                f"{self.folder}: holds embeddings of another model, or made with other settings; its scores would be "
                f"meaningless here. Name another folder, or delete this one\n{listing(lines(differing))}"
            )
        return weights

    def _settings(self, weights: str) -> dict[str, Any]:
        return encoding_settings(self.model, weights) | {"store": self.store}


def check_store(store: str) -> None:
    """Raises DataError where `store` is not a way to keep token states."""
    if store not in NUMBER_FORMATS:
        raise DataError(f"store is {store!r}, it must be one of {', '.join(NUMBER_FORMATS)}")


def encoding_settings(model: WorkerEncoder, weights: str) -> dict[str, Any]:
    """All that the embeddings of `model` depend on, by the names that a user knows; `weights` is its fingerprint.
    Weights of the two scores act later and are not among it."""
    return {
        "format": _FORMAT,
        "family": model.family.name,
        "prompts": prompt_settings(model),
        "scoring": {**document_settings(model), "query_tokens": model.scoring.query_tokens},
        "shard_size": SHARD_SIZE,
        "weights": weights,
    }
