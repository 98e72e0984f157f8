"""What is drawn from left to right on a right-to-left line, in the order in which it is spelt."""

from __future__ import annotations

import pytest

from smart_train.data.formats.pdf_direction import in_logical_order, in_mixed_order


@pytest.mark.parametrize(
    ("drawn", "spelt"),
    [
        ("3 לצפ", "פצל 3"),
        ("חבש USB 2.0 לבכ", "כבל USB 2.0 שבח"),
        ("3 :קרפ", "פרק: 3"),
        ("USB :3 קרפ", "פרק 3: USB"),  # the colon ends what is on its right
        (",2024 תנש", "שנת 2024,"),
        ("15.5% רועיש", "שיעור 15.5%"),  # Hebrew: the sign belongs to the number
        ("%15.5 ةبسن", "نسبة 15.5%"),  # Arabic: it runs to the left
        ("10% ةبسن", "نسبة 10%"),
        ("$15 ריחמ", "מחיר $15"),
        (".1234-555 فتاه", "هاتف 555-1234."),
        ("12/05/2024 خيرات", "تاريخ 12/05/2024"),
        ("۱۴۰۲ لاس", "سال ۱۴۰۲"),
        ("-1.7 6.8 -4.3 יוניב", "בינוי -4.3 6.8 -1.7"),
        ("0.3 -4.3 ةبسن", "نسبة -4.3 0.3"),
        ("-1990 תנש", "שנת 1990-"),  # what a line may end with
        ("15-20 ב-", "-ב 15-20"),
        ("ليضفتلا -4 لعافلا -3", "3- الفاعل 4- التفضيل"),
    ],
)
def test_numbers_and_words_of_other_scripts_run_to_the_right(drawn: str, spelt: str) -> None:
    ordered = in_logical_order(list(enumerate(drawn)))
    assert "".join(text for _, text in ordered) == spelt
    assert all(drawn[index] == text for index, text in ordered)  # each keeps its place


@pytest.mark.parametrize("drawn", ["(021) פט", ")021( פט"])
def test_brackets_open_before_they_close(drawn: str) -> None:
    """Whichever of the two a file names."""
    assert "".join(text for _, text in in_logical_order(list(enumerate(drawn)))) == "טפ (021)"


def test_a_bracket_that_another_line_closes_stays_as_it_is() -> None:
    assert "".join(text for _, text in in_logical_order(list(enumerate("בא (")))) == "( אב"


def test_a_glyph_of_several_letters_is_not_turned() -> None:
    assert in_logical_order([(0, "ء"), (1, "لإ"), (2, "ا")]) == [(2, "ا"), (1, "لإ"), (0, "ء")]


@pytest.mark.parametrize(
    ("drawn", "spelt"),
    [
        ("See 2 ספר, רבד.", "See 2 דבר ,רפס."),
        ("Of ב ,א )c) and ג!", "Of א, ב (c) and ג!"),  # PDFium mirrors the bracket after a Hebrew letter
        ("ברא", "ארב"),
        ("No word at all (3).", "No word at all (3)."),
    ],
)
def test_words_that_run_to_the_left_in_a_line_of_another_script(drawn: str, spelt: str) -> None:
    assert "".join(text for _, text in in_mixed_order(list(enumerate(drawn)))) == spelt
