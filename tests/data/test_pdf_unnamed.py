"""Glyphs that a file does not name are left out of words whose other glyphs it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from smart_train.data.formats.page_text import read_page_text
from smart_train.data.formats.pdf import open_pdf
from tests.data.drawn_pages import at, page_of

pytest.importorskip("pypdfium2")


def read(path: Path, named: dict[int, str], glyphs: list[int]) -> list[str]:
    """The lines of a page that draws glyphs by number, 5 points each; `named`: what they stand for."""
    names = "".join(f"<{number:04x}><{text.encode('utf-16-be').hex()}>\n" for number, text in named.items())
    table = f"1 begincodespacerange <0000><ffff> endcodespacerange\n{len(named)} beginbfchar\n{names}endbfchar"
    content = f"BT /F1 10 Tf 40 700 Td <{''.join(f'{glyph:04x}' for glyph in glyphs)}> Tj ET"
    bodies = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Count 1/Kids[3 0 R]>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 7 0 R/Resources<</Font<</F1 4 0 R>>>>>>",
        "<</Type/Font/Subtype/Type0/BaseFont/F/Encoding/Identity-H/DescendantFonts[5 0 R]/ToUnicode 8 0 R>>",
        "<</Type/Font/Subtype/CIDFontType2/BaseFont/F/DW 500/FontDescriptor 6 0 R"
        "/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>>>",
        "<</Type/FontDescriptor/FontName/F/Flags 4/FontBBox[0 0 500 700]/Ascent 700/Descent 0/ItalicAngle 0/StemV 80>>",
        *(f"<</Length {len(stream)}>>stream\n{stream}\nendstream" for stream in (content, table)),
    ]
    body = "".join(f"{number} 0 obj\n{text}\nendobj\n" for number, text in enumerate(bodies, 1))
    path.write_bytes(f"%PDF-1.5\n{body}trailer<</Size {len(bodies) + 1}/Root 1 0 R>>\n%%EOF\n".encode("latin-1"))
    with open_pdf(path, path.read_bytes()) as pdf:
        return [line.text for line in read_page_text(pdf, 0, layers=False).lines]


def test_what_a_syllable_is_drawn_with_beside_the_glyph_that_names_it_is_left_out(tmp_path: Path) -> None:
    """fpdf2 names the first glyph of a syllable with all its letters; 37 is "%" as a character, 13 an end of a line."""
    named = {1: "অ", 2: "ধি", 3: "কা", 4: "র"}
    assert read(tmp_path / "a.pdf", named, [1, 2, 37, 3, 13, 4]) == ["অধিকার"]


def test_a_letter_without_a_name_is_one_that_nobody_can_read(tmp_path: Path) -> None:
    """MuPDF names no glyph of two joined letters, and nothing beside it has them."""
    named = {1: "अ", 2: "य", 3: "क"}
    assert read(tmp_path / "a.pdf", named, [1, 37, 2, 3]) == ["अ\ufffdयक"]


def test_a_letter_without_a_name_beside_one_of_two_is_not_passed_over(tmp_path: Path) -> None:
    """Browsers name "தி" and not "க்": on a page where both come, no glyph belongs to its neighbour."""
    named = {1: "தி", 2: "ர", 3: "ம", 4: " "}
    drawn = [2, 37, 3, 4, 1, 37, 2, 4, 3, 37, 2]
    assert read(tmp_path / "a.pdf", named, drawn) == ["ர\ufffdம தி\ufffdர ம\ufffdர"]


@pytest.mark.parametrize(("named", "text"), [({"n": "א", "o": "ב"}, "בא"), ({"n": "अ", "o": "य"}, "अ\ufffdय")])
def test_only_hebrew_and_arabic_do_without_a_low_sign(tmp_path: Path, named: dict[str, str], text: str) -> None:
    encoding = "<</Differences[37/g37 110/n/o]>>"
    assert page_of(tmp_path / "a.pdf", named, at(40, "n%o"), encoding=encoding) == [text]


def test_what_stands_beside_other_letters_stays(tmp_path: Path) -> None:
    named = {1: "a", 2: "b", 3: "ক", 4: " "}
    assert read(tmp_path / "a.pdf", named, [1, 37, 2, 4, 3]) == ["a%b ক"]


def test_where_nothing_is_named_nothing_is_left_out(tmp_path: Path) -> None:
    assert read(tmp_path / "a.pdf", {}, [0x995, 0x996, 65]) == ["কখA"]
