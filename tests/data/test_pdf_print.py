"""The size and the boldness of a line's print, which tell headings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pdf_files import make_pdf

pdfium = pytest.importorskip("pypdfium2")

from smart_train.data.formats.pdf_text_layer import read_text_lines  # noqa: E402


@pytest.mark.parametrize(
    ("font", "stem", "bold"),
    [
        ("Menlo", 160, True),  # a stem of 160 is a weight of 780 for PDFium
        ("Menlo", 60, False),
        ("Menlo-Bold", 60, True),
        ("Menlo-Regular", 160, False),
        ("Poppins-Medium", 160, False),
        ("ABCDEF+SFRM1000", 160, False),
        ("SimSun", 333, False),  # a weight of 1472
    ],
)
def test_bold_print_is_told_by_the_name_and_by_a_weight_that_there_is(
    font: str, stem: int, bold: bool, tmp_path: Path
) -> None:
    make_pdf(tmp_path / "a.pdf", [["Pumps of the town"]], [])
    descriptor = f"/FontDescriptor<</Type/FontDescriptor/FontName/{font}/Flags 32/StemV {stem}>>"
    content = (tmp_path / "a.pdf").read_bytes()
    (tmp_path / "a.pdf").write_bytes(content.replace(b"/BaseFont/Helvetica", f"/BaseFont/{font}{descriptor}".encode()))
    with pdfium.PdfDocument(tmp_path / "a.pdf") as pdf:
        (line,) = read_text_lines(pdf, 0, layers=False, print_signs=True)
    assert line.bold == bold


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
