"""Lines of Arabic and Hebrew are read from right to left, with their signs and numbers, whatever drew them in parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from smart_train.data.formats import pdf_right_to_left
from smart_train.data.formats.pdf_right_to_left import _Across, _Glyph, _Line, _put_signs
from tests.data.drawn_pages import ACUTE, CEDILLA, DIERESIS, at, page_of

pytest.importorskip("pypdfium2")

# n, o, u and e are letters that are 5.56 wide.
NAMED = {"n": "ب", "o": "ت", "u": "س", "e": "م", " ": " ", ACUTE: "\u064e", DIERESIS: "\u0651", CEDILLA: "\u0650"}


@pytest.mark.parametrize("level", [700, 702])
def test_signs_that_are_drawn_by_themselves_do_not_end_the_line(tmp_path: Path, level: int) -> None:
    """LibreOffice draws each sign a little above or below the line."""
    content = at(40, "n") + at(41.1, CEDILLA, 697) + at(45.56, "o") + at(46.7, ACUTE, level) + at(51.12, "u")
    content += at(52.2, DIERESIS, level) + at(52.2, ACUTE, level + 3)
    assert page_of(tmp_path / "a.pdf", NAMED, content) == ["س\u0651\u064eت\u064eب\u0650"]


def test_a_part_that_is_drawn_first_is_read_where_it_is(tmp_path: Path) -> None:
    assert page_of(tmp_path / "a.pdf", NAMED, at(51.12, "u") + at(40, "n") + at(45.56, "o")) == ["ستب"]


def test_what_is_far_away_on_the_same_line_is_another_line(tmp_path: Path) -> None:
    """A column, or a cell of a table."""
    content = at(40, "no") + at(41.1, CEDILLA, 697) + at(140, "ue")
    lines = page_of(tmp_path / "a.pdf", NAMED, content)
    assert " ".join(lines).split() in (["تبِ", "مس"], ["مس", "تبِ"])


def test_numbers_and_their_punctuation_stay_together(tmp_path: Path) -> None:
    """ "3:" after a word, and the colon is drawn on the left of the number."""
    named = NAMED | {digit: digit for digit in "23:."}
    content = at(40, "2.3 :3 ") + at(70, "no")
    assert page_of(tmp_path / "a.pdf", named, content) == ["تب 3: 2.3"]


def test_the_letters_of_a_ligature_keep_their_order(tmp_path: Path) -> None:
    assert page_of(tmp_path / "a.pdf", NAMED | {"W": "لإ"}, at(40, "nWo")) == ["تلإب"]


def test_a_sign_that_is_named_with_its_syllable_is_read_once(tmp_path: Path) -> None:
    """typst names the letter and its sign each with both."""
    named = NAMED | {"a": "مَ", ACUTE: "مَ"}
    assert page_of(tmp_path / "a.pdf", named, at(40, "na") + at(46.7, ACUTE, 702) + at(51.12, "o")) == ["تمَب"]


@pytest.mark.parametrize(("letter", "read"), [("n", "مبَم"), ("i", "ملأَم")])
def test_a_sign_with_another_name_is_read_without_the_letter(tmp_path: Path, letter: str, read: str) -> None:
    """WeasyPrint names a sign as where it was first used; over "ل" the letter is the second one of a ligature."""
    named = NAMED | {"i": "ل", ACUTE: "أَ"}
    width = {"n": 5.56, "i": 3.33}[letter]  # a wide "ل" would hold it, too
    content = (
        at(40, "e") + at(45.56, letter) + at(45.56 + (width - 3.33) / 2 - 0.4, ACUTE, 702) + at(45.56 + width, "e")
    )
    assert page_of(tmp_path / "a.pdf", named, content) == [read]


def test_words_in_a_line_of_another_script_are_read_from_right_to_left(tmp_path: Path) -> None:
    """Also where they are slanted, and signs are drawn by themselves."""
    latin = NAMED | {letter: letter for letter in "TheWord()"}
    del latin["e"], latin["o"]
    content = at(40, "TW ") + f"1 0 .3 1 58.4 700 Tm (nu) Tj {at(59.6, CEDILLA, 697)}" + at(69.6, " \\(d\\)")
    assert page_of(tmp_path / "a.pdf", latin, content) == ["TW سبِ (d)"]


def test_a_word_that_is_divided_at_the_end_of_a_line_is_whole_again(tmp_path: Path) -> None:
    """PDFium reads both lines as one."""
    latin = NAMED | {letter: letter for letter in "exam-pl"}
    del latin["n"], latin["e"]
    latin |= {"e": "e", "i": "ب"}
    content = at(40, "i exam-") + at(40, "ple i", 688)
    assert page_of(tmp_path / "a.pdf", latin, content) == ["ب example ب"]


@pytest.mark.parametrize("after", ["-", ""])
def test_lines_that_run_to_the_left_are_two_though_one_ends_with_a_hyphen(tmp_path: Path, after: str) -> None:
    content = at(40, f"{after}nou") + at(40, "uon", 688)
    named = NAMED | {"-": "-"}
    assert page_of(tmp_path / "a.pdf", named, content) == [f"ستب{after}", "بتس"]


def test_print_that_runs_up_the_page_stays_as_it_is(tmp_path: Path) -> None:
    (line,) = page_of(tmp_path / "a.pdf", NAMED, "0 1 -1 0 40 300 Tm (nou) Tj ")
    assert sorted(line) == sorted("بتس")


def glyph(number: int, text: str, left: float, level: float = 0.0) -> _Glyph:
    return _Glyph([number], text, left, left + 5, (left + 1, level, left + 4, level + 3), level, 10.0)


def test_what_is_between_two_places_is_found_as_one_by_one() -> None:
    glyphs = [glyph(at, "ب", (at * 37) % 100 + at % 3) for at in range(60)] + [
        _Glyph([60], "س", 10, 90, (0,) * 4, 0, 10)
    ]
    line = _Across(glyphs)
    for left in range(-10, 110, 7):
        for right in (left, left + 1, left + 20):
            assert line.between(left, right) == [one for one in glyphs if one.left <= right and one.right >= left]
    assert _Across([]).between(0, 1) == []


def test_signs_are_compared_with_the_letters_near_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not with every letter of a long line."""
    compared = 0
    distance = pdf_right_to_left._distance

    def counted(sign: _Glyph, letter: _Glyph) -> float:
        nonlocal compared
        compared += 1
        return distance(sign, letter)

    monkeypatch.setattr(pdf_right_to_left, "_distance", counted)
    line = _Line(0, [glyph(at, "ب", 5.0 * at) for at in range(500)])
    line.signs = [glyph(500 + at, "\u064e", 5.0 * at, 8.0) for at in range(500)]
    _put_signs(line)
    assert [one.text for one in line.glyphs] == ["ب\u064e"] * 500
    assert compared < 8 * 500
