"""A sheet that is printed on its side is read from its first line on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pdf_files import make_pdf

pdfium = pytest.importorskip("pypdfium2")

from smart_train.data.formats.pdf_text_layer import TextLine, read_text_lines  # noqa: E402

LINES = ["The first line of it.", (14, "The second line."), "And the third one."]
_DOWN, _UP = b"0 -1 1 0 0 612 cm ", b"0 1 -1 0 792 0 cm "


def read(path: Path, before: bytes = b"", box: bytes = b"[0 0 612 792]") -> list[TextLine]:
    make_pdf(path, [LINES], [])
    content = path.read_bytes().replace(b"[0 0 612 792]", box).replace(b"BT 40", before + b"BT 40")
    path.write_bytes(content)
    with pdfium.PdfDocument(path) as pdf:
        return read_text_lines(pdf, 0, layers=False)


@pytest.mark.parametrize("box", [b"[0 0 792 612]", b"[0 0 792 612]/Rotate 270"], ids=["on its side", "turned back"])
def test_text_that_runs_down_is_read_as_upright_text(box: bytes, tmp_path: Path) -> None:
    upright = read(tmp_path / "upright.pdf")
    assert [line.text for line in upright] == ["The first line of it.", "The second line.", "And the third one."]
    turned = read(tmp_path / "turned.pdf", _DOWN, box)
    assert [(line.text, line.size) for line in turned] == [(line.text, line.size) for line in upright]
    for line, other in zip(turned, upright, strict=True):
        assert (line.left, line.right, line.base) == pytest.approx((other.left, other.right, other.base), abs=0.01)


def test_a_page_whose_box_does_not_begin_at_0_is_turned_within_it(tmp_path: Path) -> None:
    (first, *_) = read(tmp_path / "upright.pdf")
    (moved, *_) = read(tmp_path / "moved.pdf", b"1 0 0 1 100 50 cm " + _DOWN, b"[100 50 892 662]")
    assert (moved.text, moved.left, moved.base) == (first.text, pytest.approx(first.left), pytest.approx(first.base))


def test_text_that_runs_up_is_read_in_its_order(tmp_path: Path) -> None:
    texts = [line.text for line in read(tmp_path / "up.pdf", _UP, b"[0 0 792 612]")]
    assert texts == ["The first line of it.", "The second line.", "And the third one."]


def test_a_few_words_that_run_down_beside_upright_text_turn_nothing(tmp_path: Path) -> None:
    upright = [line.text for line in read(tmp_path / "upright.pdf")]
    label = b"BT /F1 10 Tf 0 -1 1 0 500 500 Tm (an axis) Tj ET "
    texts = [line.text for line in read(tmp_path / "labelled.pdf", label)]
    assert sorted(texts) == sorted([*upright, "an axis"]) and [text for text in texts if text in upright] == upright
