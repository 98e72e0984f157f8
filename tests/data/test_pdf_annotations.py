"""Text that is typed over a page in a viewer is read where it is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from smart_train.data.formats.page_text import read_page_text
from smart_train.data.formats.pdf import open_pdf

pytest.importorskip("pypdfium2")

HIDDEN, NO_VIEW, PRINT = 2, 32, 4  # flags of annotations


def read(path: Path, keys: str, *, content: str = "printed", y: int = 700) -> tuple[list[str], bool]:
    """The lines of a page with one annotation that draws "typed", and whether the annotation is seen. The size of the
    page is that of its parent.

    Args:
        y: where the page prints its content.
    """
    fonts = "/Resources<</Font<</F1 4 0 R>>>>"
    printed = f"BT /F1 10 Tf 40 {y} Td ({content}) Tj ET"
    typed = "BT /F1 10 Tf 5 5 Td (typed) Tj ET"
    bodies = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Count 1/Kids[3 0 R]/MediaBox[0 0 700 900]>>",
        f"<</Type/Page/Parent 2 0 R/Contents 5 0 R/Annots[7 0 R]{fonts}>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        f"<</Length {len(printed)}>>stream\n{printed}\nendstream",
        f"<</Type/XObject/Subtype/Form/BBox[0 0 100 20]{fonts}/Length {len(typed)}>>stream\n{typed}\nendstream",
        f"<</Type/Annot/Rect[40 600 140 620]/AP<</N 6 0 R>>{keys}>>",
    ]
    body = "".join(f"{number} 0 obj\n{text}\nendobj\n" for number, text in enumerate(bodies, 1))
    path.write_bytes(f"%PDF-1.5\n{body}trailer<</Size {len(bodies) + 1}/Root 1 0 R>>\n%%EOF\n".encode("latin-1"))
    with open_pdf(path, path.read_bytes()) as pdf:
        annotation = pdf[0].render(scale=1, grayscale=True).to_pil().crop((40, 280, 140, 300))
        return [line.text for line in read_page_text(pdf, 0, layers=False).lines], annotation.getextrema()[0] < 200


@pytest.mark.parametrize("kind", ["FreeText", "Stamp", "Square"])
@pytest.mark.parametrize("keys", ["", f"/F {PRINT}"])
def test_what_is_typed_is_read_in_a_file_without_a_form(tmp_path: Path, kind: str, keys: str) -> None:
    assert read(tmp_path / "a.pdf", f"/Subtype/{kind}{keys}") == (["printed", "typed"], True)


def test_a_page_with_nothing_else_has_its_text(tmp_path: Path) -> None:
    assert read(tmp_path / "a.pdf", "/Subtype/FreeText", content="") == (["typed"], True)


@pytest.mark.parametrize("keys", [f"/F {HIDDEN}", f"/F {NO_VIEW}", f"/F {NO_VIEW + PRINT}"])
def test_what_is_not_drawn_is_not_read(tmp_path: Path, keys: str) -> None:
    assert read(tmp_path / "a.pdf", f"/Subtype/FreeText{keys}") == (["printed"], False)


def test_the_page_keeps_the_size_that_its_parent_has(tmp_path: Path) -> None:
    """Above 792 points: the height of the paper that PDFium takes where a page names none itself."""
    assert read(tmp_path / "a.pdf", "/Subtype/FreeText", y=850) == (["printed", "typed"], True)
