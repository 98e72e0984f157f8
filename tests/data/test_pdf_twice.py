"""Letters that are drawn twice, a little apart, are read once; words with double letters stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.drawn_pages import at, page_of

pytest.importorskip("pypdfium2")

NAMED = {letter: letter for letter in map(chr, range(32, 127))}
# At 10 points; of the others 5.56.
WIDTHS = {
    "i": 2.22,
    "l": 2.22,
    "f": 2.78,
    "t": 2.78,
    " ": 2.78,
    "r": 3.33,
    "c": 5,
    "s": 5,
    "k": 5,
    "x": 5,
    "z": 5,
    "m": 8.33,
}


def letters(text: str, *, copies: tuple[float, ...] = (0,), x: float = 40, y: float = 700) -> str:
    """A text drawn letter by letter, each of them once for each copy, as far to the right and below."""
    drawn = ""
    for letter in text:
        drawn += "".join(at(x + apart, letter, y - apart) for apart in copies if letter != " ")
        x += WIDTHS.get(letter, 5.56)
    return drawn


@pytest.mark.parametrize("copies", [(0, 1.0), (0, 0.9)])
@pytest.mark.parametrize("text", ["nos exemples de paniers garnis", "kaffee et riz", "llama in aachen", "1100 kilos"])
def test_letters_that_are_drawn_again_are_read_once(tmp_path: Path, copies: tuple[float, ...], text: str) -> None:
    assert page_of(tmp_path / "a.pdf", NAMED, letters(text, copies=copies)) == [text]


@pytest.mark.parametrize("text", ["the committee of aachen", "bookkeeper", "1100 aabb", "banana in llama", "skiing"])
def test_double_letters_stay(tmp_path: Path, text: str) -> None:
    assert page_of(tmp_path / "a.pdf", NAMED, letters(text)) == [text]


def test_a_short_word_that_is_drawn_again_is_read_once(tmp_path: Path) -> None:
    drawn = "".join(at(x, word) + at(x + 1.3, word, 698.7) for x, word in ((40, "some"), (70, "of"), (82, "our")))
    assert page_of(tmp_path / "a.pdf", NAMED, drawn) == ["some of our"]


def test_the_letters_of_a_ligature_stay(tmp_path: Path) -> None:
    """A glyph that is named "ff" is two characters at one place."""
    named = {**NAMED, "@": "ff", "#": "oo"}
    assert page_of(tmp_path / "a.pdf", named, letters("co@ee in bbb#@s")) == ["coffee in bbbooffs"]


def test_a_letter_below_another_is_not_a_copy(tmp_path: Path) -> None:
    head = letters("nos paniers", copies=(0, 1), y=740)
    assert page_of(tmp_path / "a.pdf", NAMED, head + letters("en", y=720) + letters("en", y=708)) == [
        "nos paniers",
        "en",
        "en",
    ]


def in_pieces(*pieces: tuple[float, str], copies: int, apart: float = 0.5) -> str:
    """A line whose pieces are drawn one after the other, and then all of them again."""
    return "".join(at(x + copy * apart, text) for copy in range(copies) for x, text in pieces)


@pytest.mark.parametrize("copies", [2, 4])
def test_a_line_that_is_drawn_again_in_pieces_is_read_once(tmp_path: Path, copies: int) -> None:
    drawn = in_pieces((40, "SOIL"), (80, "conditions:"), (140, "High P, high K"), (260, "30 rows"), copies=copies)
    assert page_of(tmp_path / "a.pdf", NAMED, drawn) == ["SOIL conditions: High P, high K 30 rows"]


def test_a_word_that_comes_again_beside_itself_stays(tmp_path: Path) -> None:
    drawn = in_pieces((40, "soil soil and"), (110, "rows"), (140, "rows"), copies=1)
    assert page_of(tmp_path / "a.pdf", NAMED, drawn) == ["soil soil and rows rows"]


@pytest.mark.parametrize(
    ("first", "second", "read"),
    [
        ([(40, "better"), (72, "122"), (91.46, "921")], [(40.3, "better"), (72.3, "122,921")], "better 122,921"),
        ([(40, "better"), (72, "fin"), (88.12, "l")], [(40.3, "better"), (72.3, "final")], "better final"),
        ([(40, "better"), (72, "numbers"), (120, "are")], [(40.3, "better"), (72.3, "numbers."), (120.3, "are")],
         "better numbers are"),
    ],
)  # fmt: skip
def test_of_two_copies_the_one_that_says_more_is_read(
    tmp_path: Path, first: list[tuple[float, str]], second: list[tuple[float, str]], read: str
) -> None:
    drawn = "".join(at(x, text) for x, text in [*first, *second])
    assert page_of(tmp_path / "a.pdf", NAMED, drawn) == [read]
