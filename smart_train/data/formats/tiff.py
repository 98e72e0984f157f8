"""TIFF files of several pages, as scanners and fax machines write them: each page a picture of its own, kept on disk in
the cache of PDF pages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from smart_train.data.formats.pdf import page_cache
from smart_train.errors import DataError
from smart_train.inputs.extensions import TIFF_EXTENSIONS
from smart_train.inputs.images import load_image, tiff_pages
from smart_train.utils.atomic import filling

_FORMAT = 1  # of a cache folder; raise it when the same file would give other pages


def read_image_pages(file: Path, name: str, *, cache_dir: str | Path | None = None) -> Iterator[tuple[str, Path]]:
    """(document id, image) of each page of an image file: of a TIFF file of several pages `NAME#page=N` and a PNG file
    in the cache; of any other file `name` and itself.

    Raises:
        DataError: a TIFF file of several pages that cannot be decoded.
    """
    pages = tiff_pages(file) if file.suffix.lower() in TIFF_EXTENSIONS else []
    if len(pages) < 2:
        yield name, file
        return
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:32]
    folder = (Path(cache_dir) if cache_dir is not None else page_cache()) / f"{digest}-tiff-{_FORMAT}"
    if not folder.is_dir():
        _fill(folder, file, pages)
    for number in range(1, len(pages) + 1):
        yield f"{name}#page={number}", folder / _image_name(number)


def _fill(folder: Path, file: Path, pages: list[int]) -> None:
    with filling(folder, shared=True) as made, Image.open(file, formats=("TIFF",)) as image:
        for number, place in enumerate(pages, start=1):
            try:
                image.seek(place)
                load_image(image).save(made / _image_name(number), compress_level=1)
            except (DataError, OSError, ValueError, EOFError, SyntaxError) as error:
                raise DataError(f"{file}, page {number}: cannot be decoded ({error})") from error


def _image_name(number: int) -> str:
    return f"page-{number:05d}.png"
