"""The text of one page of a PDF file, from wherever it comes: the file's text layer, or OCR of the drawn page."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smart_train.data.formats.pdf_text_layer import TextLine, read_text_lines

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

TEXT_LAYER = "text layer"
_LIGATURES = {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0xFB00, 0xFB07)}  # ff to st


@dataclass(frozen=True)
class PageText:
    """What can be read on a page.

    Args:
        lines: as they are seen, in reading order; none where nothing can be read (a scan, a figure, a blank page).
        made_by: who made the text: `TEXT_LAYER` where the file holds it, else the OCR engine; None where there is none.
    """

    lines: tuple[TextLine, ...]
    made_by: str | None

    @property
    def text(self) -> str:
        """The lines with one LF between them."""
        return "\n".join(line.text for line in self.lines)

    @property
    def spelt(self) -> str:
        """`text` with ligatures as the letters that they stand for: no tokenizer of a text model knows them."""
        return self.text.translate(_LIGATURES)


def read_page_text(pdf: PdfDocument, index: int, *, layers: bool, print_signs: bool = False) -> PageText:
    """The text layer of a page. The page must not be drawn afterwards, see `read_text_lines`.

    Args:
        index: of the page, from 0.
        layers: whether the file may have optional layers (`has_layers`).
        print_signs: whether the lines say what is `bold` and what stands `apart`.
    """
    lines = read_text_lines(pdf, index, layers=layers, print_signs=print_signs)
    return PageText(tuple(lines), TEXT_LAYER if lines else None)
