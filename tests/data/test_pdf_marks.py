"""Combining marks that a page draws by themselves are read behind their letter, without blanks that nobody sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.drawn_pages import ACUTE, CEDILLA, DIERESIS, at, page_of

pytest.importorskip("pypdfium2")

THAI = dict(zip("noueas", "ศกดและ", strict=True)) | {ACUTE: "\u0e34", DIERESIS: "\u0e4c"}
# Over u, which comes third: the pen goes back, and after the mark to where it was.
THIRD_WITH_MARK = f"[(nou) 445 ({ACUTE}) -112 (eas)] TJ "


def test_a_mark_over_a_mark_is_read_behind_it(tmp_path: Path) -> None:
    """LibreOffice and Pango draw the upper of two Thai marks by itself, a little higher."""
    content = f"1 0 0 1 40 700 Tm {THIRD_WITH_MARK}{at(52.2, DIERESIS, 702)}{at(75, 'n')}"
    (line,) = page_of(tmp_path / "a.pdf", THAI, content)
    assert line.startswith("ศกดิ์และ")


def test_a_mark_that_comes_letters_later_goes_to_its_letter(tmp_path: Path) -> None:
    assert page_of(tmp_path / "a.pdf", THAI, at(40, "noueas") + at(46.7, ACUTE)) == ["ศกิดและ"]


def test_points_of_hebrew_go_to_the_letters_they_are_below(tmp_path: Path) -> None:
    """Three letters, drawn from the left, and then the points of the first and the last."""
    named = {"n": "ל", "o": "כ", "u": "ם", CEDILLA: "\u05b8", DIERESIS: "\u05bc"}
    content = at(40, "nuo") + at(52.2, CEDILLA) + at(52.2, DIERESIS, 697) + at(41.1, CEDILLA)
    assert page_of(tmp_path / "a.pdf", named, content) == ["כָּםלָ"]


def test_a_syllable_that_is_spelt_out_and_drawn_in_parts_is_read_once(tmp_path: Path) -> None:
    """A letter and its mark, which the file spells together, with another letter between them on the paper."""
    named = {"n": "ស", "o": "ន", DIERESIS: "\u17cb"}
    parts = f"/Span <</ActualText <feff179f17cb>>> BDC {at(40, 'n')}{at(51.2, DIERESIS)}EMC "
    assert page_of(tmp_path / "a.pdf", named, parts + at(45.56, "o")) == ["ស់ន"]


@pytest.mark.parametrize(("room", "read"), [(0.1, "ཡོངས"), (3.0, "ཡོ ངས")])
def test_a_blank_after_a_mark_is_one_where_the_paper_shows_it(tmp_path: Path, room: float, read: str) -> None:
    """After the mark over a letter the pen is behind, and goes on to the next one."""
    named = {"n": "ཡ", "o": "ང", "s": "ས", ACUTE: "\u0f7c"}
    content = f"1 0 0 1 40 700 Tm [(n) 645 ({ACUTE})] TJ {at(45.56 + room, 'os')}"
    assert page_of(tmp_path / "a.pdf", named, content) == [read]


def test_what_a_mark_goes_on_with_is_not_another_line(tmp_path: Path) -> None:
    """A letter below the line, then the sign beside both, back on the line: Burmese "က္ခာ"."""
    named = {"n": "က", CEDILLA: "\u1039ခ", "u": "\u102c", "o": "ပ"}
    content = at(40, "n") + at(41.1, CEDILLA, 697) + at(45.56, "uo")
    assert page_of(tmp_path / "a.pdf", named, content) == ["က္ခာပ"]


def test_a_mark_beside_its_letter_stays_there(tmp_path: Path) -> None:
    """Malayalam has some; a wide and high letter of the next line is below this one."""
    named = {"n": "ര", "i": "\u0d41", "W": "എ"}
    content = at(40, "n") + at(44.4, "in") + at(40, "Wn", 690)
    assert page_of(tmp_path / "a.pdf", named, content) == ["രുര", "എര"]


def test_khmer_is_spelt_with_the_letter_below_the_line_first(tmp_path: Path) -> None:
    named = {"n": "ក", DIERESIS: "\u17b8", CEDILLA: "\u17d2ដ"}
    content = f"1 0 0 1 40 700 Tm [(n) 445 ({DIERESIS}) 333 ({CEDILLA}) -112 (n)] TJ"
    assert page_of(tmp_path / "a.pdf", named, content) == ["ក្ដីក"]


def test_burmese_is_spelt_with_the_vowel_above_first(tmp_path: Path) -> None:
    """The dot and the vowel below the line are drawn before the vowel above it."""
    named = {"n": "တ", CEDILLA: "\u102f\u1037", ACUTE: "\u102d"}
    content = f"1 0 0 1 40 700 Tm [(n) 445 ({CEDILLA}) 333 ({ACUTE}) -112 (n)] TJ"
    assert page_of(tmp_path / "a.pdf", named, content) == ["တို့တ"]


def test_a_mark_goes_to_the_nearer_of_two_lines(tmp_path: Path) -> None:
    """The letter of the line above is as near from side to side."""
    named = {"n": "ล", "o": "ก", "u": "น", "W": "ฝ", ACUTE: "\u0e34"}
    content = at(40, "nou") + at(40, "nWu", 690) + at(46.7, ACUTE, 690)
    assert page_of(tmp_path / "a.pdf", named, content) == ["ลกน", "ลฝิน"]


def test_a_line_goes_on_after_marks_that_went_to_their_letters(tmp_path: Path) -> None:
    """fpdf2 draws each mark by itself, and goes back for the next letter."""
    named = {"n": "တ", "o": "င", ACUTE: "\u102d", CEDILLA: "\u102f", DIERESIS: "\u103a"}
    content = at(40, "n") + at(41.1, ACUTE, 702) + at(41.1, CEDILLA, 697) + at(45.56, "o")
    content += at(46.7, DIERESIS, 702) + at(51.1, "n")
    assert page_of(tmp_path / "a.pdf", named, content) == ["တိုင်တ"]


def test_a_raised_mark_that_is_named_with_its_syllable_is_not_read_again(tmp_path: Path) -> None:
    """typst spells the syllable out, and its raised mark stands for all of it."""
    named = {"n": "ท", "o": "ง", ACUTE: "ทั้", "u": "ห"}
    spelt = f"/Span <</ActualText <feff0e170e310e49>>> BDC {at(40, 'n')}EMC "
    assert page_of(tmp_path / "a.pdf", named, spelt + at(41.5, ACUTE, 701) + at(45.56, "ou")) == ["ทั้งห"]


@pytest.mark.parametrize(("second", "end", "read"), [("i", 46.6, "က္ခာပ"), ("n", 50, "က္ခာက္ခာပ")])
def test_a_syllable_of_several_glyphs_with_the_same_name_is_read_once(
    tmp_path: Path, second: str, end: float, read: str
) -> None:
    """Another glyph is its next part; the same one is the syllable again."""
    named = {"n": "က္ခာ", "i": "က္ခာ", "o": "ပ"}
    assert page_of(tmp_path / "a.pdf", named, at(40, "n") + at(44.4, second) + at(end, "o")) == [read]


@pytest.mark.parametrize(("room", "read"), [(0.1, "लेमें"), (1.8, "ले में")])
def test_a_blank_beside_a_spelt_syllable_is_read(tmp_path: Path, room: float, read: str) -> None:
    """PDFium drops one that is drawn by itself."""
    named = {"n": "ल", "o": "म", " ": " "}
    spelt = "/Span <</ActualText <feff{}>>> BDC {}EMC "
    content = spelt.format("09320947", at(40, "n")) + (at(45.56, " ") if room > 1 else "")
    content += spelt.format("092e09470902", at(45.56 + room, "o"))
    assert page_of(tmp_path / "a.pdf", named, content) == [read]
