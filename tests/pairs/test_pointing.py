"""What points to another place, in several languages, and what minutes, tables and bad OCR write."""

from __future__ import annotations

import pytest

from smart_train.pairs.candidates import Page, telling_lines
from smart_train.pairs.context import Contexts, general_heads_of_pages, is_fit
from smart_train.pairs.doubts import (
    has_definite_subject,
    holds_symbols,
    is_badly_read,
    is_formality,
    is_noun_with_clause,
)
from smart_train.pairs.leaning import leans, links
from smart_train.pairs.named_subject import refers_back
from smart_train.pairs.page_parts import Line, parts_of
from smart_train.pairs.sentences import split_sentences
from smart_train.pairs.wholeness import Signs, Told, wholeness
from smart_train.pairs.words import as_words


@pytest.mark.parametrize(
    "sentence",
    [
        "Vient ensuite le texte de la pompe de Lyon",
        "То есть насосы города включают зимой",
        "Das heißt, Pumpen werden im Winter entleert",
        "Erstere werden im Winter mit Öl gefüllt",
        "Ihnen wird eine weitere Pumpe der Stadt geboten",
        "First, Lyon fills its pumps with oil",
        "If set to yes, the pumps of Lyon are filled at noon",
        "Unless given, oil comes from Lyon",
        "I.e. the pumps of Lyon are filled at noon",
        "Additional differences resulted from the valves of Lyon",
        "Including type of pump, duration of use and town",
        "A greater proportion of the pumps had rusted in Lyon",
        "Pumps of Lyon were filled for selected towns (identified above)",
        "Eseguire la prova come è stato descritto sopra è un buon modo",
        "Насосы, указанные выше, включают зимой",
        "The darker area inside the pump of Lyon is the valve",
        "The 2010 pump (light purple line) is to the right of the 2005 pump",
        "Pumps of Lyon cannot be locked if the card is within the area 4",
        "虽然你可能觉得它们之中有一些水泵很旧",
        "水泵的安装については以下で詳細に説明しています",
        "Reportez-vous à Section 6.7.2 pour la syntaxe des pompes",
        "The sides of the pumps in the figure are made of steel",
    ],
)
def test_what_points_to_another_place_leans(sentence: str) -> None:
    assert leans(sentence, under_heading=True) or links(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Additional oil lifts the pressure of old pumps",
        "If setting screws of the pump rust, oil helps",
        "A greater proportion of pumps rusts in Lyon than in Nice",
        "Pumps in zones 1 to 4 are filled by hand",
        "Alle Angaben sind in Bar, die Pumpen stehen in Lyon",
        "The area of Lyon has four hundred pumps",
        "Debian 提供水泵软件包，用户可以安装它们",
    ],
)
def test_what_only_looks_like_it_stands_alone(sentence: str) -> None:
    assert not (leans(sentence, under_heading=True) or links(sentence))


def test_one_of_two_that_were_told_refers_back() -> None:
    assert refers_back("Pumpen stehen in Lyon, während letztere in Nizza stehen")
    assert refers_back("Il est possible de remplir la pompe, puis d'utiliser celui-ci")
    assert not refers_back("Pumpen stehen in Lyon, während Ventile in Nizza stehen")


@pytest.mark.parametrize(
    ("sentence", "definite"),
    [
        ("The nut consists of two parts of steel", True),
        ("The strings may be either short or long", True),
        ("Out of 151,995 reported cases, ages were known for most", True),
        ("Der Hebel besteht aus Stahl", False),  # in German every noun has a capital
        ("La pompe comprend deux parties", True),
        ("The pump of the station consists of two parts", False),
        ("Nuts of steel consist of two parts", False),
    ],
)
def test_a_subject_that_was_told_before_is_definite(sentence: str, definite: bool) -> None:
    assert has_definite_subject(sentence) == definite


@pytest.mark.parametrize(
    "sentence",
    [
        "La séance est ouverte à 16h00 par la mairie de Lyon",
        "The meeting was called to order at 7 pm in Lyon",
        "Die Sitzung wird um acht Uhr eröffnet",
        "The minutes of the last meeting were approved",
        "In constant dollars based on the index for all towns",
        "The countries are listed by the share of their pumps",
        "Les pays sont classés selon le nombre de pompes",
    ],
)
def test_formalities_and_notes_of_tables_are_asked_last(sentence: str) -> None:
    assert is_formality(sentence) and wholeness(Told(sentence), Signs.of("")) < 1
    assert not is_formality("The meeting of towns was about pumps")


def test_a_noun_with_a_clause_is_an_entry_of_a_list() -> None:
    assert is_noun_with_clause("The front page of the journal where the item is published")
    assert not is_noun_with_clause("The page where the item is published is the first of its journal")
    assert not is_noun_with_clause("The pump that lifts water needs oil")


def test_words_after_a_question_that_begin_nothing_are_another_column() -> None:
    asked = "Is the amount of oil in a pump more than the amount of water?"
    assert split_sentences(f"{asked} Yes.") == [asked]
    assert split_sentences(f"{asked} homebuyer credit. Yes.") == []
    assert split_sentences("The label of old pumps starts with the letter of their town, e.g.\nYes.") == []


def test_marks_inside_words_are_bad_ocr() -> None:
    read = "A letter from the t£wn of Lyon accepting aomb«rship and Calif&rnia pumps."
    assert is_badly_read(read) and Signs.of(read).mixed
    assert not is_badly_read("R&D of AT&T in Lyon, £5 a pump, «pompes» et «valves».")


def test_the_title_and_headings_of_many_pages_do_not_name_a_subject() -> None:
    text = Line("The strings may be either short or long.", 10.0)
    pages = [parts_of([Line("Pumps of towns", 14.0), text], 10.0)] + [parts_of([text], 10.0)] * 2
    pages += [parts_of([Line("3. Old valves", 14.0), text], 10.0)] * 3
    general = general_heads_of_pages(pages, ["Pumps of towns"])
    assert general[0] == {as_words("Old valves")} and general[1] == general[0] | {as_words("Pumps of towns")}
    contexts = Contexts(pages[3], [[], ["Old valves"]], general[3])
    assert contexts.is_general("Old valves") and not contexts.is_general("New valves")
    assert general_heads_of_pages(pages[:2], ["Pumps of towns"]) == [frozenset()] * 2, "it says what they are about"


def test_a_person_is_not_what_a_text_is_about() -> None:
    assert not is_fit("Dr. Saeed Murtaza") and not is_fit("Prof. Dr. Anna Lee")
    assert is_fit("Dr. Watson's pumps in Lyon") and is_fit("Research and Development")


def test_greek_letters_with_a_number_are_symbols() -> None:
    assert holds_symbols("If κ1 and κ2 are given to other pumps, any pump of κ1 is old")
    assert not holds_symbols("Pumps of the β2 kind are filled with oil")


def test_a_line_that_says_two_words_twice_is_made_of_cells() -> None:
    lines = ["• All pumps tested Lyon hundred pumps tested", "• Pumps for towns by the sea"]
    told = Page("a.pdf", 1, "", parts_of([Line(text, 10.0) for text in lines], 10.0))
    assert list(telling_lines(told)) == ["Pumps for towns by the sea"]
