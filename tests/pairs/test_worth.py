"""What is not worth asking."""

from __future__ import annotations

import pytest

from smart_train.pairs.candidates import Page
from smart_train.pairs.contents_pages import read_index
from smart_train.pairs.page_parts import Parts
from smart_train.pairs.specific import choose_queries
from smart_train.pairs.split import without_twins
from smart_train.pairs.words import as_words
from smart_train.pairs.worth import LEANING, leans, says_something, standing


@pytest.mark.parametrize(
    "sentence",
    [
        "In this example the pump stops",
        "Dieser Wert gilt für alle Pumpen",
        "In diesem Fall steht die Pumpe",
        "Cette commande remplit la pompe",
        "Dans ce cas la pompe s'arrête",
        "Este valor vale para todas las bombas",
        "Questo valore vale per tutte le pompe",
        "Таким образом насос останавливается",
        "При этом насос стоит",
        "Другими словами, насос стоит",
        "As mentioned before, the pump stops",
        "これはポンプを止めます",
        "が呼び出されますがポンプ",
        "代わりにポンプを使います",
        "But the pump stops at noon",
        "В нём нет масла и воды",
        "は水です",
        "此外水泵会停止",
    ],
)
def test_sentences_that_speak_of_the_one_before(sentence: str) -> None:
    assert leans(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "To fill the pump, open the valve",
        "Das Paket enthält alle Werkzeuge",
        "Sie können die Pumpe jederzeit anhalten",
        "Il faut remplir la pompe",
        "Il file contiene tutte le pompe",
        "Насос включают после заполнения водой",
        "ポンプは水で満たします",
        "もし水がなければ止まります",
        "はじめに水を入れます",
    ],
)
def test_sentences_that_stand_alone(sentence: str) -> None:
    assert not leans(sentence) and standing(sentence) == 1 and says_something(sentence, head=False)


def test_words_that_point_elsewhere_make_a_sentence_worth_less() -> None:
    assert standing("The values above are set as told in Section 6.4 and figure 3") == pytest.approx(LEANING**3)
    assert standing("水を止めるには次の例のようにします") == LEANING


@pytest.mark.parametrize(
    ("text", "head"),
    [
        ("Copyright c 2001-2022 Pump Works, Inc", False),
        ("製作著作 2008-2018 ポンプ", False),
        ("J. Bowman, S. Emberson and M. Darnovsky (1996) The Practical Pump", False),
        ("Soit le nombre $\\underline{Z}=i$ de pompes", False),
        ("return pump_total(x_max) + pump_min[3] of it", False),
        ("%%% beginning of the pump", False),
        ("Member Function Documentation", True),
        ("pump::Valve Class Reference", True),
        ("Public Member Functions", True),
        ("List of Figures", True),
        ("Chapter 4", True),
        ("Version 2.12.5 [2003 May 19]", True),
        ("A specific example", True),
        ("Глава 25", True),
        ("第3章", True),
        ("open_pump() close_pump()", True),
    ],
)
def test_texts_that_say_nothing(text: str, head: bool) -> None:
    assert not says_something(text, head=head)


@pytest.mark.parametrize(
    "text", ["Chapter 4 on pumps", "The return value of pumps", "Warranty of the pump", "Reference pumps"]
)
def test_heads_that_say_something(text: str) -> None:
    assert says_something(text, head=True)


def test_lines_with_the_same_words_in_another_order_are_not_asked_for() -> None:
    """Answers of an examination, mixed for every student."""
    pages = [
        Page("a.pdf", n, as_words(text), Parts([], [], text))
        for n, text in enumerate(("Beirut Berlin Beijing", "Berlin Beirut Beijing", "Beirut Berlin Bangkok"))
    ]
    assert choose_queries(pages, 3) == {2: [("line", "Beirut Berlin Bangkok")]}


def test_entries_of_a_table_of_contents_at_the_end_are_not_terms() -> None:
    pages = {0: as_words("pumps and valves"), 1: as_words("seals")}
    assert list(read_index([["pumps 1", "3.2 seals 2"]], pages)) == [(0, "pumps")]


def test_the_same_document_in_another_format_is_kept_out_of_its_part() -> None:
    texts = [" ".join(f"word{number}{place}" for place in range(20)) for number in range(4)]

    def page(document: str, text: str) -> Page:
        return Page(document, 0, as_words(text), Parts([], [], text))

    first, other = [page("a4.pdf", text) for text in texts[:3]], page("b.pdf", texts[3])
    letter = [page("letter.pdf", f"{texts[0]} {texts[1][:60]}"), page("letter.pdf", f"{texts[1][60:]} {texts[2]}")]
    assert without_twins([*first, other, *letter]) == [*first, other]
    form = [page("forms.pdf", texts[0]), page("forms.pdf", texts[0]), Page.without_text("forms.pdf", 2)]
    assert without_twins(form) == form, "pages of one document may say the same"
