"""From what a cell of a row holds to a query or a document."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from smart_train.data.formats.ocr import Picture
from smart_train.data.misspelt_media import IMAGE_COLUMNS, MediaColumns, reads_as_name
from smart_train.data.printed_values import PrintedColumns
from smart_train.data.read_as_text import PageTexts
from smart_train.data.references import References
from smart_train.errors import DataError, shown
from smart_train.inputs.encoded import encoded_image
from smart_train.inputs.extensions import VIDEO_EXTENSIONS
from smart_train.inputs.model_input import as_model_input, images_of
from smart_train.inputs.text import check_characters
from smart_train.types import ModelInput


class CellReader:
    """Reads the cells of one source.

    Args:
        references: finds what a text names.
        texts: gives the texts of pages, where they are read as text.
        media: the columns with images or videos, where a text that looks like a name is not taken for a document; None
            takes every text for one.
        printed: the columns whose texts are printed values, and refused; None takes every text for one.
    """

    def __init__(
        self,
        references: References,
        texts: PageTexts,
        media: MediaColumns | None = None,
        printed: PrintedColumns | None = None,
    ) -> None:
        self.references, self.texts, self.media, self.printed = references, texts, media, printed

    def query(self, value: Any, where: str, column: str) -> ModelInput:
        """A query: text, whatever it looks like, or an image, a video or a mapping of these. None is an empty one.

        Args:
            where: source, row and column, for messages. column: the last of these by its name in the row.

        Raises:
            DataError: another type, or text that names a file that is there.
        """
        if value is None:
            return ModelInput(text="")
        if isinstance(value, str):
            check_characters(value, where)
            if self.references.names_file_there(value):
                raise DataError(
                    f'{where}: {value[:60]!r} names an image or a video; write {{"image": ...}} or {{"video": ...}} '
                    'to ask with it, {"text": ...} to ask with its name'
                )
            self._check_printed(value, where, column)
            return ModelInput(text=value)
        if not isinstance(value, (bytes, Path, Image.Image, Mapping)):
            raise DataError(
                f"{where}: {value!r} is {type(value).__name__}; a query must be text, or a mapping of text, image, "
                "video"
            )
        return self.document(value, where, "")

    def document(self, value: Any, where: str, column: str) -> ModelInput:
        """A document: path of an image or a video, page of a PDF file, URL, data URI, base64, bytes, PIL image,
        `datasets` image, text, or a mapping of these. A Path comes from a reader of ours, and is not a user's text.

        Raises:
            DataError: what cannot be a document.
        """
        if isinstance(value, (bytes, Path, Image.Image)):
            return self._as_text(as_model_input(value), where)
        if isinstance(value, str):
            page = self.texts.of(value, where)
            if page is not None:
                return ModelInput(text=page)
            video = self.references.locate_video(value, where, is_video=column == "video")
            if video is not None:
                return ModelInput(video=video)
            image = self.references.locate(value, where, is_image=column in IMAGE_COLUMNS)
            return self._words(value, where, column) if image is None else ModelInput(images=(image,))
        if isinstance(value, (list, tuple)) and len(value) == 1 and self._is_media(value[0]):
            return self.document(value[0], where, column)  # a column of lists of images, with one in this row
        if not isinstance(value, Mapping):
            raise DataError(f"{where}: {type(value).__name__} cannot be a document; {_expected(value)}")
        if value and value.keys() <= {"bytes", "path"}:
            content = self._decoded_later(value, where)
            item = ModelInput(images=(content,)) if isinstance(content, str) else as_model_input(content)
            return self._as_text(item, where)
        try:
            item = as_model_input(value)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
        item = self._as_text(item, where)
        images = tuple(self.image(image, where) for image in item.images)
        return ModelInput(item.text, images, self._video(item.video, where), item.instruction)

    def pictures(self, value: Any, column: str) -> list[Picture]:
        """The pictures in a document of a cell that OCR is to read; none of a cell that cannot be read."""
        texts, noted = self.texts.noting()
        with contextlib.suppress(DataError):
            CellReader(self.references, texts).document(value, "", column)
        return noted

    def _as_text(self, item: ModelInput, where: str) -> ModelInput:
        """An input with the text of its pages in their place, below words of its own, where they have one."""
        texts: list[str] = [item.text] if item.text else []
        images: list[Any] = []
        for image in item.images:
            text = self.texts.of(self.image(image, where) if isinstance(image, Mapping) else image, where)
            if text is None:
                images.append(image)
            else:
                texts.append(text)
        if len(images) == len(item.images):
            return item
        return ModelInput("\n".join(texts), tuple(images), item.video, item.instruction)

    def _is_media(self, value: Any) -> bool:
        return isinstance(value, (bytes, Mapping)) or (isinstance(value, str) and self.references.names_media(value))

    def _words(self, value: str, where: str, column: str) -> ModelInput:
        """A document of text.

        Raises:
            DataError: it looks like a name, and other values of the column are images or videos; or it is what Python
                prints of something else.
        """
        check_characters(value, where)
        self._check_printed(value, where, column)
        media = None if column == "text" else self.media  # a column called so holds texts
        if media is not None and value.strip() and reads_as_name(value) and column in media:
            raise DataError(
                f"{where}: {value[:60]!r} looks like a name, but not like that of an image or a video, which "
                f'{media.named(column)} holds in other rows; correct the name, or write {{"text": ...}} if these words '
                "are the document; if they are ids, name the file or folder with the documents: documents: PATH"
            )
        return ModelInput(text=value)

    def image(self, value: Any, where: str) -> Any:
        """An image inside a mapping."""
        if isinstance(value, Mapping):
            return self._decoded_later(value, where)
        return self.references.locate(value, where, is_image=True) if isinstance(value, str) else value

    def _video(self, value: Any, where: str) -> Any:
        """A video inside a mapping: a path, an address, or a list of frames, which are images."""
        if isinstance(value, (list, tuple)):
            return [self.image(frame, where) for frame in images_of(value)]
        if isinstance(value, Mapping):
            return self._decoded_later(value, where)
        return self.references.locate_video(value, where, is_video=True) if isinstance(value, str) else value

    def _decoded_later(self, value: Mapping[str, Any], where: str) -> bytes | Path | str:
        """What the `datasets` library gives for an image or a video that it was told not to decode, and what any file
        of rows may hold too."""
        content = value.get("bytes")
        if isinstance(content, bytes):
            if str(value.get("path")).lower().endswith(VIDEO_EXTENSIONS):
                raise DataError(f"{where}: holds a video as bytes, which is not read; write the name of its file")
            return content
        if content is not None:
            return self._bytes_as_text(content, where)
        path = value.get("path")
        if not path:
            raise DataError(f"{where}: an image or video with neither bytes nor path")
        if not isinstance(path, str):
            raise DataError(f"{where}: the path {shown(path)} is {type(path).__name__}; it must be text")
        return self.references.undecoded(path, where)

    def _check_printed(self, text: str, where: str, column: str) -> None:
        kind = None if self.printed is None else self.printed.kind(text, column)
        if kind is not None:
            raise DataError(
                f"{where}: {text[:60]!r} is {kind}, printed as text, as most texts of the column are; write what it "
                'was, an entry for each of several, or {"text": ...} if these words are meant'
            )

    @staticmethod
    def _bytes_as_text(content: Any, where: str) -> str:
        """The data URI of bytes that a file of text can only hold in base64."""
        try:
            data_uri = encoded_image(content) if isinstance(content, str) else None
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
        if data_uri is None:
            raise DataError(f"{where}: the bytes are {type(content).__name__}, and not an image in base64")
        return data_uri


def _expected(value: Any) -> str:
    """What to write in the place of a value that is not a document."""
    if isinstance(value, (list, tuple)):
        return "write a row for each answer, or {images: [...]} for one document of several images"
    if isinstance(value, int):
        return "if these are ids, name the file or folder with the documents: documents: PATH"
    return "expected an image path, URL, bytes, text, or a mapping of these"
