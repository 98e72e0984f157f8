"""The text of scans for models that read no images: pages of PDF files without a legible text layer, and pictures, read
by OCR where that is wanted and installed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from smart_train.data.formats.ocr import OcrPage, Picture, read_by_ocr
from smart_train.data.formats.ocr_engine import INSTALL, READS, TO_READ, OcrEngine, OcrMode, chosen_engine
from smart_train.data.formats.pdf import DPI, read_pdf
from smart_train.data.formats.pdfs_as_texts import PdfText
from smart_train.errors import Notice

_OR_IMAGES = "or read pages as images, with a model that reads them"


def to_do(mode: OcrMode | None) -> str:
    """What to do about a page that has no text after all was read under `mode`, as the end of a sentence."""
    if mode == "off":
        return f"let OCR read them (ocr: auto in a recipe, --ocr auto), {_OR_IMAGES}"
    if chosen_engine(mode or "auto") is None:
        return f"{INSTALL} {TO_READ}, {_OR_IMAGES}"
    return f"OCR found nothing on them that it can read (it reads {READS}); {_OR_IMAGES.removeprefix('or ')}"


def for_ocr(pages: Sequence[PdfText], file: Path, mode: OcrMode | None) -> dict[str, Path]:
    """Page id -> picture of those of `pages`, all of one PDF file, that OCR is to read under `mode`: drawn now, at 144
    dpi, unless the cache holds them. Pages on which nothing is drawn are left out.

    Raises: as `read_pdf`; MissingExtra as `chosen_engine`.
    """
    if chosen_engine(mode or "auto") is None:
        return {}
    wanted = [page for page in pages if mode == "all" or page.made_by is None]
    if not wanted:
        return {}
    drawn = read_pdf(file, dpi=DPI)
    return {page.id: drawn[page.number - 1].image for page in wanted if not drawn[page.number - 1].blank}


def read_pictures(pictures: Sequence[Picture], mode: OcrMode | None, *, workers: int | None = None) -> list[OcrPage]:
    """What OCR reads on pictures of pages. A `Notice` estimates the time first, unless all is known.

    Raises: as `read_by_ocr`.
    """
    return read_by_ocr(pictures, engine=_engine(mode), workers=workers, say=_notice)


def with_ocr(pages: Sequence[PdfText], pictures: Mapping[str, Path], mode: OcrMode | None) -> list[PdfText]:
    """`pages`, those in `pictures` (id -> picture) with the text that OCR reads on them.

    Raises: as `read_by_ocr`.
    """
    if not pictures:
        return list(pages)
    name = _engine(mode).named()
    read = dict(zip(pictures, read_pictures([*pictures.values()], mode), strict=True))
    return [
        replace(page, text=scan.text, made_by=name if scan.text else None)
        if (scan := read.get(page.id)) is not None
        else page
        for page in pages
    ]


def told_by_ocr(pages: Sequence[PdfText], mode: OcrMode | None) -> str | None:
    """How many of `pages` have their text by OCR, and by which engine; None where none has."""
    engine = chosen_engine(mode or "auto")
    count = sum(engine is not None and page.made_by == engine.named() for page in pages)
    if engine is None or not count:
        return None
    return f"{count} of {len(pages)} pages were read by OCR ({engine.named()}, ocr {mode or 'auto'})"


def _engine(mode: OcrMode | None) -> type[OcrEngine]:
    engine = chosen_engine(mode or "auto")
    assert engine is not None, "without one there are no pictures to read"
    return engine


def _notice(text: str) -> None:
    warnings.warn(text, Notice, stacklevel=2)
