"""Images on disk at the size that the model sees: decoding and resizing a page once, not once an epoch.

A model's features are the same with and without it: the resizing is the image processor's own, which leaves an image
alone that has its size already, and the files lose nothing.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from smart_train.errors import DataError
from smart_train.inputs.images import describe_image, image_key, load_image
from smart_train.types import ModelInput
from smart_train.utils.atomic import replace_whole


class Fitter(Protocol):
    """What this needs of a model family."""

    def fit_image(self, image: Image.Image) -> Image.Image: ...

    @property
    def image_settings(self) -> str: ...


class PageCache:
    """Hands out inputs whose images are files of this cache, made when they are first asked for.

    A file is found by what the image is and by all that its size depends on. Images given by path are known by path,
    size and time of change, others by their content, addresses by themselves. Processes may share the folder.

    Args:
        folder: made when it is missing; may be deleted whenever nothing runs.
        fitter: brings an image to the size that the model sees (a model family).

    Raises:
        DataError: the folder cannot be written.
    """

    def __init__(self, folder: str | Path, fitter: Fitter) -> None:
        self.folder, self.fitter = Path(folder), fitter
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"data.cache_dir {folder}: cannot be written ({error.strerror})") from error

    def __call__(self, item: ModelInput) -> ModelInput:
        """`item` with its images at their final size. Raises DataError for an image that cannot be read."""
        if not item.images:
            return item
        return replace(item, images=tuple(self._file(image) for image in item.images))

    def _file(self, reference: Any) -> Path:
        digest = hashlib.blake2b(f"{self._identity(reference)} {self.fitter.image_settings}".encode(), digest_size=16)
        name = digest.hexdigest()
        path = self.folder / name[:2] / f"{name[2:]}.png"
        if not path.is_file():
            self._write(path, self.fitter.fit_image(load_image(reference)))
        return path

    @staticmethod
    def _identity(reference: Any) -> str:
        if isinstance(reference, os.PathLike):
            try:
                status = os.stat(reference)
            except OSError as error:
                raise DataError(f"image {describe_image(reference)}: cannot be read ({error.strerror})") from error
            return f"{os.path.abspath(reference)} {status.st_size} {status.st_mtime_ns}"
        return str(image_key(reference))

    def _write(self, path: Path, image: Image.Image) -> None:
        # Level 1: reading is as fast as after level 6, writing five times faster.
        replace_whole(path, lambda temporary: image.save(temporary, format="PNG", compress_level=1))
