"""Where the text of a page goes on from one line to the next, and where another begins."""

from __future__ import annotations

import pytest

from smart_train.pairs.page_parts import Block, Line, parts_of
from smart_train.pairs.paragraphs import paragraphs
from smart_train.pairs.sentences import pieces_of

HIGH = 700.0


def printed(*texts: str, left: float = 40, right: float = 240, size: float = 10, base: float = HIGH) -> list[Line]:
    """Full lines of one paragraph, 12 points apart."""
    return [Line(text, size, left, right, base - 12 * place) for place, text in enumerate(texts)]


FIRST = printed("Pumps of the northern hall are filled", "with oil before the winter and stand")


def test_lines_of_one_paragraph_are_put_together() -> None:
    assert paragraphs([*FIRST, *printed("until spring.", base=HIGH - 24)]).count("\n") == 0


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (printed("valves of brass are", base=HIGH - 40), "more room than between the lines around"),
        (printed("valves of brass are", size=8, base=HIGH - 24), "other print"),
        (printed("valves of brass are", base=HIGH + 30), "over it, in the same column: another box"),
        (printed("valves of brass are", left=300, right=500, base=HIGH - 12), "beside it, in the same row"),
    ],
)
def test_what_stands_elsewhere_is_another_paragraph_even_in_small_letters(after: list[Line], why: str) -> None:
    assert paragraphs([*FIRST, *after]).split("\n")[1:] == ["valves of brass are"], why


def test_a_paragraph_goes_on_in_the_next_column() -> None:
    column = printed("until the valves open in spring", left=300, right=500, base=HIGH + 300)
    assert "\n" not in paragraphs([*FIRST, *column])


def test_widely_set_lines_are_one_paragraph() -> None:
    """Two lines without others around them: no print stands so far apart but by more than twice its size."""
    double = [Line("Pumps are filled with oil before", 10, 40, 240, HIGH), Line("the winter", 10, 40, 90, HIGH - 20)]
    assert "\n" not in paragraphs(double)
    assert "\n" in paragraphs([double[0], Line("the winter", 10, 40, 90, HIGH - 23)])


def test_a_line_of_two_printed_ones_stands_where_its_last_one_does() -> None:
    """pdfium makes one line of two where a hyphen divides a word."""
    divided = Line("Pumps of the northern hall are filled with oil", 10, 40, 90, HIGH, (40, HIGH - 12))
    below = printed("Valves open in spring and stay so", base=HIGH - 24)
    assert paragraphs([divided, *below]).count("\n") == 1, "its end leaves room for the next word"
    assert "\n" not in paragraphs([divided, *printed("before winter comes and stays", base=HIGH - 24)])


def test_without_places_only_marks_of_items_begin_a_paragraph() -> None:
    lines = [Line("Pumps are filled", 10), Line("Valves open", 10), Line("• Lids close", 10)]
    assert paragraphs(lines) == "Pumps are filled Valves open\n• Lids close"


def of_lead(text: str, lead: str, *before: Line) -> list[Block]:
    return parts_of([*before, Line(text, 10, 40, 240, HIGH - 36, lead=lead)], 10).blocks


def test_bold_words_at_the_beginning_of_a_paragraph_are_the_heading_of_its_text() -> None:
    for text in ("Oil filter Holds back what wears the pump", "Oil filter: holds back what wears the pump"):
        block = of_lead(text, "Oil filter", *FIRST)[-1]
        assert block.head == "Oil filter"
        assert paragraphs(block.lines) == text.removeprefix("Oil filter").lstrip(": ")


@pytest.mark.parametrize(
    ("text", "lead", "why"),
    [
        ("Oil filters hold back what wears the pump", "Oil filters", "it goes on in small letters: an emphasis"),
        ("filter Holds back what wears the pump", "filter", "a heading does not begin so"),
        ("No Holds back what wears the pump", "No", "too short to be a heading"),
        (
            "Nobody has ever filled more than nine pumps before noon Holds",
            "Nobody has ever filled more than nine pumps before noon",
            "too long",
        ),
    ],
)
def test_other_bold_words_are_not(text: str, lead: str, why: str) -> None:
    assert [block.head for block in of_lead(text, lead, *FIRST)] == [""], why


def test_bold_words_inside_a_paragraph_are_not_a_heading() -> None:
    after = Line("Oil filters Hold back what wears the", 10, 40, 240, HIGH - 24, lead="Oil filters")
    assert [block.head for block in parts_of([*FIRST, after], 10).blocks] == [""]


def test_the_text_under_each_heading_is_a_paragraph_of_its_own() -> None:
    lines = [Line("Pumps are filled", 10), Line("Winter", 14), Line("with oil", 10)]
    assert parts_of(lines, 10).prose == "Pumps are filled\nwith oil"


@pytest.mark.parametrize(
    "text",
    [
        "Die Pumpe läuft vom 3. August an. Sie steht.",
        "Das Fest ist am 12. Mai im Hof. Wir kommen.",
        "Der 2. Vorsitzende hält die Pumpe. Er dreht.",
        "Die Halle steht in der Pumpenstr. Nord am Fluss. Sie ist alt.",
    ],
)
def test_german_ordinals_and_abbreviations_end_no_sentence(text: str) -> None:
    assert len(pieces_of(text)) == 2


def test_numbers_end_sentences_and_prices_do_not() -> None:
    assert len(pieces_of("A pump costs Rs. 500 in May. Valves are free.")) == 2
    assert len(pieces_of("Die Halle hat Pumpe 7. Wasser fehlt.")) == 2
