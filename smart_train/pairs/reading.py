"""The documents of a folder that can become pairs: read, drawn, and their scans read by OCR."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tqdm.auto import tqdm

from smart_train.data.formats.office import Office, office_program
from smart_train.data.formats.pdf import DPI, PdfError, PdfPage, read_pdf
from smart_train.errors import DataError, listing
from smart_train.pairs.documents import Document, read_documents
from smart_train.pairs.scans import Scans
from smart_train.pairs.settings import PairSettings
from smart_train.utils.counts import counted


def read_usable(
    folder: str | Path,
    settings: PairSettings,
    scans: Scans,
    *,
    text_needed: bool,
    cache_dir: str | Path | None,
    say: Callable[[str], None] | None,
    show_progress_bar: bool | None,
) -> tuple[list[Document], dict[str, list[PdfPage]], list[str]]:
    """The usable documents, the images of their pages (none where pages are text), and what is wrong with the others.

    Args:
        text_needed: a document without text cannot be used, and OCR may give it some.

    Raises:
        DataError: a file cannot be used and `settings.on_error` is "fail", or none can.
    """
    # Where OCR may give a document its text, whether it has any is known only after that.
    later = not text_needed or scans.engine is not None
    program = program_for(settings)
    with Office(program) if program else contextlib.nullcontext() as office:
        documents, problems = read_documents(
            folder,
            unusable=_nothing if later else scans.why_silent,
            office=office,
            show_progress_bar=show_progress_bar,
        )
    drawn, broken = _draw(documents, settings, scans, cache_dir, show_progress_bar)
    problems += broken.values()
    usable = [document for document in documents if document.key not in broken]
    if text_needed:
        scans.read_pages(usable, drawn, cache_dir=cache_dir, say=say, show_progress_bar=show_progress_bar)
    if scans.engine is not None:
        silent = {document.key: why for document in usable if (why := scans.why_silent(document))}
        problems += silent.values()
        usable = [document for document in usable if document.key not in silent]
    details = "\n".join([listing(problems), *scans.unread])
    if problems and settings.on_error == "fail":
        raise DataError(
            f"{folder}: {counted(len(problems), 'file')} cannot be used (on_error skip, --on-error skip on the command "
            f"line, leaves such files out):\n{details}"
        )
    if not usable:
        raise DataError(f"{folder}: none of its files can be used:\n{details}")
    images = {} if settings.pages_as == "text" else {document.key: drawn[document.key] for document in usable}
    return usable, images, problems


def program_for(settings: PairSettings) -> str | None:
    """The program that makes PDF files of other documents; None where these are not read."""
    return office_program() if settings.office == "auto" else None


def _nothing(document: Document) -> None:
    """What is wrong with a document whose text is not needed, or not read yet."""


def _draw(
    documents: Sequence[Document],
    settings: PairSettings,
    scans: Scans,
    cache_dir: str | Path | None,
    show_progress_bar: bool | None,
) -> tuple[dict[str, list[PdfPage]], dict[str, str]]:
    """The pages of each document, and what is wrong with those that cannot be drawn, both by the document's key. Where
    pages are text, only documents with pages for OCR are drawn, as large as OCR needs them."""
    dpi = settings.dpi
    if settings.pages_as == "text":
        dpi = DPI
        documents = [document for document in documents if scans.engine is not None and scans.pages_of(document)]
    drawn: dict[str, list[PdfPage]] = {}
    broken: dict[str, str] = {}
    hidden = None if show_progress_bar is None else not show_progress_bar
    for document in tqdm(documents, desc="drawing pages", leave=False, disable=hidden):
        try:
            drawn[document.key] = read_pdf(document.pdf, name=document.key, dpi=dpi, cache_dir=cache_dir)
        except PdfError as error:
            broken[document.key] = str(error)
    return drawn, broken


def undrawn(documents: Sequence[Document], drawn: Mapping[str, Sequence[PdfPage]]) -> list[str]:
    """A line for each document with pages that have text and are drawn blank."""
    lines = []
    for document in documents:
        blank = sum(drawn[document.key][page.number].blank for page in document.pages)
        if blank:
            lines.append(
                f"{document.key}: {blank} of {document.page_count} pages have text and are drawn blank, because their "
                "fonts are neither in the file nor on this machine; install the fonts, or train on text alone"
            )
    return lines
