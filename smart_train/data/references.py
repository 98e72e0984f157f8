"""What a row calls an image or video by: a path below the data root, a PDF file's page, a URL, a data URI, base64."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from smart_train.data.formats.pdf import read_pdf
from smart_train.errors import DataError
from smart_train.inputs.extensions import IMAGE_EXTENSIONS, VIDEO_EXTENSIONS
from smart_train.inputs.fetching import URL_SCHEMES, names_video
from smart_train.inputs.images import describe_image

# Pages and pictures that nothing here can read as an image; their names are no text to be searched either.
_NO_IMAGE = re.compile(r"[^\n]{1,250}\.(pdf|svg|eps|ps|heic|heif|avif|jp2|psd|djvu|docx?|pptx?|xlsx?)", re.IGNORECASE)
UNREADABLE = "put the right file there, or remove the row"  # what to do about an image or a video
_PDF_PAGE = re.compile(r"(?P<file>[^\n]+\.pdf)#page=(?P<number>\d+)", re.IGNORECASE)
# PNG, JPEG, WebP, GIF and TIFF begin so when written in base64; no sentence does.
_BASE64 = re.compile(r"(iVBORw0KGgo|/9j/|UklGR|R0lGOD|SUkqA|TU0AK)[A-Za-z0-9+/\s]{60,}={0,2}\s*")


class References:
    """Finds what a row's text names.

    Args:
        root: the folder that relative paths start from and may not leave.
        dpi: resolution of pages of PDF files.
        library: rows come through the `datasets` library, which keeps what it downloads in caches of its own and names
            it there by absolute paths.
    """

    def __init__(self, root: Path, dpi: int, *, library: bool = False) -> None:
        self.root, self.dpi, self.library = os.path.abspath(root), dpi, library
        self._pages: dict[Path, list[Path]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pages": {}}

    def locate(self, text: str, where: str, *, is_image: bool) -> str | Path | None:
        """The image that `text` names, as `load_image` takes it; None when it is text to be read.

        A string names an image when it looks like one. The file need not exist: a missing page is an error, and must
        not become a document that reads "page_7.png".

        Args:
            is_image: text that looks like nothing else is a path.

        Raises:
            DataError: a path outside the root, a page that its PDF file does not have, or a file that is not an image.
        """
        if text.startswith((*URL_SCHEMES, "data:image/")):
            return text
        page = _PDF_PAGE.fullmatch(text)
        if page is not None:
            return self._page(self._below_root(page["file"], where), int(page["number"]), where)
        if len(text) > 70 and _BASE64.fullmatch(text):
            return "data:image;base64," + "".join(text.split())
        self._check_kind(text, where)
        return self._below_root(text, where) if is_image or _ends_in(text, IMAGE_EXTENSIONS) else None

    def locate_video(self, text: str, where: str, *, is_video: bool) -> str | Path | None:
        """The video that `text` names, as `load_video` takes it; None when it is something else. By the rules of
        `locate`, `is_video` standing for `is_image`; an address is a video's when it ends like one.

        Raises:
            DataError: a path that leaves the root.
        """
        if text.startswith(URL_SCHEMES):
            return text if is_video or names_video(text) else None
        return self._below_root(text, where) if is_video or _ends_in(text, VIDEO_EXTENSIONS) else None

    def undecoded(self, path: str, where: str) -> Path:
        """The file that a cell {"bytes": None, "path": ...} names.

        Raises:
            DataError: a path that leaves the root.
        """
        return Path(path) if self.library and os.path.isabs(path) else self._below_root(path, where)

    @staticmethod
    def page_id(value: Any) -> str | None:
        """The document id of a page of a PDF file, the same that the folder of that file gives it."""
        if not isinstance(value, str) or not _PDF_PAGE.fullmatch(value):
            return None
        return Path(os.path.normpath(value)).as_posix()

    def _page(self, file: Path, number: int, where: str) -> Path:
        if file not in self._pages:
            try:
                self._pages[file] = [page.image for page in read_pdf(file, dpi=self.dpi)]
            except DataError as error:
                raise DataError(f"{where}: {error}; {UNREADABLE}") from error
        pages = self._pages[file]
        if not 1 <= number <= len(pages):
            raise DataError(f"{where}: {file} has pages 1 to {len(pages)}, not {number}")
        return pages[number - 1]

    def _check_kind(self, text: str, where: str) -> None:
        """Raises DataError for what names a file without being an image: one word, or a file that is there."""
        match = _NO_IMAGE.fullmatch(text)
        if match is None or (len(text.split()) > 1 and not os.path.isfile(os.path.join(self.root, text))):
            return
        name = describe_image(text)
        if match[1].lower() == "pdf":
            raise DataError(f"{where}: {name} names a whole PDF file; name a page of it: {name}#page=1")
        raise DataError(
            f"{where}: {name} is not an image type that can be read; convert it to one of {', '.join(IMAGE_EXTENSIONS)}"
        )

    def _below_root(self, reference: str, where: str) -> Path:
        """Links below the root may point anywhere, the path itself may not."""
        path = os.path.normpath(os.path.join(self.root, reference))
        if os.path.commonpath([self.root, path]) != self.root:
            raise DataError(
                f"{where}: path {describe_image(reference)} is outside {self.root}; set image_root to a folder that "
                "holds "
                "all images and videos"
            )
        return Path(path)


def _ends_in(text: str, extensions: tuple[str, ...]) -> bool:
    return "\n" not in text and len(text) < 1024 and text.lower().endswith(extensions)
