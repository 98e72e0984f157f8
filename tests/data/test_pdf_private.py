"""A letter that a file names with a private character is one that nobody can name; a sign of another font is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.drawn_pages import at, page_of

pytest.importorskip("pypdfium2")

NAMED = {letter: letter for letter in map(chr, range(32, 127))}
PARTS = {**NAMED, "#": "\ue005", "@": "\ue006"}
BLANK = "<</BaseEncoding/WinAnsiEncoding/Differences[126/space]>>"
OTHER_FONT = "/F2 10 Tf "


@pytest.mark.parametrize(
    ("drawn", "read"),
    [
        ("the #@rst pump", "the \ufffd\ufffdrst pump"),
        ("a le# pump", "a le\ufffd pump"),
        ("con#@gure it", "con\ufffd\ufffdgure it"),
    ],
)
def test_a_part_of_a_word_is_a_letter_that_nobody_can_name(tmp_path: Path, drawn: str, read: str) -> None:
    assert page_of(tmp_path / "a.pdf", PARTS, at(40, drawn)) == [read]


@pytest.mark.parametrize(("drawn", "read"), [("# pump", "pump"), ("3 #@ 4", "3 4"), ("#3", "3")])
def test_a_sign_beside_no_letter_is_left_out(tmp_path: Path, drawn: str, read: str) -> None:
    assert page_of(tmp_path / "a.pdf", PARTS, at(40, drawn)) == [read]


def test_a_bullet_beside_a_letter_stays_one(tmp_path: Path) -> None:
    assert page_of(tmp_path / "a.pdf", {**NAMED, "#": "\uf0b7"}, at(40, "#pump")) == ["• pump"]


def test_a_private_blank_is_one(tmp_path: Path) -> None:
    assert page_of(tmp_path / "a.pdf", {**NAMED, "~": "\ue5e5"}, at(40, "~~pump"), encoding=BLANK) == ["pump"]


def test_a_sign_of_another_font_is_left_out(tmp_path: Path) -> None:
    assert page_of(tmp_path / "a.pdf", PARTS, at(40, "#") + OTHER_FONT + at(45.56, "pump")) == ["pump"]
