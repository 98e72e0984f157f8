"""Documents as an index, encoding only what is new: page images of a folder, or any collection of documents that a
recipe could name (PDF files, JSON lines of texts, Parquet)."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from tqdm.auto import tqdm

from smart_train.data import SourceConfig
from smart_train.errors import BusyError, DataError
from smart_train.retrieval.document_sources import collected_sources, collection, find_images, image_sources, path_of
from smart_train.retrieval.encoder import IndexEncoder, check_readable, documents_in_parts
from smart_train.retrieval.fingerprints import model_fingerprint
from smart_train.retrieval.index import (
    INDEX_FILE,
    UNFINISHED,
    DocumentIndex,
    Source,
    check_index_folder,
    document_settings,
    write_index,
)
from smart_train.retrieval.pdf_text_documents import as_model_reads, in_chunks
from smart_train.scoring.collecting import assembled
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.index_form import documents_for_index
from smart_train.types import ModelInput
from smart_train.utils.atomic import remove
from smart_train.utils.defaults import BATCH_SIZE
from smart_train.utils.locks import LOCK_NAME, check_free, only_one
from smart_train.utils.terms import NUMBER_FORMATS

_Version = tuple[int, int, int] | None  # of an index.json: inode, time and size
_PART_DOCUMENTS = 256  # encoded between two moments at which nothing is lost


def encode_folder(
    model: IndexEncoder,
    folder: str | Path | SourceConfig,
    *,
    previous: DocumentIndex | None = None,
    unfinished: str | Path | None = None,
    batch_size: int = BATCH_SIZE,
    show_progress_bar: bool | None = None,
    store: str | None = None,
    num_workers: int | None = None,
    documents: Mapping[str, ModelInput] | None = None,
) -> DocumentIndex:
    """An index of all documents of `folder`.

    Of a folder of images, PDF files or both these are its images, named by their path inside it (forward slashes), and
    its pages (`FILE.pdf#page=N`). Anything else is read as a collection: a file or folder of one of the formats of
    docs/data.md, whose documents, texts among them, have the ids that it gives them.

    For a model that reads no images, pages of PDF files are their text. One that is longer than the model reads is
    several documents, `FILE.pdf#page=N&chunk=M`. A warning names pages without text, which are left out.

    Args:
        model: a `SmartModel`.
        folder: where the documents are; a `SourceConfig` also says how they are read (columns, a split, a resolution).
        previous: an earlier index of the folder. Documents whose content it holds are taken from it: an image file of
            the same size and modification time is not even read, anything else is recognised by its content, wherever
            it has moved. Returned itself when nothing has changed.
        unfinished: a folder to keep documents in as they are encoded, some hundred at a time: a call that was killed is
            taken up where it was. Whoever saves the index removes it.
        batch_size: as `encode_document`. show_progress_bar: None shows it on a terminal.
        store: what token states are kept as: "float32" (exact), "float16", "bfloat16" or "int8". None: as in
            `previous`, else the `stored_as` of the model's scoring (float32, unless it was tuned).
        num_workers: processes that decode pages while the model runs; None leaves it to the model.
        documents: what `collection` gave for `folder`, where it was called already.

    Raises:
        DataError: no documents, or images that cannot be decoded: all of them are named before anything is encoded. Or
            two documents with one id, images or videos that the model does not read, a `previous` that was not made
            from a folder or a file, or one whose states were rounded to another `store`.
        ModelError: `previous`, or what `unfinished` holds, was made by another model or with other settings.
    """
    previous = _usable(model, previous, store)
    found = _found(model, folder, previous, documents)
    return _encoded(model, found, previous, unfinished, store, batch_size, num_workers, show_progress_bar)


class _Found(NamedTuple):
    """Documents that are read and not yet encoded: the record of each, and itself."""

    sources: list[Source]
    items: list[ModelInput]


def _usable(model: IndexEncoder, previous: DocumentIndex | None, store: str | None) -> DocumentIndex | None:
    """`previous` with its token states as `store`. Raises what `encode_folder` does of the two."""
    if store not in (None, *NUMBER_FORMATS):
        raise DataError(f"encode_folder: store is {store!r}; choose one of {', '.join(NUMBER_FORMATS)}")
    if previous is None:
        return None
    previous.check(model)
    if not previous.sources:
        raise DataError("encode_folder: `previous` was not made from files; its documents cannot be recognised")
    return _stored(previous, store)


def _found(
    model: IndexEncoder,
    folder: str | Path | SourceConfig,
    previous: DocumentIndex | None,
    documents: Mapping[str, ModelInput] | None,
) -> _Found:
    """The documents of `folder`, as `model` reads them."""
    path = path_of(folder)
    folder = as_model_reads(model, folder)
    documents = collection(folder) if documents is None else documents
    if documents is not None:
        documents = in_chunks(model, folder, documents)
        found = _Found(collected_sources(path, documents), list(documents.values()))
    else:
        paths = find_images(path)
        found = _Found(image_sources(path, paths, previous), [ModelInput(images=(image,)) for image in paths])
    named = [(source.path, item) for source, item in zip(*found, strict=True)]
    check_readable(model, named, f"documents {path}")
    return found


def _encoded(
    model: IndexEncoder,
    found: _Found,
    previous: DocumentIndex | None,
    unfinished: str | Path | None,
    store: str | None,
    batch_size: int,
    num_workers: int | None,
    show_progress_bar: bool | None,
) -> DocumentIndex:
    """The index of `found`, what a usable `previous` lacks encoded; `previous` itself where it lacks nothing."""
    sources, items = found
    if previous is not None and tuple(sources) == previous.sources:
        return previous
    if store is None and previous is not None:
        store = _store_of(previous)
    fingerprint = model_fingerprint(model)
    if previous is not None:  # again, now that all weights were read: documents of two models must not be mixed
        previous.check(model)
    parts = [] if previous is None else [_held(previous)]
    parts += _parts(Path(unfinished), model, store) if unfinished is not None else []
    encoded_digests = {digest for part in parts for digest in part.digests}
    fresh: dict[str, tuple[ModelInput, Source]] = {}
    for item, source in zip(items, sources, strict=True):
        if source.digest not in encoded_digests:
            fresh.setdefault(source.digest, (item, source))
    parts += _encode(
        model, fingerprint, list(fresh.values()), unfinished, store, batch_size, num_workers, show_progress_bar
    )
    # The shortest: what takes documents over from an index of version 0.1.0 is known by no more values than that was.
    shortest = min((part.model for part in parts), key=len)
    return DocumentIndex(
        [source.path for source in sources],
        _together(parts, [source.digest for source in sources]),
        shortest,
        document_settings(model),
        tuple(sources),
    )


def update_index(
    model: IndexEncoder,
    folder: str | Path | SourceConfig,
    index_folder: str | Path,
    *,
    batch_size: int = BATCH_SIZE,
    show_progress_bar: bool | None = None,
    store: str | None = None,
    num_workers: int | None = None,
    documents: Mapping[str, ModelInput] | None = None,
) -> tuple[DocumentIndex, DocumentIndex | None]:
    """The index of the documents of `folder` that is kept in `index_folder`, made or brought up to date there, and the
    one that was there before. A call that is killed leaves the old index whole and is taken up by the next.

    Args: as `encode_folder`.

    Raises:
        DataError: as `encode_folder`, or `index_folder` cannot be written, holds something else or a damaged index.
        ModelError: as `encode_folder`.
        BusyError: another process encodes into `index_folder`.
    """
    index_folder = Path(index_folder)
    check_index_folder(index_folder)
    unfinished = index_folder / UNFINISHED
    version, previous = _kept(index_folder)
    usable = _usable(model, previous, store)
    found = _found(model, folder, usable, documents)
    # Nothing to write: several processes search one index at a time, one that is read-only, too.
    if usable is previous is not None and tuple(found.sources) == previous.sources and not unfinished.exists():
        with contextlib.suppress(BusyError):  # the lock of a call that was killed at its end
            check_free(index_folder / LOCK_NAME)
        return previous, previous
    with only_one(index_folder / LOCK_NAME, "encoding"):
        if _version(index_folder) != version:  # another process was here meanwhile
            _, previous = _kept(index_folder)
            usable = _usable(model, previous, store)
            found = _found(model, folder, usable, documents)  # it may have encoded what was not there before
        index = _encoded(model, found, usable, unfinished, store, batch_size, num_workers, show_progress_bar)
        if index is not previous:
            write_index(index, index_folder)
        shutil.rmtree(unfinished, ignore_errors=True)
    return index, previous


def _kept(index_folder: Path) -> tuple[_Version, DocumentIndex | None]:
    """The index that is there, and which one that is."""
    version = _version(index_folder)
    return version, None if version is None else DocumentIndex.load(index_folder)


def _version(index_folder: Path) -> _Version:
    """What tells the saved index from later ones, because each save writes a new file; None without an index."""
    file = index_folder / INDEX_FILE
    if not file.is_file():
        return None
    stat = file.stat()
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


@dataclass(frozen=True)
class _Part:
    """Documents that are encoded, on the disk or in memory: their digests, their numbers of tokens, the fingerprint of
    the model that made them, and themselves."""

    digests: Sequence[str]
    lengths: Sequence[int]
    model: str
    load: Callable[[], Embeddings]


def _held(index: DocumentIndex) -> _Part:
    digests, lengths = [source.digest for source in index.sources], index.embeddings.lengths.tolist()
    return _Part(digests, lengths, index.model, lambda: index.embeddings)


def _part_on_disk(index: DocumentIndex, folder: Path) -> _Part:
    """What `folder` holds as well, so that it need not stay in memory until all others are encoded."""
    return replace(_held(index), load=lambda: DocumentIndex.load(folder).embeddings)


def _store_of(index: DocumentIndex) -> str:
    name = str(index.embeddings.packed.dtype).removeprefix("torch.")
    return name if name in NUMBER_FORMATS else "float32"


def _stored(previous: DocumentIndex, store: str | None) -> DocumentIndex:
    """`previous` with its token states as `store`; itself where they are so already. Raises DataError where they were
    rounded to something else."""
    now = _store_of(previous)
    if store in (None, now):
        return previous
    if now != "float32":
        where = "the earlier index" if previous.folder is None else f"document index {previous.folder}"
        raise DataError(
            f"{where}: its token states are stored as {now}, and cannot become {store}: what was rounded away is gone; "
            "leave store (--store) out, or encode into another index folder"
        )
    return DocumentIndex(
        previous.document_ids,
        previous.embeddings.quantize(store),
        previous.model,
        previous.settings,
        previous.sources,
        previous.folder,
    )


def _parts(unfinished: Path, model: IndexEncoder, store: str | None) -> list[_Part]:
    """What a call that was killed has encoded. A part without its index.json is half of one, and made again; so is one
    that is damaged or stored otherwise, which is said."""
    parts = []
    for path in sorted(unfinished.glob(f"*/{INDEX_FILE}")):
        try:
            part = DocumentIndex.load(path.parent)
            part.check(model)
            stored = _stored(part, store)
        except DataError as error:
            tqdm.write(f"{error}; its documents are encoded again", file=sys.stderr)
            remove(path.parent)
            continue
        if stored is not part:
            stored.save(path.parent)
        parts.append(_part_on_disk(stored, path.parent))
    return parts


def _encode(
    model: IndexEncoder,
    fingerprint: str,
    documents: Sequence[tuple[ModelInput, Source]],
    unfinished: str | Path | None,
    store: str | None,
    batch_size: int,
    num_workers: int | None,
    show_progress_bar: bool | None,
) -> list[_Part]:
    """`documents` as small indexes whose ids are the digests, each kept in `unfinished` as soon as it is made.

    Args:
        fingerprint: of `model`.
    """
    settings = document_settings(model)
    size = -(-_PART_DOCUMENTS // batch_size) * batch_size
    parts: list[_Part] = []
    disable = None if show_progress_bar is None else not show_progress_bar
    with tqdm(total=len(documents), desc="Encoding documents", leave=False, disable=disable) as bar:
        items, done = [item for item, _ in documents], 0
        scoring = model.scoring if store is None else replace(model.scoring, stored_as=store)
        for encoded in documents_in_parts(model, items, size, batch_size=batch_size, num_workers=num_workers):
            sources = tuple(source for _, source in documents[done : done + len(encoded)])
            stored = documents_for_index(encoded, scoring)
            made = DocumentIndex([item.digest for item in sources], stored, fingerprint, settings, sources)
            del encoded, stored
            if unfinished is not None:
                # Named by content: the next call may find other documents to do, and must not write over these.
                parts.append(_part_on_disk(made, made.save(Path(unfinished) / sources[0].digest)))
            else:
                parts.append(_held(made))
            del made
            done += len(sources)
            bar.update(len(sources))
    return parts


def _together(parts: list[_Part], digests: Sequence[str]) -> Embeddings:
    """The documents with these digests, in this order. `parts` is empty afterwards: each is let go of as it is done."""
    lengths = {digest: length for part in parts for digest, length in zip(part.digests, part.lengths, strict=True)}
    wanted: dict[str, list[int]] = {}
    for place, digest in enumerate(digests):
        wanted.setdefault(digest, []).append(place)
    # The first part that has a document gives it.
    places = [wanted.pop(digest, []) for part in parts for digest in part.digests]

    def pieces() -> Iterator[Embeddings]:
        while parts:
            yield parts.pop(0).load()

    return assembled(pieces(), torch.tensor([lengths[digest] for digest in digests]), places)
