"""A caption is asked for up to its first full stop or to the end of its lines; one whose end is not seen is not."""

from __future__ import annotations

import pytest

from smart_train.pairs.candidates import Page, add_structural_candidates, is_telling
from smart_train.pairs.page_parts import Line, parts_of

BODY = 10.0
FIRST = "Figure 5. A pump with two valves, a large valve and one"
BEGINNING = "A pump with two valves, a large valve and one"


def captions(texts: list[str], sizes: list[float] | None = None) -> list[str]:
    """The captions that a page with these lines is asked for."""
    lines = [Line(text, size) for text, size in zip(texts, sizes or [BODY] * len(texts), strict=True)]
    told = Page("a.pdf", 1, "", parts_of(lines, BODY))
    add_structural_candidates(told, [], [])
    return [query for kind, query in told.candidates if kind == "caption"]


@pytest.mark.parametrize(
    ("below", "rest"),
    [
        (["small valve. The large valve contains a spring", "of steel."], "small valve"),
        (["small valve, as the towns use them: 2012", "Town", "Lyon"], "small valve, as the towns use them: 2012"),
        (["small valve", "that lifts water", "from the well", "to the roof", "of a house"], None),
        (["of the"], None),
    ],
)
def test_a_caption_goes_on_in_the_lines_below_it(below: list[str], rest: str | None) -> None:
    assert captions([FIRST, *below]) == ([f"{BEGINNING} {rest}"] if rest else [])


@pytest.mark.parametrize("hyphen", [".", "-", "\u2010", "\u2011", "\u2013"])
def test_the_number_of_a_figure_may_have_any_hyphen(hyphen: str) -> None:
    assert captions([f"Figure 7{hyphen}8 Pumps of the towns"]) == ["Pumps of the towns"]


def test_other_print_ends_a_caption() -> None:
    assert captions(["Figure 6. Pumps of the towns near the river Rhone", "in use."], [BODY, 8.0]) == [
        "Pumps of the towns near the river Rhone"
    ]
    assert captions(["Figure 6. Pumps of the towns near the river Rhone", "in use."]) == [
        "Pumps of the towns near the river Rhone in use"
    ]
    assert captions(["Figure 7. Pumps of Lyon", "lift the water of the river."]) == ["Pumps of Lyon"]


@pytest.mark.parametrize(
    "caption",
    ["Pumps by town: 2011—Continued", "Pompes par ville (suite)", "Pumpen nach Stadt (Fortsetzung)", "Pumps of the"],
)
def test_a_caption_that_goes_on_elsewhere_is_not_asked_for(caption: str) -> None:
    assert captions([f"Table 3. {caption}"]) == []
    assert captions(["Table 3. Pumps by town — 2011"]) == ["Pumps by town — 2011"]


@pytest.mark.parametrize(
    "section",
    [
        "Figure 1-1 Feed pump unit: Return valve",
        "■ Feed pump ■ Return pump: Tank of the town",
        "Rotary pumps: Extra Extra Pump Loan",
        "Aabba7 Aabababa: Aaaaaamaaba of pumps",
    ],
)
def test_labels_and_cells_are_not_sections(section: str) -> None:
    assert not is_telling("section", section, 1)
    assert is_telling("section", "Rotary pumps: Extra Pump Loan", 1)
