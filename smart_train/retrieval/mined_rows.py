"""Rows with mined negatives as a data set that training reads: `train.jsonl`, and the images and videos it names beside
it.

Files are hard links where the file system allows it, copies elsewhere: the folder can be moved, and the pages it came
from may go.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from smart_train.data.formats.pdf import DPI
from smart_train.data.misspelt_media import reads_as_name
from smart_train.data.references import References
from smart_train.errors import DataError
from smart_train.inputs.extensions import IMAGE_EXTENSIONS
from smart_train.inputs.fetching import URL_SCHEMES
from smart_train.inputs.images import FORMATS, describe_image, image_key, read_encoded
from smart_train.inputs.video import video_key
from smart_train.types import Example, ModelInput
from smart_train.utils.atomic import make_folder, remove, replace_whole, sync

ROWS_FILE = "train.jsonl"
IMAGES_FOLDER, VIDEOS_FOLDER = "images", "videos"


class RowWriter:
    """Writes rows into `folder`.

    Args:
        among_images: some of the documents are images or videos, so that a text that looks like a name has to be marked
            as text: it would be taken for a name that is misspelt.
    """

    def __init__(self, folder: Path, *, among_images: bool = False) -> None:
        self.folder, self.among_images = folder, among_images
        self._named: dict[str, str] = {}  # path of a file -> its name here, so that a page of many rows is read once
        self._written_names: set[str] = set()
        self._references = References(folder, DPI)

    def write(self, rows: Iterable[tuple[Example, Sequence[ModelInput], Sequence[float]]]) -> Path:
        """(row, its mined negatives, scores of the positive and of each negative) -> `train.jsonl`, whole or not at
        all; then images and videos that no row names any more are deleted. Explicit negatives that a row had before are
        left out: they were candidates like all others.

        Raises:
            DataError: an image or a video can no longer be read.
        """

        def lines(path: Path) -> None:
            with path.open("w", encoding="utf-8") as file:
                for example, negatives, scores in rows:
                    file.write(json.dumps(self._row(example, negatives, scores), ensure_ascii=False) + "\n")

        path = replace_whole(self.folder / ROWS_FILE, lines)
        for kind in (IMAGES_FOLDER, VIDEOS_FOLDER):
            for file in (self.folder / kind).glob("*"):
                if f"{kind}/{file.name}" not in self._written_names:
                    remove(file)
        return path

    def _row(self, example: Example, negatives: Sequence[ModelInput], scores: Sequence[float]) -> dict[str, Any]:
        query = example.query
        row: dict[str, Any] = {"query": self._written(ModelInput(query.text, query.images, query.video), asks=True)}
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

    def _written(self, item: ModelInput, *, asks: bool = False) -> str | dict[str, Any]:
        """As short as it can be read back: a text, an image's name, or a mapping of parts. `asks`: a query."""
        images = [self._image(image) for image in item.images]
        alone = item.instruction is None and item.video is None
        named = not asks and self.among_images and item.text is not None and reads_as_name(item.text)
        if alone and item.text is not None and not images and not named and self._references.means_words(item.text):
            return item.text
        if alone and item.text is None and len(images) == 1:
            return images[0]
        video = None if item.video is None else self._video(item.video)
        parts = {"text": item.text, "images": images or None, "video": video, "instruction": item.instruction}
        return {name: value for name, value in parts.items() if value is not None}

    def _video(self, reference: Any) -> str | list[str]:
        """The name of a video file here, or those of its frames."""
        if isinstance(reference, (list, tuple)):
            return [self._image(frame) for frame in reference]
        if isinstance(reference, str) and reference.startswith(URL_SCHEMES):
            return reference
        path = Path(reference)
        return self._linked(path, lambda: f"{VIDEOS_FOLDER}/{_hexadecimal(video_key(path))}{path.suffix.lower()}")

    def _image(self, reference: Any) -> str:
        if isinstance(reference, str) and reference.startswith(URL_SCHEMES):
            return reference
        if isinstance(reference, os.PathLike) or (isinstance(reference, str) and reference[:5] != "data:"):
            path = Path(reference)
            return self._linked(path, lambda: f"{_image_name(path)}{_suffix(path, b'')}")
        encoded = b"" if isinstance(reference, Image.Image) else read_encoded(reference)
        name = f"{_image_name(reference)}{_suffix(reference, encoded)}"
        if isinstance(reference, Image.Image):
            return self._placed(name, lambda temporary: reference.save(temporary, format="PNG"))
        return self._placed(name, lambda temporary: temporary.write_bytes(encoded))

    def _linked(self, path: Path, name: Callable[[], str]) -> str:
        """The name here of a file, which is looked at once."""
        file_name = self._named.get(str(path))
        if file_name is None:
            file_name = self._named[str(path)] = name()
            self._written_names.add(file_name)
            if not (self.folder / file_name).is_file():
                _link(path, self.folder / file_name)
        return file_name

    def _placed(self, name: str, write: Callable[[Path], Any]) -> str:
        self._written_names.add(name)
        if not (self.folder / name).is_file():
            replace_whole(self.folder / name, write)
        return name


def _image_name(reference: Any) -> str:
    return f"{IMAGES_FOLDER}/{_hexadecimal(image_key(reference))}"


def _hexadecimal(key: int) -> str:
    return f"{key % 2**64:016x}"


def _suffix(reference: Any, encoded: bytes) -> str:
    if isinstance(reference, Image.Image):
        return ".png"
    suffix = Path(reference).suffix.lower() if not encoded else ""
    if suffix in IMAGE_EXTENSIONS:
        return suffix
    try:
        with Image.open(io.BytesIO(encoded) if encoded else reference, formats=FORMATS) as image:
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
    """A hard link, which is there or not and needs no other name first; a copy on another disk, or on a file system
    without links."""
    try:
        make_folder(target.parent)
        os.link(os.path.realpath(source), target)
        sync(target.parent)
    except FileExistsError:  # another process was faster, with the same content
        return
    except OSError:
        replace_whole(target, lambda temporary: shutil.copyfile(source, temporary))
