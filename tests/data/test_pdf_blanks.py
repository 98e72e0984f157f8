"""Blanks that a page draws by themselves are read, however narrow they are; letters of spaced print stay one word."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.data.drawn_pages import at, page_of

pytest.importorskip("pypdfium2")

NAMED = {letter: letter for letter in map(chr, range(32, 127))}
WORDS = ("sono", "use", "on", "sea", "none")
WIDTHS = {"s": 5, "-": 3.33}  # of n, o, u, e and a 5.56


def words(room: float, *, texts: Sequence[str] = WORDS, blank: str = " ", above: float = 0.0) -> str:
    """Words drawn letter by letter, with a blank drawn after each that takes so much room."""
    drawn, x = "", 40.0
    for word in texts:
        for letter in word:
            drawn += at(x, letter)
            x += WIDTHS.get(letter, 5.56)
        drawn += at(x, blank, 700 + above) if blank else ""
        x += room
    return drawn


@pytest.mark.parametrize("room", [1.2, 1.5, 3.0])
def test_a_narrow_blank_is_read(tmp_path: Path, room: float) -> None:
    assert page_of(tmp_path / "a.pdf", NAMED, words(room)) == [" ".join(WORDS)]


def test_a_narrow_blank_before_a_divided_word_is_read(tmp_path: Path) -> None:
    drawn = words(1.2, texts=("sono", "use", "on", "none-")) + at(40, "on sea", 688)
    assert page_of(tmp_path / "a.pdf", NAMED, drawn) == ["sono use on noneon sea"]


@pytest.mark.parametrize(
    "drawn",
    [words(1.2, blank=""), words(0.5), words(1.2, above=3)],
    ids=["nothing is drawn", "no room", "on another line"],
)
def test_a_distance_alone_is_not_a_blank(tmp_path: Path, drawn: str) -> None:
    assert page_of(tmp_path / "a.pdf", NAMED, drawn) == ["".join(WORDS)]


def test_a_character_of_chinese_is_not_apart_from_the_next(tmp_path: Path) -> None:
    named = {**NAMED, "s": "水", "o": "泵", "n": "的", "e": "阀", "u": "门", "a": "开"}
    assert page_of(tmp_path / "a.pdf", named, words(1.2)) == ["水泵的泵门水阀泵的水阀开的泵的阀"]
