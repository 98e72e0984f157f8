"""Where the lines of a page stand, and what of them is in bold print."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.drawn_pages import at, lines_of

pytest.importorskip("pypdfium2")


def test_a_line_says_how_high_it_stands(tmp_path: Path) -> None:
    first, second = lines_of(tmp_path / "a.pdf", at(40, "Pumps are old", 700) + at(40, "Valves are new", 688.5))
    assert (first.base, first.end_base, second.base) == (700, 700, 688.5) and first.last is None
    assert first.left == first.end_left == pytest.approx(40, abs=1)
    assert 90 < first.right < 110


def test_a_raised_character_at_the_beginning_does_not_lift_its_line(tmp_path: Path) -> None:
    raised = "/F1 6 Tf " + at(40, "2", 704) + "/F1 10 Tf " + at(44, "Pumps are old and iron", 700)
    (line,) = lines_of(tmp_path / "a.pdf", raised)
    assert line.text.endswith("Pumps are old and iron") and line.base == 700


def test_a_divided_word_makes_one_line_of_two_printed_ones(tmp_path: Path) -> None:
    (line,) = lines_of(tmp_path / "a.pdf", at(60, "All the pumps of the nor-", 700) + at(40, "thern hall", 688))
    assert line.text == "All the pumps of the northern hall"
    assert (line.base, line.end_base) == (700, 688)
    assert line.left == pytest.approx(60, abs=1) and line.end_left == pytest.approx(40, abs=1)
    assert 80 < line.right < 100, "the end of its last printed line"


def test_bold_words_at_the_beginning_of_a_line_are_its_lead(tmp_path: Path) -> None:
    bold = "/F2 10 Tf " + at(40, "Oil filter", 700) + "/F1 10 Tf " + at(90, "Holds back what wears", 700)
    plain = at(40, "Pumps are filled with oil", 688)
    all_bold = "/F2 10 Tf " + at(40, "Valves of the hall", 676) + "/F1 10 Tf "
    last = at(40, "Lids close with", 664) + "/F2 10 Tf " + at(115, "great noise", 664)
    lines = lines_of(tmp_path / "a.pdf", bold + plain + all_bold + last)
    assert [(line.lead, line.bold) for line in lines] == [("Oil filter", False), ("", False), ("", True), ("", False)]


def test_a_line_that_is_read_from_the_right_is_measured_from_there(tmp_path: Path) -> None:
    """So the first word of the next line fits in or not as in other scripts."""
    named = {"n": "ל", "o": "כ", "u": "ם"}
    first, second = lines_of(tmp_path / "a.pdf", at(400, "nuounuonuounuo", 700) + at(450, "nuonuon", 688), named)
    assert first.text[0] == "כ"
    assert first.left == pytest.approx(612 - 477.8, abs=1.5) and first.right == pytest.approx(612 - 400, abs=1.5)
    assert second.right < first.right and second.base == 688
