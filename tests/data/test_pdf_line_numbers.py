"""Numbers in the margin that count the lines of running text are not read; those of items, rows and code are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.data.drawn_pages import at, page_of

pytest.importorskip("pypdfium2")

TEXT = (
    "The pump of the town was built in 1904 and is driven",
    "by a wheel. It lifts the water of the river to a basin on",
    "the hill. From there the pipes lead it to every house.",
    "Each year the basin is emptied. The keeper then looks",
    "at its walls and fills the cracks with lime. This takes",
    "two days, in which the houses have no water at all.",
    "In winter the wheel may freeze. A second pump, which",
    "a small engine drives, is then put to use until the ice",
    "has gone. It burns about four litres of oil in an hour",
    "and is so loud that nobody sleeps near it for long.",
)
LEFT, RIGHT, INDENT, TOP, LEADING = 40, 540, 72, 700, 14


def lines(texts: Sequence[str], x: float = INDENT) -> str:
    return "".join(at(x, text, TOP - LEADING * row) for row, text in enumerate(texts))


def numbers(count: int, x: float, *, first: int = 1, step: int = 1) -> str:
    """Numbers beside the lines, their digits (5.56 points wide) aligned on the right."""
    counted = [(row, first + row) for row in range(count) if (first + row) % step == 0]
    return "".join(at(x - 5.56 * len(str(number)), str(number), TOP - LEADING * row) for row, number in counted)


def interleaved(texts: Sequence[str], x: float, *, first: int = 1) -> str:
    """Lines, each drawn after the number beside it."""
    return "".join(
        at(x - 5.56 * len(str(first + row)), str(first + row), TOP - LEADING * row)
        + at(INDENT, text, TOP - LEADING * row)
        for row, text in enumerate(texts)
    )


@pytest.mark.parametrize("x", [LEFT, RIGHT])
@pytest.mark.parametrize("first", [1, 96, 516])
def test_numbers_that_count_lines_are_not_read(tmp_path: Path, x: float, first: int) -> None:
    assert read(tmp_path, interleaved(TEXT, x, first=first)) == [*TEXT]


@pytest.mark.parametrize("x", [LEFT, RIGHT])
def test_numbers_that_are_drawn_after_the_text(tmp_path: Path, x: float) -> None:
    assert read(tmp_path, lines(TEXT) + numbers(len(TEXT), x, first=11)) == [*TEXT]


@pytest.mark.parametrize("x", [LEFT, RIGHT])
def test_every_fifth_line_may_be_numbered(tmp_path: Path, x: float) -> None:
    texts = [*TEXT, *TEXT]
    assert read(tmp_path, lines(texts) + numbers(len(texts), x, step=5)) == texts


@pytest.mark.parametrize("x", [LEFT, RIGHT])
@pytest.mark.parametrize("first", [1, 11])  # PDFium reads one digit at the right end as a line
def test_a_word_that_a_number_divides_is_whole(tmp_path: Path, x: float, first: int) -> None:
    texts = [
        *TEXT[:4],
        "at its walls and fills the cracks with rub-",
        "ber. In winter the wheel may freeze.",
        *TEXT[7:],
    ]
    whole = "at its walls and fills the cracks with rubber. In winter the wheel may freeze."
    assert read(tmp_path, interleaved(texts, x, first=first)) == [*TEXT[:4], whole, *TEXT[7:]]


def test_the_head_of_a_page_may_reach_over_the_margin(tmp_path: Path) -> None:
    head = at(30, "A head over the whole page", TOP + 30)
    assert read(tmp_path, head + interleaved(TEXT, LEFT)) == ["A head over the whole page", *TEXT]


STEPS = [
    "Open the valve of the pump",
    "Fill the basin with water",
    "Start the engine with care",
    "Close the valve again",
]
ROWS = [f"{name} of iron 20 30 40 50 60 70 80 90 100 120 140" for name in ("pump", "valve", "wheel", "pipe", "gate")]
CODE = [
    "for each pump in the list_of_pumps:",
    "open the valve of the pump()",
    "wait for the x = 2 hours",
    "stop if it is_old",
]


@pytest.mark.parametrize("texts", [STEPS * 2, ROWS, CODE * 2], ids=["steps", "rows", "code"])
def test_numbers_of_steps_rows_and_code_stay(tmp_path: Path, texts: list[str]) -> None:
    numbered = [f"{number} {text}" for number, text in enumerate(texts, 1)]
    assert read(tmp_path, interleaved(texts, LEFT)) == numbered


def test_numbers_of_paragraphs_stay(tmp_path: Path) -> None:
    """Each has two lines, of which the number is beside the first."""
    drawn = "".join(at(LEFT - 5.56, str(1 + row // 2), TOP - LEADING * row) for row in range(0, len(TEXT), 2))
    assert "3" in read(tmp_path, lines(TEXT) + drawn)


def test_numbers_that_count_by_five_beside_each_line_stay(tmp_path: Path) -> None:
    drawn = "".join(
        at(LEFT - 11.12, str(15 + 5 * row), TOP - LEADING * row) + at(INDENT, text, TOP - LEADING * row)
        for row, text in enumerate(TEXT)
    )
    assert read(tmp_path, drawn) == [f"{15 + 5 * row} {text}" for row, text in enumerate(TEXT)]


def test_numbers_between_the_lines_stay(tmp_path: Path) -> None:
    """As on the axis of a figure."""
    axis = "".join(at(LEFT, str(11 + row), TOP - 7 - LEADING * row) for row in range(len(TEXT)))
    assert read(tmp_path, lines(TEXT) + axis) == [*TEXT, *(str(11 + row) for row in range(len(TEXT)))]


def test_a_line_may_be_too_long(tmp_path: Path) -> None:
    """It ends right before its number."""
    texts = [*TEXT, *TEXT]
    texts[7] = 16 * "pump " + "at"
    assert read(tmp_path, interleaved(texts, RIGHT, first=11)) == texts


def test_numbers_among_the_text_stay(tmp_path: Path) -> None:
    """Items whose numbers begin where the lines of other paragraphs do."""
    around = "".join(at(LEFT - 6, "Another paragraph of the page", TOP + 20 * row) for row in (1, 2, -9, -10))
    read_lines = read(tmp_path, around + interleaved(TEXT, LEFT))
    assert [f"{number} {text}" for number, text in enumerate(TEXT, 1)] == read_lines[4:]


@pytest.mark.parametrize("count", [4, 5])
def test_a_few_numbers_count_nothing(tmp_path: Path, count: int) -> None:
    texts = TEXT[:count]
    numbered = [f"{number} {text}" for number, text in enumerate(texts, 1)]
    assert read(tmp_path, interleaved(texts, LEFT)) == (numbered if count < 5 else [*texts])


def test_years_at_the_ends_of_lines_are_no_column(tmp_path: Path) -> None:
    texts = [f"{text} {1900 + row}" for row, text in enumerate(TEXT)]
    assert read(tmp_path, lines(texts)) == texts


def read(folder: Path, content: str) -> list[str]:
    return page_of(folder / "page.pdf", {letter: letter for letter in map(chr, range(32, 127))}, content)
