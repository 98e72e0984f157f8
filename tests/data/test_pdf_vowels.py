"""Vowel signs that are drawn before their consonant are read behind it, as they are spelt."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.drawn_pages import at, page_of

pytest.importorskip("pypdfium2")


@pytest.mark.parametrize(
    ("named", "drawn", "read"),
    [
        ({"e": "ெ", "s": "ச", "a": "ா", "l": "ல"}, "esal sel", "சொல சலெ"),
        ({"e": "ை", "s": "ச", "t": "த", "v": "்"}, "etsv set", "தைச் சதை"),
        ({"i": "ि", "h": "ह", "n": "न", "d": "द", "v": "्"}, "ihnvd hidvn", "हिन्द हद्नि"),
        ({"e": "ে", "k": "ক", "t": "ত", "a": "া"}, "ekt tekta", "কেত তকেতা"),
        ({"e": "េ", "k": "ក", "v": "្", "m": "ម"}, "ekvmk", "ក្មេក"),
        ({"e": "ေ", "k": "က", "y": "ျ"}, "eky", "ကျေ"),
    ],
)
def test_a_sign_before_its_letter_is_read_behind_it(
    tmp_path: Path, named: dict[str, str], drawn: str, read: str
) -> None:
    """Each glyph is named by itself."""
    assert page_of(tmp_path / "a.pdf", {**named, " ": " "}, at(40, drawn)) == [read]


def test_a_sign_that_is_spelt_behind_its_letter_stays(tmp_path: Path) -> None:
    """The letter is drawn first, to the right of its sign; and a glyph with both."""
    named = {"e": "े", "i": "ि", "k": "क", "@": "कि", " ": " "}
    assert page_of(tmp_path / "a.pdf", named, at(45, "k") + at(42.7, "i") + at(60, "@k")) == ["कि किक"]


def test_names_in_the_order_of_the_spelling_stay(tmp_path: Path) -> None:
    """Word names the first glyph of a syllable with its first letter, whatever it draws."""
    named = {"i": "न", "n": "ि", "d": "द", " ": " "}
    assert page_of(tmp_path / "a.pdf", named, at(40, "ind din ind")) == ["निद दनि निद"]


def test_a_sign_without_a_letter_behind_it_stays(tmp_path: Path) -> None:
    named = {"i": "ि", "k": "क", "1": "1"}
    assert page_of(tmp_path / "a.pdf", named, at(40, "ki")) == ["कि"]


def test_a_sign_before_a_letter_of_another_script_stays(tmp_path: Path) -> None:
    named = {"i": "ि", "k": "क", "R": "R", " ": " "}
    assert page_of(tmp_path / "a.pdf", named, at(40, "ik ik kiR")) == ["कि कि किR"]
