"""Which documents a folder, file or collection holds, and the record of each by which an index knows it again.

Every document is read once here, in threads, so that all bad ones are named before hours of encoding.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from smart_train.data import SourceConfig, load_documents
from smart_train.data.formats.folders import not_read, tell_not_read
from smart_train.data.formats.pdf import pdf_files
from smart_train.data.keys import default_id
from smart_train.data.row_files import EXTENSIONS, is_rows_file
from smart_train.errors import DataError, listing
from smart_train.inputs.extensions import IMAGE_EXTENSIONS, TIFF_EXTENSIONS
from smart_train.inputs.folder_listing import files_below
from smart_train.inputs.images import load_image, tiff_pages, verify_image
from smart_train.retrieval.index import DocumentIndex, Source
from smart_train.types import ModelInput
from smart_train.utils.folder_kinds import is_index, is_run, what_is
from smart_train.utils.text_files import GZIP


def find_images(folder: str | Path) -> list[Path]:
    """The image files under `folder`, all levels, sorted by their path inside it.

    Hidden files and folders (a leading dot) are left out: thumbnails and the like.

    Raises:
        DataError: `folder` is not a folder, or holds no image.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"documents {folder}: {'not a folder' if folder.exists() else 'no such folder'}")
    paths = files_below(folder, IMAGE_EXTENSIONS)
    if not paths:
        raise DataError(f"documents {folder}: no image in it (looked for {', '.join(sorted(IMAGE_EXTENSIONS))})")
    tell_not_read(folder)
    return paths


def path_of(documents: str | Path | SourceConfig) -> Path:
    return Path(documents.path if isinstance(documents, SourceConfig) else documents)


def collection(documents: str | Path | SourceConfig) -> dict[str, ModelInput] | None:
    """Id -> document of a collection; None of a folder that holds images of one page each and no PDF file, which need
    not be read whole.

    Raises:
        DataError: nothing is there, or no collection; or two different documents have one id.
    """
    if not is_collection(documents):
        return None
    path = path_of(documents)
    inputs: dict[str, ModelInput] = {}
    for name, item in load_documents(documents if isinstance(documents, SourceConfig) else SourceConfig(path)):
        if inputs.setdefault(name, item) != item:
            raise DataError(f"documents {path}: {name!r} is the id of two different documents; give each its own")
    return inputs


def is_collection(documents: str | Path | SourceConfig) -> bool:
    """Whether the documents are read as a collection, or are a folder that holds images of one page each and no PDF
    file; reads no document.

    Raises:
        DataError: nothing is there, or neither of both.
    """
    path = path_of(documents)
    if not path.exists():
        raise DataError(f"documents {path}: no such file or folder")
    if is_index(path):
        raise DataError(
            f"documents {path}: {what_is(path)}; name it as the index, alone, to search what it holds, or name the "
            "documents that it was made of"
        )
    if is_run(path):
        raise DataError(
            f"documents {path}: {what_is(path)}, which holds no documents; name the folder or file of yours"
        )
    if isinstance(documents, SourceConfig) and documents != SourceConfig(documents.path):
        return True  # whatever is said of how to read them, a folder of images alone does not need
    if path.is_dir() and not pdf_files(path):
        if images := files_below(path, IMAGE_EXTENSIONS):
            return any(len(tiff_pages(file)) > 1 for file in images if file.suffix.lower() in TIFF_EXTENSIONS)
        if not any(map(is_rows_file, files_below(path, (*EXTENSIONS, GZIP)))):
            others = not_read(path)
            raise DataError(
                f"documents {path}: no image, PDF file or collection in it (looked for "
                f"{', '.join(sorted({*IMAGE_EXTENSIONS, *EXTENSIONS, '.pdf'}))})"
                + ("" if others is None else f"\n  {others}")
            )
    return True


def collected_sources(path: Path, documents: Mapping[str, ModelInput]) -> list[Source]:
    """A record of every document: it has no file of its own to be known by, its content alone."""

    def read(pair: tuple[str, ModelInput]) -> Source | str:
        name, item = pair
        try:
            for image in item.images:
                verify_image(image)
            return Source(name, 0, 0, default_id(item))
        except DataError as error:
            return f"{name}: {error}"

    return _all_read(path, read, list(documents.items()))


def image_sources(folder: Path, paths: Sequence[Path], previous: DocumentIndex | None) -> list[Source]:
    """Every file's record. New content is decoded here, so that all bad files are named before hours of encoding."""
    previous_sources = {source.path: source for source in previous.sources} if previous is not None else {}
    digests = {source.digest for source in previous_sources.values()}

    def read(path: Path) -> Source | str:
        name = path.relative_to(folder).as_posix()
        try:
            stat = path.stat()
            old = previous_sources.get(name)
            if old is not None and (old.size, old.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
                return old
            content = path.read_bytes()
            digest = hashlib.blake2b(content, digest_size=16).hexdigest()
            if digest not in digests:
                load_image(path)
        except (OSError, DataError) as error:
            return f"{name}: {error}"
        return Source(name, stat.st_size, stat.st_mtime_ns, digest)

    return _all_read(folder, read, paths)


def _all_read(path: Path, read: Callable[[Any], Source | str], items: Sequence[Any]) -> list[Source]:
    """`read` of every item, in several threads; what it says instead of a record stops with all of that together."""
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        results = list(pool.map(read, items))
    problems = [result for result in results if isinstance(result, str)]
    if problems:
        raise DataError(
            f"documents {path}: {len(problems)} of {len(items)} cannot be used; fix or remove them:\n"
            f"{listing(problems)}"
        )
    return [result for result in results if isinstance(result, Source)]
