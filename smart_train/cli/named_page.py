"""What `smart-train explain --document` names: a page, as `smart-train search` prints it, a picture, or a text."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from smart_train.cli.rows import pages_of
from smart_train.data import read_pdf
from smart_train.data.formats.ocr import OcrPage
from smart_train.data.formats.ocr_engine import OcrMode, chosen_engine
from smart_train.data.formats.pdfs_as_texts import read_pdf_texts
from smart_train.data.formats.scan_texts import for_ocr, read_pictures, to_do
from smart_train.data.formats.tiff import read_image_pages
from smart_train.data.text_chunks import splitter
from smart_train.errors import DataError
from smart_train.inputs.extensions import IMAGE_EXTENSIONS
from smart_train.models.loading import family_of

_PAGE = re.compile(r"(?P<file>.+\.(?:pdf|tiff?))#page=(?P<number>\d+)(?:&chunk=(?P<chunk>\d+))?", re.IGNORECASE)
_PICTURE = re.compile(r"(?P<file>.+?)(?:#chunk=(?P<chunk>\d+))?")
_Page = TypeVar("_Page")


@dataclass(frozen=True)
class NamedPage:
    """What --document names.

    Attributes:
        value: the page, as `as_model_input` takes it.
        printed: of a text that OCR read: where its words are, and on which picture.
    """

    value: Any
    printed: tuple[OcrPage, Path] | None = None


def named_page(value: str, model: str, reading: Mapping[str, Any], ocr: OcrMode | None) -> NamedPage:
    """The page where `value` names one, as results of `smart-train search` do: its image, or its text, or the part of
    its text, where `model` reads no images; else `value`.

    Args:
        reading: of the group `READING`.

    Raises:
        DataError: a page or a chunk that is not there, a page without text, or an `ocr` that has no effect.
    """
    named = _named(value)
    as_text = named is not None and pages_of(model, reading, needed=ocr is not None) == "text"
    if ocr is not None and not as_text:
        raise DataError(
            f"--ocr {ocr}: is for pages that a model reads as text; --document is a text, or this model reads images: "
            "leave --ocr out"
        )
    if named is None:
        return NamedPage(value)
    chunk = named["chunk"]
    if chunk is not None and not as_text:
        raise DataError(
            f"--document {value}: only a model that reads no images has a page in chunks; leave out chunk={chunk}"
        )
    file, number = Path(named["file"]), int(named["number"]) if named.get("number") else None
    is_pdf = file.suffix.lower() == ".pdf"
    if not as_text or (not is_pdf and chosen_engine(ocr or "auto") is None):  # the model refuses an image by name
        return NamedPage(_image(file, number, value))
    if is_pdf:
        assert number is not None, "its pattern has one"
        text, picture = _of_pdf(file, number, value, ocr)
    else:
        text, picture = "", _image(file, number, value)
    printed = None
    if picture is not None:
        printed = read_pictures([picture], ocr)[0], picture
        text = printed[0].text
    if not text:
        raise DataError(f"--document {value}: this page has no legible text; {to_do(ocr)}")
    return NamedPage({"text": text if chunk is None else _chunk(text, int(chunk), value, model, reading)}, printed)


def _named(value: str) -> dict[str, str] | None:
    """File, number of the page and of the chunk, where `value` names a page of a file or a picture that is there."""
    match = _PAGE.fullmatch(value)
    if match is None:
        match = _PICTURE.fullmatch(value)
        if match is None or not match["file"].lower().endswith(IMAGE_EXTENSIONS) or not os.path.isfile(match["file"]):
            return None
    return match.groupdict()


def _image(file: Path, number: int | None, value: str) -> Path:
    """The picture of a page, which only a file of one page need not number."""
    is_pdf = file.suffix.lower() == ".pdf"
    pages = (
        [page.image for page in read_pdf(file)] if is_pdf else [page for _, page in read_image_pages(file, file.name)]
    )
    if number is None and len(pages) > 1:
        raise DataError(f"--document {value}: holds {len(pages)} pages, and explain shows one; write {file}#page=1")
    return _numbered(pages, number or 1, value)


def _of_pdf(file: Path, number: int, value: str, ocr: OcrMode | None) -> tuple[str, Path | None]:
    """A page's text, and its picture where OCR is to read that instead."""
    page = _numbered(read_pdf_texts(file), number, value)
    return page.text, for_ocr([page], file, ocr).get(page.id)


def _numbered(pages: Sequence[_Page], number: int, value: str) -> _Page:
    if not 1 <= number <= len(pages):
        raise DataError(f"--document {value}: the file has {len(pages)} pages, counted from 1")
    return pages[number - 1]


def _chunk(text: str, number: int, value: str, model: str, reading: Mapping[str, Any]) -> str:
    """The part of a page's text with this number, as `smart-train search` cuts it for the model."""
    parts = splitter(family_of(model, family=reading["family"], base=reading["base"]))(text)
    if not 1 <= number <= len(parts):
        raise DataError(f"--document {value}: for this model the page has {len(parts)} chunks, counted from 1")
    return parts[number - 1]
