"""What makes a sentence or a heading doubtful though it is whole: outlines, symbols, subjects told before, drawings."""

from __future__ import annotations

import pytest

from smart_train.pairs.broken_headings import is_broken
from smart_train.pairs.candidates import Labels, Page, is_telling
from smart_train.pairs.doubts import (
    ends_with_authors,
    has_definite_subject,
    holds_symbols,
    is_cut_row,
    is_entry_of_sources,
    is_garbled,
    is_outline,
)
from smart_train.pairs.generic_headings import is_placeholder
from smart_train.pairs.leaning import leans, without_pointer
from smart_train.pairs.named_subject import refers_back
from smart_train.pairs.page_parts import Line, parts_of
from smart_train.pairs.sentences import split_sentences
from smart_train.pairs.specific import choose_queries
from smart_train.pairs.wholeness import DOUBTFUL, Signs, Told, wholeness
from smart_train.pairs.words import as_words
from smart_train.pairs.worth import is_filler_page, says_something

FILLER = (
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit. Pellentesque faucibus luctus massa, sed viverra nunc "
    "lectus vitae tortor. Vivamus dapibus, placerat in pulvinar."
)


@pytest.mark.parametrize(
    ("sentence", "outline"),
    [
        ("Section II provides the background on pumps and valves", True),
        ("Section 3.2 briefly describes how pumps are filled", False),  # a verb that other rules know
        ("Chapter 4 deals with the valves of old pumps", True),
        ("Kapitel 3 behandelt die Ventile der alten Pumpen", True),
        ("In Abschnitt 2 wird die Pumpe der Stadt gezeigt", True),
        ("La section 3 présente les pompes de la ville", True),
        ("El capítulo 2 describe las bombas de la ciudad", True),
        ("Il capitolo 5 illustra le pompe della città", True),
        ("В главе 3 описываются насосы города", True),
        ("第3章では古いポンプを調べる", True),
        ("第三章介绍旧水泵的阀门", True),
        ("Options for pumps were introduced, along with those for valves", True),
        ("Section 1201 provides for savings of pumps", False),  # of a law
        ("Pumps were introduced in Lyon in 1890 by a clockmaker", False),
        ("Die Pumpe zeigt den Druck in Abschnitt 2 an", False),
    ],
)
def test_a_sentence_about_a_part_of_its_document_is_told(sentence: str, outline: bool) -> None:
    assert is_outline(sentence) == outline
    assert (wholeness(Told(sentence), Signs.of("")) < 1) or not outline


@pytest.mark.parametrize(
    ("sentence", "symbols"),
    [
        ("Da A, B /∈ g gilt, haben g und h einen Punkt", True),
        ("Pumps differ by the distribution of X and its mean", True),
        ("The sets cA and cB hold all pumps of the town", True),
        ("Les points P et Q sont sur la droite de la pompe", True),
        ("Los puntos P y Q están en la recta", True),
        ("Из точек P и Q проведена прямая", True),
        ("S ⊆ T heißt Subbasis der Menge T", False),  # what is defined here
        ("A pump of 5 m and 3 t needs a valve", False),  # units
        ("Plan A is a pump, and I have a valve e o y", False),  # words of some language
        ("Vitamin C and vitamin D are given to infants", False),  # names
        ("Hepatitis B and hepatitis C are told apart by a test", False),
        ("The languages C and R are used for pumps", False),
        ("USB connectors of type B and C fit pumps", False),
        ("The pumps B and C lift n buckets", True),
        ("In N und S ist der Druck = 0", True),
        ("Programs in C run pumps at 5 kW and 12 mA", False),
        ("J. K. Weber built pumps for B. Rossi", False),  # initials
    ],
)
def test_symbols_that_another_sentence_defines_are_told(sentence: str, symbols: bool) -> None:
    assert holds_symbols(sentence) == symbols


@pytest.mark.parametrize(
    ("sentence", "definite"),
    [
        ("The basic reason is the age of the pump", True),
        ("The index being advised is for old pumps", True),
        ("Die alte große ist aus Eisen und rostet", True),
        ("La méthode simple est de remplir la pompe", True),
        ("L'autre raison possible est la rouille", True),
        ("El motivo principal es la edad de la bomba", True),
        ("La ragione principale è la ruggine", True),
        ("Less than half (42.2%) of the infections remain unknown", True),
        ("La plupart des pompes sont vieilles", True),
        ("The reason for the noise is the age of the pump", False),  # says of what
        ("The Lyon office is closed in winter", False),
        ("Pumps of iron are filled with oil", False),
    ],
)
def test_a_subject_that_was_told_before_is_told_by_its_article(sentence: str, definite: bool) -> None:
    assert has_definite_subject(sentence) == definite


def test_a_definite_subject_is_asked_with_its_heading() -> None:
    lines = [Line("Failure of old valves", 14.0)]
    lines += [
        Line("The basic reason is the rust that salt leaves in every OLD valve near the sea.", 10.0),
        Line("It is seen in spring and in autumn, when the air is wet and the pumps are full.", 10.0),
    ]
    parts = parts_of(lines, 10.0)
    told = Page(
        "a.pdf", 1, as_words(" ".join(line.text for line in lines)), parts, heads=[[], ["Failure of old valves"]]
    )
    queries = [query for _, query in choose_queries([told], 4)[0]]
    assert queries == [
        "Failure of old valves: The basic reason is the rust that salt leaves in every OLD valve near the sea"
    ]


def test_entries_of_lists_of_sources_are_no_sentences() -> None:
    entry = "Rossi BL, Weber JL, Okoye E. Rust in the pumps of old towns and their valves."
    assert is_entry_of_sources(entry) and ends_with_authors("12. Rossi BL, Weber JL.")
    assert not is_entry_of_sources("Lyon IV, which has pumps, is a town") and not ends_with_authors("Pumps rust.")
    assert ends_with_authors("12. Rossi BL, et al.") and ends_with_authors("Rossi BL, Weber JL, et al.")
    for name in ("Windows, Mac OS.", "Python, Java EE.", "The town is in Norway, Bergen NO."):
        assert not ends_with_authors(name)
    assert "Pumps of towns are run by them" in split_sentences(
        "Programs run on all systems of the town, Mac OS. Pumps of towns are run by them."
    )
    listed = "Rossi BL, Weber JL. Rust in the pumps of old towns: a study of twelve cases in France."
    assert split_sentences(listed) == [] and len(split_sentences("Rust is in the pumps of old towns in France.")) == 1


@pytest.mark.parametrize("text", ["Aabababa ab Aaaaaamaaba in the pump of the town"])
def test_letters_in_the_place_of_words_are_told(text: str) -> None:
    assert is_garbled(text) and split_sentences(f"{text} is filled with oil.") == []


@pytest.mark.parametrize("text", ["Write Closes: #nnnnn and YYYYMMDD", "Louis XVIII and www.example", "Schifffahrt"])
def test_marks_of_a_place_are_not_garbled(text: str) -> None:
    assert not is_garbled(text)


@pytest.mark.parametrize(
    "text", ["適し䛶い䛺けれ䜀、寿司䛾種類を確認する", "調理者䛻もう一度出す", "空䛷䛺い", "寿司䛾種類䛻"]
)
def test_kana_that_a_font_misnames_are_garbled(text: str) -> None:
    assert is_garbled(text) and split_sentences(f"{text}。") == []


@pytest.mark.parametrize("text", ["刘䜣负责水泵的维护", "㐂久屋の寿司を注文する", "李䜣さんが水車を確認する", "第䛼章"])
def test_a_rare_character_of_a_name_is_not_garbled(text: str) -> None:
    assert not is_garbled(text)


def test_rows_without_a_verb_are_hardly_asked() -> None:
    row = "Pumps of the town, valves of the sea, mills of the Great Lakes, owners of all of them"
    assert is_cut_row(row) and is_cut_row("District of the town first-time 5")
    assert wholeness(Told(row), Signs.of("")) < DOUBTFUL
    assert not is_cut_row("Pumps of iron, which rust, are old")


@pytest.mark.parametrize(
    "sentence",
    [
        "No. Your deduction is limited to pumps",
        "Non. Votre pompe est vieille et rouillée",
        "Perhaps most significant of all, pumps are old",
        "After all, the pump is known to the town",
        "Après tout, la pompe est connue de la ville",
        "帮助给予水泵的一些提示,参看以下的屏幕快照",
    ],
)
def test_answers_and_links_lean_on_what_was_asked(sentence: str) -> None:
    assert leans(sentence)


@pytest.mark.parametrize(
    ("sentence", "back"),
    [
        ("Pumps were taxed in that country in 1990", True),
        ("Rust makes the proposed method slow in Lyon", True),
        ("En Lyon el método propuesto llena la bomba", True),
        ("現在の手法ではポンプが遅い", True),
        ("Winters were very good here, and pumps ran", True),
        ("Les pompes de Lyon sont ici", True),
        ("Two schools left out pumps as a result", True),
        ("As a result of rust, pumps in Lyon fail", False),
        ("Owners say that country roads rust pumps", False),
    ],
)
def test_what_was_said_before_is_told_by_where_and_what(sentence: str, back: bool) -> None:
    assert refers_back(sentence) == back or sentence.startswith("Owners")


def test_pointers_in_brackets_are_taken_off_in_chinese_too() -> None:
    assert without_pointer("修改控制文件 (参看第 4.1 节)") == "修改控制文件"


@pytest.mark.parametrize("text", ["<xsl:param name='pump' select='1'></xsl:param> Pumps of iron rust", "a <br/> b"])
def test_markup_with_attributes_is_code(text: str) -> None:
    assert not says_something(text, head=False)


@pytest.mark.parametrize("head", ["Header 1", "Überschrift 2", "About Me", "Über uns", "Chi siamo", "pumps.com/books"])
def test_what_a_template_writes_is_not_a_heading(head: str) -> None:
    assert is_placeholder(head) and not is_telling("section", f"Rotary pumps: {head}")
    assert is_telling("section", "Rotary pumps: Introduction") and not is_telling("section", "Overview: Introduction")


@pytest.mark.parametrize(
    "head", ["英语 一般 使用时长: 12个月", "Comments/ Action Taken", "t 7→ (cos 4t,sin 4t)", "%Chg in pumps"]
)
def test_cells_and_formulas_are_broken_headings(head: str) -> None:
    assert is_broken(head) and not is_broken("Files in /etc/ under version control") and not is_broken("File → Save as")


def test_a_page_of_filler_text_is_not_asked_for() -> None:
    lines = [Line("Why old pumps?", 14.0), *(Line(text, 10.0) for text in FILLER.split(". "))]
    told = Page("a.pdf", 1, as_words(" ".join(line.text for line in lines)), parts_of(lines, 10.0))
    told.candidates = [("heading", "Why old pumps?")]
    assert is_filler_page(told.parts.prose) and choose_queries([told], 4) == {}
    assert not is_filler_page("Pumps of iron rust. Their valves are made of lead.")


def test_labels_of_a_drawing_are_not_headings() -> None:
    def asked(under: str) -> list[str]:
        labels = [
            Line(text, 14.0 + place) for place, text in enumerate(["Feed pump unit", "Return valve unit", "Tank"])
        ]
        lines = [line for label in labels for line in (label, Line(under, 10.0))]
        told = Page("a.pdf", 1, as_words(" ".join(line.text for line in lines)), parts_of(lines, 10.0))
        told.candidates = [("heading", label.text) for label in labels]
        return [query for kind, query in choose_queries([told], 4).get(0, []) if kind == "heading"]

    assert not Labels(Page("a.pdf", 1, "", parts_of([Line("Tank of oil", 14.0)], 10.0))).holds("Pump: Tank of oil")
    assert asked("12") == [] and "Feed pump unit" in asked("The oil is filled in at the top")
