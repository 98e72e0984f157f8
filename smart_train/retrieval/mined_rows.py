"""Rows with mined negatives as a data set that training reads: `train.jsonl`, and the images it names beside it.

Images are hard links where the file system allows it, copies elsewhere: the folder can be moved, and the pages it came
from may go.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from smart_train.data.pdf import DPI
from smart_train.data.references import References
from smart_train.errors import DataError
from smart_train.media import IMAGE_EXTENSIONS, URL_SCHEMES, describe_image, image_key, read_encoded
from smart_train.types import Example, ModelInput
from smart_train.writing import replace_whole

ROWS_FILE = "train.jsonl"
IMAGES_FOLDER = "images"


class RowWriter:
    """Writes rows into `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._named: dict[str, str] = {}  # path of an image -> its name here, so that a page of many rows is read once
        self._written_names: set[str] = set()
        self._references = References(folder, DPI)

    def write(self, rows: Iterable[tuple[Example, Sequence[ModelInput], Sequence[float]]]) -> Path:
        """(row, its mined negatives, scores of the positive and of each negative) -> `train.jsonl`, whole or not at
        all; then images that no row names any more are deleted. Explicit negatives that a row had before are left out:
        they were candidates like all others.

        Raises:
            DataError: an image can no longer be read, or an input holds a video.
        """

        def lines(path: Path) -> None:
            with path.open("w", encoding="utf-8") as file:
                for example, negatives, scores in rows:
                    file.write(json.dumps(self._row(example, negatives, scores), ensure_ascii=False) + "\n")

        path = replace_whole(self.folder / ROWS_FILE, lines)
        for image in (self.folder / IMAGES_FOLDER).glob("*"):
            if image.name not in self._written_names:
                image.unlink()
        return path

    def _row(self, example: Example, negatives: Sequence[ModelInput], scores: Sequence[float]) -> dict[str, Any]:
        query = example.query
        row: dict[str, Any] = {"query": self._written(ModelInput(query.text, query.images, query.video))}
        row["query_id"] = example.query_id
        optional = {
            "instruction": query.instruction,
            "task": example.task,
            "grade": None if example.grade == 1 else example.grade,
        }
        row |= {name: value for name, value in optional.items() if value is not None}
        row |= {"positive": self._written(example.documents[0]), "document_id": example.document_ids[0]}
        row |= {f"negative_{place}": self._written(negative) for place, negative in enumerate(negatives)}
        return {**row, "scores": [round(score, 6) for score in scores]}

    def _written(self, item: ModelInput) -> str | dict[str, Any]:
        """As short as it can be read back: a text, an image's name, or a mapping of parts."""
        if item.video is not None:
            raise DataError("mining: a row holds a video, which cannot be written back as a row")
        images = [self._image(image) for image in item.images]
        if item.instruction is None and item.text is not None and not images and self._reads_as_text(item.text):
            return item.text
        if item.instruction is None and item.text is None and len(images) == 1:
            return images[0]
        parts = {"text": item.text, "images": images or None, "instruction": item.instruction}
        return {name: value for name, value in parts.items() if value is not None}

    def _reads_as_text(self, text: str) -> bool:
        """Whether a row that holds `text` as a document means these words, and not an image of that name."""
        try:
            return self._references.locate(text, ROWS_FILE, is_image=False) is None
        except DataError:
            return False

    def _image(self, reference: Any) -> str:
        if isinstance(reference, str) and reference.startswith(URL_SCHEMES):
            return reference
        is_file = isinstance(reference, os.PathLike) or (isinstance(reference, str) and reference[:5] != "data:")
        known = self._named.get(str(reference)) if is_file else None
        if known is not None:
            return known
        encoded = b"" if is_file or isinstance(reference, Image.Image) else read_encoded(reference)
        name = f"{IMAGES_FOLDER}/{image_key(reference) % 2**64:016x}{_suffix(reference, encoded)}"
        self._written_names.add(Path(name).name)
        path = self.folder / name
        if not path.is_file():
            if is_file:
                replace_whole(path, lambda temporary: _link(Path(reference), temporary))
            elif isinstance(reference, Image.Image):
                replace_whole(path, lambda temporary: reference.save(temporary, format="PNG"))
            else:
                replace_whole(path, lambda temporary: temporary.write_bytes(encoded))
        if is_file:
            self._named[str(reference)] = name
        return name


def _suffix(reference: Any, encoded: bytes) -> str:
    if isinstance(reference, Image.Image):
        return ".png"
    suffix = Path(reference).suffix.lower() if not encoded else ""
    if suffix in IMAGE_EXTENSIONS:
        return suffix
    try:
        with Image.open(io.BytesIO(encoded) if encoded else reference) as image:
            suffix = f".{image.format.lower()}"
    except OSError as error:
        raise DataError(f"image {describe_image(reference)}: cannot be read ({error})") from error
    if suffix not in IMAGE_EXTENSIONS:
        raise DataError(
            f"image {describe_image(reference)}: its format is {suffix[1:]}; rows may name "
            + ", ".join(IMAGE_EXTENSIONS)
        )
    return suffix


def _link(source: Path, target: Path) -> None:
    try:
        os.link(os.path.realpath(source), target)
    except OSError:  # another disk, or a file system without hard links
        shutil.copyfile(source, target)
