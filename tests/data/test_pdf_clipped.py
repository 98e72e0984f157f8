"""Text that a clip path cuts away is not read; what is seen in part, and what OCR writes, is."""

from __future__ import annotations

from pathlib import Path

import pytest

from smart_train.data.formats.page_text import read_page_text
from smart_train.data.formats.pdf import open_pdf

pytest.importorskip("pypdfium2")

FORM = "q {} 0.5 0 0 0.5 100 100 cm /X Do Q"  # half as large, on the page from (100, 100) on


def at(x: float, y: float, text: str, mode: int = 0) -> str:
    return f"BT {mode} Tr /F1 10 Tf 1 0 0 1 {x} {y} Tm ({text}) Tj ET "


def read(path: Path, content: str, *, form: str = "", form_keys: str = "/BBox[0 0 612 792]") -> tuple[list[str], bool]:
    """The lines of a page, and whether anything is drawn on it."""
    fonts = "/Font<</F1 4 0 R>>"
    bodies = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Count 1/Kids[3 0 R]>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 5 0 R/Resources<<"
        + fonts
        + "/XObject<</X 6 0 R>>>>>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        f"<</Length {len(content)}>>stream\n{content}\nendstream",
        f"<</Type/XObject/Subtype/Form{form_keys}/Resources<<{fonts}>>/Length {len(form)}>>stream\n{form}\nendstream",
    ]
    body = "".join(f"{number} 0 obj\n{text}\nendobj\n" for number, text in enumerate(bodies, 1))
    path.write_bytes(f"%PDF-1.5\n{body}trailer<</Size {len(bodies) + 1}/Root 1 0 R>>\n%%EOF\n".encode("latin-1"))
    with open_pdf(path, path.read_bytes()) as pdf:
        darkest, _ = pdf[0].render(scale=1, grayscale=True).to_pil().getextrema()
        return [line.text for line in read_page_text(pdf, 0, layers=False).lines], darkest < 200


@pytest.mark.parametrize(
    ("clip", "lines"),
    [
        ("30 690 200 30 re", ["in the box"]),
        ("30 702 20 30 re", ["in the box"]),  # some letters of it, and only their upper halves
        ("30 690 200 30 re 30 90 200 30 re", ["in the box", "below"]),
        ("30 690 m 230 690 l 130 720 l h", ["in the box"]),
        ("300 400 50 50 re", []),
    ],
)
def test_only_what_is_away_from_the_clip_path_is_left_out(tmp_path: Path, clip: str, lines: list[str]) -> None:
    content = f"q {clip} W n {at(40, 700, 'in the box')}{at(40, 100, 'below')} Q"
    assert read(tmp_path / "a.pdf", content) == (lines, lines != [])


def test_two_clip_paths_show_what_both_have(tmp_path: Path) -> None:
    content = f"q 30 690 200 30 re W n 30 90 200 30 re W n {at(40, 700, 'nowhere')} Q {at(40, 400, 'seen')}"
    assert read(tmp_path / "a.pdf", content)[0] == ["seen"]


@pytest.mark.parametrize(
    ("clip", "inner", "keys"),
    [
        ("", "", "/BBox[0 600 612 792]"),
        ("", "", "/BBox[0 600 612 792]/Matrix[.5 0 0 .5 10 10]"),
        ("", "30 690 200 30 re W n", "/BBox[0 0 612 792]"),
        ("110 440 200 30 re W n", "", "/BBox[0 0 612 792]"),
        ("110 275 200 30 re W n", "", "/BBox[0 0 612 792]/Matrix[.5 0 0 .5 10 10]"),
    ],
)
def test_clip_paths_of_forms_are_where_the_form_is_drawn(tmp_path: Path, clip: str, inner: str, keys: str) -> None:
    form = f"{inner} {at(40, 700, 'seen')}{at(40, 100, 'cut')}"
    assert read(tmp_path / "a.pdf", FORM.format(clip), form=form, form_keys=keys) == (["seen"], True)


def test_what_ocr_wrote_stays(tmp_path: Path) -> None:
    content = f"q 300 400 50 50 re W n {at(40, 700, 'a scanned line', mode=3)} Q"
    assert read(tmp_path / "a.pdf", content)[0] == ["a scanned line"]


def test_what_runs_out_of_the_paper_is_not_glued_to_the_next_cell(tmp_path: Path) -> None:
    lines, _ = read(tmp_path / "a.pdf", "BT /F1 10 Tf 1 0 0 1 580 700 Tm [(192, 193 and more) 36000 (26406576)] TJ ET")
    assert lines == ["192, 19 26406576"]
