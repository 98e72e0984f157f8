"""The size and the boldness of a line's print, which tell headings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pdf_files import make_pdf

pdfium = pytest.importorskip("pypdfium2")

from smart_train.data.formats.pdf_text_layer import read_text_lines  # noqa: E402


def test_blanks_that_pdfium_puts_in_say_nothing_of_the_print(tmp_path: Path) -> None:
    """Their size is the font's without the scale of the text's matrix, and they are not bold."""
    letters = "abcdefgh"
    drawn = " ".join(f".75 0 0 .75 {40 + 20 * place} 700 Tm ({text}) Tj" for place, text in enumerate(letters))
    make_pdf(tmp_path / "a.pdf", [["x"]], [])
    content = (tmp_path / "a.pdf").read_bytes().replace(b"/BaseFont/Helvetica", b"/BaseFont/Helvetica-Bold")
    content = content.replace(b"BT 40", f"BT /F1 16 Tf {drawn} ET BT 40".encode())
    (tmp_path / "a.pdf").write_bytes(content)
    with pdfium.PdfDocument(tmp_path / "a.pdf") as pdf:
        lines = read_text_lines(pdf, 0, layers=False, print_signs=True)
    (line,) = (line for line in lines if line.text != "x")
    assert (line.text, line.size, line.bold) == ("a b c d e f g h", 12.0, True)
