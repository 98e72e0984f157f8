"""Characters beyond 16 bits, which PDFium gives in two halves: signs of formulas, rare Han, scripts, pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.drawn_pages import at, page_of

pytest.importorskip("pypdfium2")

NAMED = {letter: letter for letter in map(chr, range(32, 127))}


@pytest.mark.parametrize("sign", ["\U0001d45d", "\U00020bb7", "\U00011103", "\U0001f334"])
@pytest.mark.parametrize(("drawn", "read"), [("x @ is", "x {} is"), ("@", "{}"), ("@@ and @n", "{0}{0} and {0}n")])
def test_a_character_is_read_whole(tmp_path: Path, sign: str, drawn: str, read: str) -> None:
    assert page_of(tmp_path / "a.pdf", {**NAMED, "@": sign}, at(40, drawn)) == [read.format(sign)]


def test_what_follows_it_stays_in_its_place(tmp_path: Path) -> None:
    """The accent is drawn over the letter behind: its index counts both halves."""
    named = {**NAMED, "@": "\U0001d45d"}
    drawn = at(40, "@ cafe") + at(67.7, "\xb4") + at(40, "next", 680)
    assert page_of(tmp_path / "a.pdf", {**named, "\xb4": "\xb4"}, drawn) == ["\U0001d45d café", "next"]


@pytest.mark.parametrize(
    ("drawn", "read"),
    [("an of@ce", "an of\ufffdce"), ("@rst valve@ and", "\ufffdrst valve\ufffd and"), ("x = @@ 3 @", "x = 3")],
)
def test_a_glyph_beside_a_letter_that_is_named_with_0_is_one_that_nobody_can_name(
    tmp_path: Path, drawn: str, read: str
) -> None:
    assert page_of(tmp_path / "a.pdf", {**NAMED, "@": "\x00"}, at(40, drawn)) == [read]


def test_beside_letters_of_another_font_it_is_a_blank(tmp_path: Path) -> None:
    """The dot of an item, a large bracket of a formula."""
    drawn = at(40, "@") + "/F2 10 Tf (In the of) Tj /F1 10 Tf (@) Tj /F2 10 Tf (In a) Tj "
    assert page_of(tmp_path / "a.pdf", {**NAMED, "@": "\x00"}, drawn) == ["In the of In a"]


def test_so_it_is_on_a_page_with_wide_characters(tmp_path: Path) -> None:
    named = {**NAMED, "@": "\x00", "#": "\U0001d45d"}
    assert page_of(tmp_path / "a.pdf", named, at(40, "@ # is 3 @ of@ce")) == ["\U0001d45d is 3 of\ufffdce"]


def test_a_hyphen_at_the_end_of_a_line_is_none_of_them(tmp_path: Path) -> None:
    drawn = at(40, "an of@ce with hyphen-") + at(40, "ated words", 688)
    assert page_of(tmp_path / "a.pdf", {**NAMED, "@": "\x00"}, drawn) == ["an of\ufffdce with hyphenated words"]


def test_a_glyph_without_ink_that_is_named_with_0_is_a_blank(tmp_path: Path) -> None:
    named = {letter: letter for letter in map(chr, range(33, 127))} | {" ": "\x00"}
    assert page_of(tmp_path / "a.pdf", named, at(40, "a closed pump")) == ["a closed pump"]
