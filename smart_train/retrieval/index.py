"""A corpus, encoded once: document ids, their embeddings, and a record of what made them.

On disk an index is a folder:

    index.json                    ids, sources, the model's fingerprint, the document-side scoring settings
    embeddings-XXXX.safetensors   pooled [N, D], packed [sum T, d], offsets [N + 1], and scales [sum T]
                                  of 8-bit tokens

`index.json` names the embeddings file and is replaced last, by one move: a reader, or a run that was killed, finds the
old index or the new one, never half of each. Both hold digests of their content (SHA-256), which are checked whenever
an index is read: all of it is read then, and a digest adds about a second a gigabyte.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from smart_train.errors import DataError, ModelError, ScoreError, listing
from smart_train.inputs.model_input import as_model_input
from smart_train.retrieval.encoder import Encoder, IndexEncoder
from smart_train.retrieval.fingerprints import fingerprint_like, model_fingerprint
from smart_train.scoring import ScoringConfig
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.index_form import documents_for_index
from smart_train.utils.atomic import remove, write_json
from smart_train.utils.differences import changes, lines
from smart_train.utils.folder_kinds import kind_of, what_is
from smart_train.utils.locks import LOCK_NAME, only_one
from smart_train.utils.tensors import load_tensors
from smart_train.utils.terms import INDEX_FILE as INDEX_FILE

INDEX_FORMAT = 1
# What of a `ScoringConfig` shapes a stored document; weights and query filters act later and may change freely.
DOCUMENT_SETTINGS = ("layer", "document_tokens", "pooled_token", "width", "pool_factor", "stored_as")
# Where pages are kept while an index is not yet whole (`retrieval/encode_documents.py`).
UNFINISHED = "unfinished"
# What a kill before the first index.json can leave; a hidden file is no reason to refuse a folder either.
_OWN_FILES = (".", "embeddings-", UNFINISHED)


@dataclass(frozen=True)
class Source:
    """The file one document was made from: path inside its folder, size in bytes, modification time, content hash."""

    path: str
    size: int
    mtime_ns: int
    digest: str


@dataclass(frozen=True)
class DocumentIndex:
    """Documents ready to be searched.

    Args:
        document_ids: N different ids.
        embeddings: N items, as `model.encode_document` gave them and `scoring.documents_for_index` keeps them.
        model: fingerprint of the model that encoded them (`model_fingerprint`; that of version 0.1.0 is accepted).
        settings: its document-side scoring settings (`document_settings`).
        sources: the files behind the documents, in the order of the ids; empty when they did not come from files.
        folder: where it was read from, for messages.

    Raises:
        DataError: numbers of ids, embeddings and sources that differ, or an id that comes twice.
    """

    document_ids: list[str]
    embeddings: Embeddings
    model: str
    settings: dict[str, Any]
    sources: tuple[Source, ...] = ()
    folder: Path | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        count = len(self.document_ids)
        if len(self.embeddings) != count or len(self.sources) not in (0, count):
            raise DataError(
                f"document index: {count} ids, {len(self.embeddings)} embeddings and {len(self.sources)} sources; the "
                "numbers must be equal (or no sources at all)"
            )
        if len(set(self.document_ids)) != count:
            raise DataError(
                f"document index: {count} ids, but only {len(set(self.document_ids))} different ones; "
                "each must be unique"
            )

    def __len__(self) -> int:
        return len(self.document_ids)

    @classmethod
    def build(
        cls,
        model: IndexEncoder,
        document_ids: Sequence[str],
        documents: Sequence[Any],
        *,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
    ) -> DocumentIndex:
        """Encodes `documents` (anything `encode_document` takes) under `document_ids`."""
        if not documents or len(documents) != len(document_ids):
            raise DataError(
                f"document index: {len(documents)} documents and {len(document_ids)} ids; the numbers must be equal "
                "and not 0"
            )
        embeddings = model.encode_document(
            [as_model_input(item) for item in documents], batch_size=batch_size, show_progress_bar=show_progress_bar
        )
        stored = documents_for_index(embeddings, model.scoring)
        return cls(list(document_ids), stored, model_fingerprint(model), document_settings(model))

    def check(self, model: IndexEncoder) -> None:
        """Raises ModelError unless `model` would have encoded these documents the same way."""
        name = f"document index{'' if self.folder is None else f' {self.folder}'}"
        differing = changes(self.settings, document_settings(model), ScoringConfig().to_dict())
        if differing:
            raise ModelError(
                f"{name}: made with scoring settings that differ from the model's; encode the documents again, into "
                f"another index folder\n{listing(lines(differing))}"
            )
        if fingerprint_like(model, self.model) != self.model:
            raise ModelError(
                f"{name}: made by another model (weights, prompt or pixel limits differ); its scores would be "
                "meaningless. Encode the documents again, into another index folder"
            )

    def to(self, device: str | torch.device) -> DocumentIndex:
        """The same index with its embeddings on `device`; searches then run there."""
        return replace(self, embeddings=self.embeddings.to(device))

    def save(self, folder: str | Path) -> Path:
        """Writes the index, replacing the one that `folder` holds; returns the folder.

        Raises:
            WriteError: the files cannot be written; an index that is there stays.
            BusyError: another process has been writing it for a minute.
        """
        with only_one(Path(folder, LOCK_NAME), "saving an index", patience=60.0):
            return write_index(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path) -> DocumentIndex:
        """Reads an index folder. Whether it fits a model is asked by `check`, which `search` does.

        Raises:
            DataError: no index there, written in another format, or its files are damaged.
        """
        folder = Path(folder)
        values, embeddings = _read_both(folder)
        try:
            sources = tuple(Source(**source) for source in values["sources"])
        except TypeError as error:
            raise DataError(
                f"document index {folder}: the sources in its {INDEX_FILE} are damaged ({error})"
            ) from error
        return cls(values["document_ids"], embeddings, values["model"], values["settings"], sources, folder)


def write_index(index: DocumentIndex, folder: Path) -> Path:
    """As `DocumentIndex.save`, by whoever holds the folder's lock."""
    tensors = folder / f"embeddings-{uuid.uuid4().hex[:12]}.safetensors"
    index.embeddings.save(tensors)
    values = {
        "format": INDEX_FORMAT,
        "embeddings": tensors.name,
        "model": index.model,
        "settings": index.settings,
        "document_ids": index.document_ids,
        "sources": [asdict(source) for source in index.sources],
    }
    write_json(folder / INDEX_FILE, {**values, "sha256": _digest(values)})
    # An older one, and what processes left that were killed while they wrote one.
    for pattern in ("embeddings-*.safetensors", ".embeddings-*.tmp", f".{INDEX_FILE}.*.tmp"):
        for old in folder.glob(pattern):
            if old != tensors:
                remove(old)
    return folder


def check_index_folder(folder: str | Path) -> None:
    """Raises DataError unless `folder` is an index, or empty, or absent and can be made: an index must not end up among
    files of something else, nor hours of encoding in a folder that takes no files."""
    folder = Path(folder)
    if (folder / INDEX_FILE).is_file():
        return
    if folder.is_file() or kind_of(folder) is not None:
        raise DataError(
            f"document index {folder}: {what_is(folder)}; an index needs a folder of its own: name a new one"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        strange = sorted(path.name for path in folder.iterdir() if not path.name.startswith(_OWN_FILES))
    except OSError as error:
        raise DataError(f"document index {folder}: cannot be written ({error.strerror})") from error
    if strange:
        raise DataError(
            f"document index {folder}: does not hold an index, but other files, such as {strange[0]}; name an empty "
            "folder"
        )


def document_settings(model: Encoder) -> dict[str, Any]:
    """The scoring settings of `model` that decide which token states a document keeps."""
    values = model.scoring.to_dict()
    return {name: values[name] for name in DOCUMENT_SETTINGS}


def _read_both(folder: Path) -> tuple[Mapping[str, Any], Embeddings]:
    """What `index.json` says, and the embeddings that it names. Another process may replace both after the first was
    read: the new ones are read then. A save takes longer than a read begins, so this ends."""
    values = _read_manifest(folder)
    while True:
        try:
            return values, Embeddings.from_parts(load_tensors(folder / values["embeddings"])[0])
        except (DataError, ScoreError, TypeError) as error:
            now = _read_manifest(folder)
            if now["embeddings"] == values["embeddings"]:
                raise DataError(
                    f"document index {folder}: its embeddings cannot be read ({error}); delete this folder, and encode "
                    "the documents again"
                ) from error
            values = now


def _read_manifest(folder: Path) -> Mapping[str, Any]:
    path = folder / INDEX_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(
            f"document index {folder}: {what_is(folder)}; an index is a folder with an {INDEX_FILE}, which "
            "`smart-train encode` writes, or a search with --documents and --index"
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"document index {folder}: {INDEX_FILE} cannot be read ({error})") from error
    index_format = values.get("format") if isinstance(values, dict) else None
    if index_format != INDEX_FORMAT:
        raise DataError(f"document index {folder}: format is {index_format!r}, this version reads {INDEX_FORMAT}")
    missing = [key for key in ("embeddings", "model", "settings", "document_ids", "sources") if key not in values]
    if missing:
        raise DataError(f"document index {folder}: {INDEX_FILE} lacks {', '.join(missing)}")
    if "sha256" in values and _digest(values) != values["sha256"]:  # version 0.1.0 wrote none
        raise DataError(
            f"document index {folder}: {INDEX_FILE} is damaged: it is not what was written (SHA-256); delete this "
            "folder, and encode the documents again"
        )
    return values


def _digest(values: Mapping[str, Any]) -> str:
    """Of all that `index.json` says but the digest itself."""
    said = {name: value for name, value in values.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
