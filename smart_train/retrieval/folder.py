"""Page images of a folder as a document index, encoding only what is new."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from smart_train.errors import DataError, listing
from smart_train.media import IMAGE_EXTENSIONS, files_below, load_image
from smart_train.retrieval.index import DocumentIndex, Source, document_settings, model_fingerprint
from smart_train.scoring.compress import stored_as
from smart_train.types import Embeddings, ModelInput


def find_images(folder: str | Path) -> list[Path]:
    """The image files under `folder`, all levels, sorted by their path inside it.

    Hidden files and folders (a leading dot) are left out: thumbnails and the like.

    Raises:
        DataError: `folder` is not a folder, or holds no image.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"documents {folder}: {'not a folder' if folder.exists() else 'no such folder'}")
    found = files_below(folder, IMAGE_EXTENSIONS)
    if not found:
        raise DataError(f"documents {folder}: no image in it (looked for {', '.join(sorted(IMAGE_EXTENSIONS))})")
    return found


def encode_folder(
    model: Any,
    folder: str | Path,
    *,
    previous: DocumentIndex | None = None,
    batch_size: int = 32,
    show_progress_bar: bool | None = None,
) -> DocumentIndex:
    """An index of all images under `folder`; a document's id is its path inside the folder, with forward slashes.

    Args:
        model: a `SmartModel`.
        previous: an earlier index of the folder. Pages whose content it holds are taken from it: a file of the same
            size and modification time is not even read, any other is recognised by its content, wherever it has
            moved. Returned itself when nothing has changed.
        batch_size, show_progress_bar: as `encode_document`.

    Raises:
        DataError: no images, or images that cannot be decoded: all of them are named before anything is encoded. Or a
            `previous` that was not made from a folder.
        ModelError: `previous` was made by another model or with other settings.
    """
    folder = Path(folder)
    if previous is not None:
        previous.check(model)
        if not previous.sources:
            raise DataError("encode_folder: `previous` was not made from files; its documents cannot be recognised")
    paths = find_images(folder)
    sources = _read_sources(folder, paths, previous)
    if previous is not None and tuple(sources) == previous.sources:
        return previous
    known = {source.digest: i for i, source in enumerate(previous.sources)} if previous is not None else {}
    fresh: dict[str, Path] = {}
    for path, source in zip(paths, sources, strict=True):
        if source.digest not in known:
            fresh.setdefault(source.digest, path)
    held = [] if previous is None else [previous.embeddings]
    if fresh:
        inputs = [ModelInput(images=(path,)) for path in fresh.values()]
        encoded = model.encode_document(inputs, batch_size=batch_size, show_progress_bar=show_progress_bar)
        if previous is not None:  # what is stored in 8 or 16 bits stays so
            encoded = stored_as(encoded, previous.embeddings.packed.dtype).to(previous.embeddings.device)
        held.append(encoded)
    first = 0 if previous is None else len(previous)
    places = known | {digest: first + place for place, digest in enumerate(fresh)}
    return DocumentIndex(
        [source.path for source in sources],
        Embeddings.concatenate(held)[[places[source.digest] for source in sources]],
        model_fingerprint(model),
        document_settings(model),
        tuple(sources),
    )


def _read_sources(folder: Path, paths: Sequence[Path], previous: DocumentIndex | None) -> list[Source]:
    """Every file's record. New content is decoded here, so that all bad files are named before hours of encoding."""
    known = {source.path: source for source in previous.sources} if previous is not None else {}
    digests = {source.digest for source in known.values()}

    def read(path: Path) -> Source | str:
        name = path.relative_to(folder).as_posix()
        try:
            stat = path.stat()
            old = known.get(name)
            if old is not None and (old.size, old.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
                return old
            content = path.read_bytes()
            digest = hashlib.blake2b(content, digest_size=16).hexdigest()
            if digest not in digests:
                load_image(path)
        except (OSError, DataError) as error:
            return f"{name}: {error}"
        return Source(name, stat.st_size, stat.st_mtime_ns, digest)

    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        results = list(pool.map(read, paths))
    problems = [result for result in results if isinstance(result, str)]
    if problems:
        raise DataError(
            f"documents {folder}: {len(problems)} of {len(paths)} images cannot be used; mend or remove them:\n"
            + listing(problems)
        )
    return [result for result in results if isinstance(result, Source)]
