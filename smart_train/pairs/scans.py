"""Pages that have no legible text layer, read by OCR; and what is said of those that stay unread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from smart_train.data.formats.ocr import OcrPage, read_by_ocr
from smart_train.data.formats.ocr_engine import INSTALL, READS, TO_READ, OcrEngine, OcrMode, chosen_engine
from smart_train.data.formats.ocr_layout import same_print
from smart_train.data.formats.page_text import PageText
from smart_train.data.formats.pdf import DPI, PdfPage, read_pdf
from smart_train.data.formats.pdf_text_layer import TextLine
from smart_train.pairs.documents import Document, why_silent

_POINTS_PER_INCH = 72
_BOX = 1.17  # of a print's size is the box around its lines high: measured on 13 printed pages
_TO_INSTALL = f"{INSTALL} to have it read here, "
_TO_ALLOW = "let OCR read it (ocr auto, --ocr auto), "


@dataclass
class Scans:
    """What OCR is to do for a folder of documents, and what it did.

    Attributes:
        engine: that reads; None where pages without a text layer stay unread.
        mode: as `PairSettings.ocr`.
        read: pages whose text comes from OCR. notes: a line for each file with pages that it could not read.
        unread_pages, unread_files: without a legible text layer, where rapidocr is not installed.
        as_text: pages are to be text, so that a vision model is not what to try next.
    """

    engine: type[OcrEngine] | None
    mode: OcrMode
    read: int = 0
    notes: list[str] = field(default_factory=list)
    unread_pages: int = 0
    unread_files: int = 0
    as_text: bool = False

    @classmethod
    def of(cls, mode: OcrMode, engine: type[OcrEngine] | None, *, text_needed: bool) -> Scans:
        """What `mode` amounts to. Where queries need no text, there is nothing to read.

        Args:
            engine: None takes rapidocr. "auto" does without where that is not installed.

        Raises:
            MissingExtra: "all", and rapidocr is not installed.
        """
        if mode == "off" or not text_needed:
            return cls(None, mode)
        return cls(chosen_engine(mode) if engine is None else engine, mode)

    @property
    def method(self) -> str | None:
        """What the text of pages that were read depends on; None where none was."""
        return self.engine.named() if self.engine is not None and self.read else None

    @property
    def unread(self) -> list[str]:
        """How much OCR would read if it were installed, and what to do: one line; none where it would read nothing."""
        if not self.unread_pages or self.mode == "off":
            return []
        return [
            f"{self.unread_pages} pages of {self.unread_files} files have no legible text layer: {INSTALL} {TO_READ}"
        ]

    @property
    def to_do(self) -> str:
        """What to do about pages that have no legible text after all was read, as the end of a sentence."""
        if self.engine is not None:
            return f"OCR found nothing on them that it can read (it reads {READS})"
        allow = "let OCR read them (ocr auto, --ocr auto)" if self.mode == "off" else f"{INSTALL} {TO_READ}"
        return f"{allow}, or keep pages as images (pages_as image, --as image)"

    def pages_of(self, document: Document) -> Sequence[int]:
        """Places, from 0, of the pages that OCR is to read, blank ones included."""
        return range(document.page_count) if self.mode == "all" else document.silent

    def read_pages(
        self,
        documents: Sequence[Document],
        drawn: Mapping[str, Sequence[PdfPage]],
        *,
        cache_dir: str | Path | None,
        say: Callable[[str], None] | None,
        show_progress_bar: bool | None,
    ) -> None:
        """Gives pages of `documents` the text that OCR reads on them, and sorts these documents' pages anew.

        Args:
            drawn: the pages of each document, by its key; those that are not drawn count as not blank.
        """
        wanted = {
            document.key: [
                number
                for number in self.pages_of(document)
                if document.key not in drawn or not drawn[document.key][number].blank
            ]
            for document in documents
        }
        if self.engine is None:
            self.unread_pages += sum(map(len, wanted.values()))
            self.unread_files += sum(map(bool, wanted.values()))
            return
        pictures = {
            document.key: _pictures(document, drawn[document.key], cache_dir)
            for document in documents
            if wanted[document.key]
        }
        asked = [(key, number) for key, numbers in wanted.items() for number in numbers]
        ocr_pages = read_by_ocr(
            [pictures[key][number].image for key, number in asked],
            engine=self.engine,
            say=say,
            show_progress_bar=show_progress_bar,
        )
        pages = dict(zip(asked, ocr_pages, strict=True))
        for document in documents:
            if document.key in pictures:
                of_document = {number: pages[document.key, number] for number in wanted[document.key]}
                self._give(document, self.engine.named(), of_document, pictures[document.key])

    def _give(self, document: Document, name: str, pages: Mapping[int, OcrPage], drawn: Sequence[PdfPage]) -> None:
        sizes = iter(
            same_print(
                [
                    line.height / _BOX * page.height * _POINTS_PER_INCH / drawn[number].dpi
                    for number, page in pages.items()
                    for line in page.lines
                ]
            )
        )
        for number, page in pages.items():
            across, up = (side * _POINTS_PER_INCH / drawn[number].dpi for side in (page.width, page.height))
            lines = tuple(
                TextLine(line.text, round(size, 1), line.box[0] * across, line.box[2] * across, (1 - line.box[3]) * up)
                for line, size in zip(page.lines, sizes)  # noqa: B905 - `sizes` are of all pages
                if line.text
            )
            if lines or self.mode == "all":  # the few letters of a figure's text layer are more than none
                document.texts[number] = PageText(lines, name if lines else None)
        document.sort_pages()
        if why_silent(document) is None:  # else it is left out, with its pages
            self.read += sum(bool(page.text) for page in pages.values())
        unknown = sum(page.illegible > len(page.lines) for page in pages.values())
        if unknown:
            self.notes.append(
                f"{document.key}: most lines of {unknown} pages are in letters that OCR does not know; it reads {READS}"
            )

    def why_silent(self, document: Document) -> str | None:
        """Why no query can be taken from a document after all was read; None where one can."""
        if self.engine is None:
            first = _TO_ALLOW if self.mode == "off" else _TO_INSTALL
            problem = why_silent(document, first, as_text=self.as_text)
            if problem is not None and not document.backwards:
                self.unread_pages += document.page_count
                self.unread_files += 1
            return problem
        if document.has_text:
            return why_silent(document, as_text=self.as_text)
        instead = "make pairs of its pages as images" if self.as_text else "let a vision model write the queries"
        return (
            f"{document.path}: no text layer on its {document.page_count} pages, and OCR found no words that it can "
            f"read on them (it reads {READS}); {instead} ({'without --as text' if self.as_text else '--endpoint'})"
        )


def _pictures(document: Document, drawn: Sequence[PdfPage], cache_dir: str | Path | None) -> Sequence[PdfPage]:
    """The pages, drawn large enough for OCR: small print is not found in smaller pictures."""
    if all(page.dpi >= DPI for page in drawn):
        return drawn
    return read_pdf(document.pdf, name=document.key, dpi=DPI, cache_dir=cache_dir)
