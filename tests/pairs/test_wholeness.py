"""Which sentences and headings are whole, and which pages are tables."""

from __future__ import annotations

import pytest

from smart_train.pairs.broken_headings import is_beside_title, is_broken
from smart_train.pairs.candidates import Page, is_telling
from smart_train.pairs.leaning import leans, without_pointer
from smart_train.pairs.page_parts import Block, Line, Parts, parts_of
from smart_train.pairs.sentences import told_sentences
from smart_train.pairs.specific import choose_queries
from smart_train.pairs.tabular import has_page_number, is_tabular
from smart_train.pairs.wholeness import DOUBTFUL, Signs, Told, wholeness
from smart_train.pairs.words import as_words

WHOLE = "Pumps of cast iron are filled with oil before the first winter in Lyon"
NO_SIGNS = Signs.of("")


def worth(text: str, page: str = "", *, first: bool = True, alone: bool = False, note: bool = False) -> float:
    return wholeness(Told(text, first=first, alone=alone, note=note), Signs.of(page))


def test_a_sentence_without_signs_against_it_is_worth_one() -> None:
    assert worth(WHOLE) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Current issues of the testing of pumps for old towns and of their valves in Lyon",  # no verb
        "pumps of iron are filled with oil before the first winter and the summer",  # no name
        "Filling: pumps of cast iron are filled with oil before the first winter in Lyon",  # a label
        "Pumps 12 and 13 are 14 or 15 years old and have 16 valves of 17 mm",  # numbers
        "Enrolled in a school of pumps but did not complete the course in the year after",  # no subject
        "Pumps of the town Lyon are filled with oil oil before the first winter",  # two columns
        "The value of pump_size is set to 12 before the first winter in Lyon",  # a name in a program
    ],
)
def test_every_sign_makes_a_sentence_worth_less(text: str) -> None:
    assert worth(text) < 1


def test_where_a_sentence_stands_counts() -> None:
    short = "Pumps in Lyon are old and large"
    assert worth(WHOLE, alone=True) < worth(WHOLE, first=False) < 1
    assert worth(short, alone=True) < worth(short) and worth(WHOLE, note=True) < DOUBTFUL
    assert worth("水泵在冬天之前要加满油", alone=True) == worth(short, alone=True), "half a word each"


def test_scripts_without_capitals_need_no_name() -> None:
    assert worth("पंप को सर्दी से पहले तेल से भरना चाहिए और फिर चलाना चाहिए") == 1


def test_words_that_the_page_writes_small_begin_another_column() -> None:
    page = "The tax is due. A tax on pumps is paid. Each tax is low. The town of Lyon pays the tax."
    mixed = "Income that is not effectively Tax rates are connected with pumps of the town"
    assert worth(mixed, page) < DOUBTFUL < worth(mixed)
    german = "Die Steuer auf Pumpen ist hoch. Eine Pumpe kostet viel Geld und Zeit. Der Preis der Pumpe steigt im Jahr."
    assert worth("Die Kosten der alten Pumpen sind nach dem Gesetz zu zahlen", f"{german} gesetz gesetz") == 1


def test_pages_of_columns_read_as_one_are_told_by_sentences_that_begin_small() -> None:
    mixed = "The pump is new. connected with it. A valve rusts. tax on oil. " * 6
    assert Signs.of(mixed).mixed and worth(WHOLE, mixed) < DOUBTFUL
    assert not Signs.of("The pump is new. A valve rusts. It has oil, water etc. in it. " * 6).mixed


def test_notes_to_a_table_are_told_by_their_label_or_mark() -> None:
    said = {
        told.text: told.note
        for told in told_sentences(
            "Pumps of iron rust in the sea air of Lyon. NOTE: Pumps of lead are not in the table at all.\n"
            "Valves of the older type are made of lead.\n"
            "†\nPumps are counted by the town in spring.\n"
            "4\nOwners of pumps must close every valve before the start.\n"
            "§ 12 does not hold for mills. Owners of mills must tell the town of every pump.\n"
            "Source: Bureau of pumps. Figures of the past year are revised by it."
        )
    }
    assert [text for text, note in said.items() if not note] == [
        "Pumps of iron rust in the sea air of Lyon",
        "Valves of the older type are made of lead",
        "Owners of pumps must close every valve before the start",
        "Owners of mills must tell the town of every pump",
    ]
    assert said["Pumps are counted by the town in spring"]


def test_what_is_below_every_table_is_not_asked_for() -> None:
    assert told_sentences("Details of pumps may not sum to totals because of rounding.") == []
    assert not leans("Section 1201 prohibits pumps that are filled by hand"), "the section of a law is its subject"


def test_letters_over_columns_and_numbers_of_notes_are_not_in_sentences() -> None:
    assert told_sentences("Taxable income (a) (b) (c) of pumps is in the first column.") == []
    assert told_sentences("Half of the 16In the survey of pumps there was no question on oil.") == []
    assert [told.text for told in told_sentences("Owners of pumps are paid under ch. 48 of the law on oil.")] == [
        "Owners of pumps are paid under ch. 48 of the law on oil"
    ]
    assert told_sentences("使用文本模式安装。") == [], "eight characters say as much as four words"


def test_the_title_of_a_source_is_not_a_sentence() -> None:
    assert (
        told_sentences("[3] A. Pump, and M. Franz. An effective pump for towns that have little water. In: Pumps.")
        == []
    )
    assert told_sentences("Adapted from Pump Centre (July 2005). Current issues in the testing of pumps.") == []


@pytest.mark.parametrize(
    ("sentence", "rest"),
    [
        ("Pumps of iron rust near the sea (see Table 3)", "Pumps of iron rust near the sea"),
        ("Pumpen aus Eisen rosten am Meer (Abb. 3)", "Pumpen aus Eisen rosten am Meer"),
        ("Насосы из чугуна ржавеют у моря (см. рис. 3)", "Насосы из чугуна ржавеют у моря"),
        ("Pumps of iron (table pumps) rust near the sea", "Pumps of iron (table pumps) rust near the sea"),
    ],
)
def test_a_pointer_in_brackets_at_the_end_is_taken_off(sentence: str, rest: str) -> None:
    assert without_pointer(sentence) == rest


@pytest.mark.parametrize(
    "sentence",
    [
        "If that is not possible, pumps of iron are used",
        "One is a pump of the older type for cellars",
        "Below is a pump that fills cellars with water",
        "In the first example, the pump is filled by hand",
        "More specifically, pumps of iron are filled by hand",
        "Beweis: Die Pumpe ist leer und damit auch das Ventil",
        "Как видим, насос включают после заполнения водой",
        "Tout d'abord notons que les pompes sont remplies",
        "Il sert également de base à la pompe de la cave",
        "Si elle est vide, la pompe de la cave s'arrête",
        "Cependant la pompe de fonte demande peu d'huile",
        "The left panel presents the pressure of all pumps",
        "Of the pumps, at least 190 are filled by hand",
        "Owners of valves do the same with pumps of iron",
        "Complete the row below that applies to the pump",
        "そして彼女はポンプを水で満たします",
        "デフォルト値はポンプの圧力です",
        "Similar pumps are made of lead in most of the towns",
        "On one hand, pumps of iron are filled by hand",
        "なのでポンプの記号を表示しません",
        "Section VI analyzes the pressure of pumps at noon",
        "Зачем насосу масло, будет ясно позднее",
        "Pumps of iron rust near the sea, see bellow",
        "Pumps are filled by hand and are described elsewhere",
        "Le pompe di ghisa sono alcune delle quali elencate qui",
        "이 글은 펌프의 압력을 다룬다",
        "有关水泵的信息可以在安装一章中找到",
    ],
)
def test_more_sentences_that_lean(sentence: str) -> None:
    assert leans(sentence)


@pytest.mark.parametrize(
    "head",
    [
        "1234",
        "1.50% Partial",
        "(Loan to value of pumps <=70%)",
        ", Ada Lovelace∗ , Alan Turing",
        "V a n n e s d e l a v i l l e",
        "Home Loan* Extra Variable Rate",
        "Line of Credit Line of Credit for Pumps",
        "Changes to the 2007 2007 Form for Pumps",
        "Pumps | Valves of the town",
        "Tel. (+82) 10-9030 and pumps",
        "pumps at example.org of the town",
        "Itemized pumps (See pages 26 and 27)",
        "Pumps 1.50% and valves 2.5%",
        "0.55, oil of 0.57 and iron",
        "Montero(virtual) , Ann Weber and Bob Rossi",
        "Pumps of the town .",
        "We use five pumps to fill each basin. Baseline",
    ],
)
def test_broken_heads(head: str) -> None:
    assert is_broken(head) and not is_telling("heading", head) and not is_telling("section", f"Pumps of Lyon: {head}")


@pytest.mark.parametrize(
    "head",
    [
        "Red pumps. Iron and oil for the town",
        "We fill each basin with pumps. Why?",
        "Pumps of the old town",
        "水泵",
        "C++ in a day of 24 hours",
        "Share of pumps over 5 %",
    ],
)
def test_heads_that_are_whole(head: str) -> None:
    assert not is_broken(head)


@pytest.mark.parametrize("text", ["The pump of the town is", "Filling the pumps of", "Name: Street: Town: Pump"])
def test_texts_that_are_cut_and_labels_of_a_form_are_not_asked(text: str) -> None:
    assert not any(is_telling(kind, text) for kind in ("heading", "item", "line"))
    assert not is_telling("section", f"Pumps of Lyon: {text}")
    assert is_telling("item", "Filling: the pumps of the town")


def test_authors_and_dates_beside_a_title_are_not_headings() -> None:
    assert is_beside_title("Ann Lee a,b, Bob Ray d, Eva Weber f") and not is_beside_title("Plan a, then plan b")
    assert all(map(is_beside_title, ("Ada Lovelace, Alan Turing", "Ada Lovelace and Alan Turing", "апреля 2020 г.")))
    assert not is_beside_title("How pumps are filled")
    assert not is_telling("heading", "Ada Lovelace, Alan Turing", 0)
    assert is_telling("heading", "Ada Lovelace, Alan Turing", 1) and is_telling("title", "Rotary Pumps", 0)


def table(*lines: str, head: str = "Prices of all rotary pumps") -> Page:
    parts = parts_of([Line(head, 20), *(Line(text, 10, 40, 200) for text in lines)], 10)
    return Page(
        "a.pdf", 1, as_words(" ".join((head, *lines))), parts, [("heading", head), ("heading", "Name of every pump")]
    )


def test_a_table_is_asked_for_by_its_first_heading_and_its_captions() -> None:
    rows = (
        "Pump of iron 12.50",
        "Pump of lead for cellars 13.50",
        "Pump of oak 7 8 9",
        "Payment of pumps on receipt of bill",
    )
    page = table(*rows)
    page.words += as_words("Name of every pump")
    assert is_tabular(page.parts)
    assert choose_queries([page], 4) == {0: [("heading", "Prices of all rotary pumps")]}, "no line, no second heading"
    page.candidates.append(("caption", "Payment of pumps on receipt"))
    assert sorted(kind for kind, _ in choose_queries([page], 4)[0]) == ["caption", "heading"]
    assert not is_tabular(Parts([], [], "", blocks=[Block("", [Line("Pumps of 1987 are filled by hand", 10)] * 5)]))
    assert is_tabular(Parts([], [], "", blocks=[Block("", [Line("Rate 5.25% p.a. (compared 5.94% p.a.)", 10)] * 4)]))


def test_entries_of_contents_on_one_line_are_told_by_the_number_between_them() -> None:
    assert has_page_number("Contribute to pumps 37 How to report errors")
    assert not has_page_number("Pumps of the 37 towns are filled by hand")


def test_a_very_doubtful_sentence_is_not_asked() -> None:
    clear = "Pumps of Lyon are filled with linseed oil before the first winter of their use"
    doubtful = "Copper pumps of Nice are filled filled with water after the last summer of their use 4 use 4"
    page = Page("a.pdf", 1, "", Parts([], [], f"{clear}. {doubtful}."))
    page.words = as_words(page.parts.prose)
    assert worth(doubtful) < DOUBTFUL
    assert [text for _, text in choose_queries([page], 4)[0]] == [clear]


@pytest.mark.parametrize("head", ["설치 및 사용 방법", "펌프 설치 방법", "पानी की टंकी", "জল ও তাপ", "安全须知"])
def test_headings_of_scripts_with_short_words_are_whole(head: str) -> None:
    assert not is_broken(head)


@pytest.mark.parametrize("head", ["Pump Control Systems", "Annual Report 2023", "Windows 11 setup guide"])
def test_titles_in_capitals_are_not_names_beside_a_title(head: str) -> None:
    assert not is_beside_title(head)


def test_running_text_with_a_year_in_each_line_is_not_a_table() -> None:
    lines = [
        "公司于2023年成立并在北京设有总部和研发中心",
        "目前共有员工560人分布在三个城市的办公室",
        "产品销往全国并出口到12个国家和地区",
        "第一代水泵的功率为30千瓦适合小型工厂使用",
        "客户服务热线每天24小时开放欢迎来电咨询",
    ]
    assert not is_tabular(Parts([], [], "", blocks=[Block("", [Line(line, 10) for line in lines])]))


def test_short_instructions_are_asked() -> None:
    signs = Signs.of("")
    for text in ("Turn the brass valve to the left side", "Fill the oil tank up to the red mark"):
        assert wholeness(Told(text, alone=True), signs) >= DOUBTFUL
    assert wholeness(Told("Bu pompa zaman zaman kontrol edilmelidir ve yağı yenilenmelidir her yıl"), signs) >= DOUBTFUL
