"""The pages and pictures that rows name or hold, as texts, for models that read no images: by the text layer of a PDF
file, or by OCR."""

from __future__ import annotations

import contextlib
import copy
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, overload

from PIL import Image

from smart_train.data.formats.ocr import Picture
from smart_train.data.formats.ocr_engine import OcrMode, chosen_engine
from smart_train.data.formats.pdfs_as_texts import PdfText, read_pdf_texts
from smart_train.data.formats.scan_texts import for_ocr, read_pictures, to_do
from smart_train.data.references import ADDRESS, PAGE_NAME, UNREADABLE, References, bare, ends_in, numbered
from smart_train.errors import DataError, Notice
from smart_train.inputs.encoded import encoded_image
from smart_train.inputs.extensions import IMAGE_EXTENSIONS
from smart_train.inputs.images import describe_image, image_key, verify_image


class SilentPage(DataError):
    """A page or picture on which nothing legible is printed; others may have a text."""


class PageTexts:
    """Gives the text of pages and pictures, where pages are read as text.

    Args:
        references: finds what a text names.
        pages_as: "image" gives no text of anything.
        ocr: which pages OCR reads, as of `SourceConfig`; pictures are pages, too, where it reads.
    """

    def __init__(
        self,
        references: References,
        *,
        pages_as: Literal["image", "text"] = "image",
        ocr: OcrMode | None = None,
    ) -> None:
        self.references, self.pages_as = references, pages_as
        self.ocr: OcrMode = ocr or "auto"
        self._texts: dict[Path, list[PdfText]] = {}
        self._scans: dict[Path, dict[str, Path]] = {}
        self._noted: list[Picture] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_texts": {}, "_scans": {}}

    @property
    def of_pictures(self) -> bool:
        """Whether OCR reads: pictures have a text."""
        return self.pages_as == "text" and chosen_engine(self.ocr) is not None

    def of(self, value: Any, where: str) -> str | None:
        """The text of the page or picture that `value` is: a name of a page of a PDF file or of a picture, or a
        picture itself (encoded bytes, base64, a data URI, a PIL image, the path of a file). None where it is neither,
        where it is a picture and OCR does not read, and where pages are not read as text.

        Raises:
            DataError: a path outside the root, a file that cannot be read, or a page that it does not have.
            SilentPage: a page or picture without text.
        """
        if self.pages_as != "text":
            return None
        page = self._pdf_page(value, where) if isinstance(value, str) else None
        picture = self._picture(value, where) if page is None else self._scans_of(page[0]).get(page[1].id)
        if picture is not None:
            return self._read(picture, describe_image(value if isinstance(picture, Path) else picture), where)
        if page is None or page[1].made_by is not None:
            return None if page is None else page[1].text
        raise SilentPage(f"{where}: {page[0]}, page {page[1].number} has no legible text; {to_do(self.ocr)}")

    def noting(self) -> tuple[PageTexts, list[Picture]]:
        """One that reads no picture, and gives all of them the text "": it notes them in the list."""
        other = copy.copy(self)
        noted: list[Picture] = []
        other._noted, other._texts, other._scans = noted, self._texts, self._scans  # no file is read again for a cell
        return other, noted

    def read_ahead(self, pictures_of: Callable[[int], Sequence[Picture]], count: int) -> None:
        """Lets OCR read all pictures of `count` cells, several at the same time. What is wrong with one is told by
        `of`, to the row that holds it.

        Args:
            pictures_of: place of a cell -> its pictures. Called anew when they are read: all of them together may be
                far larger than the memory.
        """
        files, keys, places = set[Path](), set[int](), list[Path | tuple[int, int]]()
        for place in range(count):
            for number, picture in enumerate(pictures_of(place)):
                with contextlib.suppress(DataError):
                    if isinstance(picture, Path):
                        if picture not in files:
                            verify_image(picture)
                            places.append(picture)
                        files.add(picture)
                    elif (key := image_key(picture)) not in keys:
                        verify_image(picture)
                        places.append((place, number))
                        keys.add(key)
        if places:
            read_pictures(_Pictures(places, pictures_of), self.ocr)
            said = f"{len(places)} pages that rows name or hold are read by OCR (ocr {self.ocr})"
            warnings.warn(said, Notice, stacklevel=2)

    def _read(self, picture: Picture, called: str, where: str) -> str:
        if self._noted is not None:
            self._noted.append(picture)
            return ""
        try:
            (scan,) = read_pictures([picture], self.ocr, workers=1)
        except DataError as error:
            raise DataError(f"{where}: {error}; {UNREADABLE}") from error
        if not scan.text:
            raise SilentPage(f"{where}: {called} has no legible text; {to_do(self.ocr)}")
        return scan.text

    def _pdf_page(self, text: str, where: str) -> tuple[Path, PdfText] | None:
        """File and page that `text` names, where it names one of a PDF file."""
        page = PAGE_NAME.fullmatch(bare(text))
        if page is None or not page["file"].lower().endswith(".pdf"):
            return None
        file, number = self.references.below_root(page["file"], where), int(page["number"])
        if file not in self._texts:
            try:
                self._texts[file] = read_pdf_texts(file)
            except DataError as error:
                raise DataError(f"{where}: {error}; {UNREADABLE}") from error
        return file, numbered(self._texts[file], file, number, where)

    def _scans_of(self, file: Path) -> dict[str, Path]:
        """Page id -> picture of the pages of a PDF file that OCR is to read."""
        if file not in self._scans:
            self._scans[file] = for_ocr(self._texts[file], file, self.ocr)
        return self._scans[file]

    def _picture(self, value: Any, where: str) -> Picture | None:
        """The picture that `value` is or names, where OCR reads. None of a name of one that is not there: it is missed
        as an image; and of an address, which stays an image."""
        if not self.of_pictures:
            return None
        if not isinstance(value, str):
            return value if isinstance(value, (bytes, Path, Image.Image)) else None
        name = bare(value)
        if ADDRESS.fullmatch(name):
            return None
        page = PAGE_NAME.fullmatch(name)
        if page is None and not ends_in(name, IMAGE_EXTENSIONS):
            try:  # the first is what it has made of base64
                return name if name.startswith("data:image;") else encoded_image(name)
            except DataError as error:
                raise DataError(f"{where}: {error}") from error
        file = self.references.below_root(page["file"] if page else name, where)
        if not os.path.isfile(file):  # of a text longer than a name may be, too, for which Path.is_file raises
            return None
        return file if page is None else self.references.page_image(file, int(page["number"]), where)


class _Pictures(Sequence[Picture]):
    """Pictures of rows, each fetched when it is read. Arguments as of `PageTexts.read_ahead`."""

    def __init__(
        self, places: Sequence[Path | tuple[int, int]], pictures_of: Callable[[int], Sequence[Picture]]
    ) -> None:
        self.places, self.pictures_of = places, pictures_of

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Picture]: ...
    def __getitem__(self, index: int | slice) -> Picture | Sequence[Picture]:
        if isinstance(index, slice):
            return _Pictures(self.places[index], self.pictures_of)
        place = self.places[index]
        return place if isinstance(place, Path) else self.pictures_of(place[0])[place[1]]
