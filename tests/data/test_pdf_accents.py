"""Accents that are drawn over letters as characters of their own are put on the letter that they are over."""

from __future__ import annotations

from pathlib import Path

import pytest

from smart_train.data.formats.page_text import read_page_text
from smart_train.data.formats.pdf import open_pdf
from smart_train.data.formats.pdf_accents import with_drawn_accents

Box = tuple[float, float, float, float]
HEIGHT, WIDTH = 5.0, 5.0  # of a letter, from its line on; an accent is 2 wide and 2 high


class Drawn:
    """A page as pdfium gives it: a character and its box after the other."""

    def __init__(self, drawn: list[tuple[str, Box]]) -> None:
        self.characters = "".join(character for character, _ in drawn)
        self.boxes = [box for _, box in drawn]

    def get_charbox(self, place: int) -> Box:
        return self.boxes[place]

    def read(self) -> str:
        made, gone = with_drawn_accents(self, self.characters)  # type: ignore[arg-type]
        return "".join(character for place, character in enumerate(made) if place not in gone)


def letter(character: str, at: float) -> tuple[str, Box]:
    return character, (at, 0.0, at + WIDTH, HEIGHT)


def accent(character: str, over: float, *, bottom: float = HEIGHT + 0.5) -> tuple[str, Box]:
    """Over the middle of the letter that begins at `over`."""
    return character, (over + 1.5, bottom, over + 3.5, bottom + 2)


BLANK = (" ", (0.0, 0.0, 0.0, 0.0))  # which pdfium puts in


def test_an_accent_after_other_letters_goes_to_the_letter_it_is_over() -> None:
    """ "kon ko ´ n": the accent is over the first n, and no blank is left in the second word."""
    page = Drawn(
        [letter("k", 0), letter("o", 5), letter("n", 10), BLANK, letter("k", 20), letter("o", 25), BLANK]
        + [accent("´", 10), BLANK, letter("n", 30)]
    )
    assert page.characters == "kon ko ´ n"
    assert page.read() == "koń kon"


def test_accents_above_and_below_and_two_in_a_row() -> None:
    assert Drawn([letter("e", 0), accent("ˇ", 0), letter("c", 5), accent("¸", 5, bottom=-2.2)]).read() == "ěç"
    assert Drawn([letter("a", 0), BLANK, accent("´", 0), accent("¨", 5), BLANK, letter("u", 5)]).read() == "áü"


@pytest.mark.parametrize(
    "drawn",
    [
        [letter("t", 0), accent("´", 4.5), letter("s", 8)],  # typed instead of an apostrophe, between letters
        [letter("n", 0), accent("´", 0, bottom=HEIGHT + 3)],  # of the line above
        [letter("k", 0), accent("¸", 0, bottom=2)],  # in the letter
        [letter("q", 0), accent("˛", 0, bottom=-2.2)],  # no such letter
        [letter("x", 0), ("^", (1.5, 5.5, 3.5, 7.5))],  # which code has, too
    ],
)
def test_what_is_not_on_a_letter_stays(drawn: list[tuple[str, Box]]) -> None:
    page = Drawn(drawn)
    assert page.read() == page.characters


def test_a_page_drawn_so_is_read_whole(tmp_path: Path) -> None:
    """Helvetica, 10 points: "zako" is 21.1 wide, n 5.6 and the acute 3.3; it is drawn between the parts of the word."""
    text = r"BT /F1 10 Tf 40 700 Td (zako) Tj 22.2 0 Td (\302) Tj -1.1 0 Td (nczenie pracy) Tj ET"
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Count 1/Kids[3 0 R]>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        f"<</Length {len(text)}>>stream\n{text}\nendstream",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/StandardEncoding>>",
    ]
    content = "%PDF-1.4\n" + "".join(f"{n} 0 obj\n{body}\nendobj\n" for n, body in enumerate(objects, 1))
    path = tmp_path / "a.pdf"
    path.write_bytes(f"{content}trailer<</Size 6/Root 1 0 R>>\n%%EOF\n".encode("latin-1"))
    with open_pdf(path, path.read_bytes()) as pdf:
        assert [line.text for line in read_page_text(pdf, 0, layers=False).lines] == ["zakończenie pracy"]
