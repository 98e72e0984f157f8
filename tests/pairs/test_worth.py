"""What is not worth asking."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from smart_train.pairs.candidates import Page, add_structural_candidates
from smart_train.pairs.contents_pages import read_index
from smart_train.pairs.generic_headings import is_vague
from smart_train.pairs.leaning import leans, without_link
from smart_train.pairs.page_parts import Block, Line, Parts
from smart_train.pairs.sections import of_bookmarks, of_headings
from smart_train.pairs.sentences import split_lines, split_sentences
from smart_train.pairs.specific import choose_queries
from smart_train.pairs.split import without_twins
from smart_train.pairs.words import as_words
from smart_train.pairs.worth import says_something


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
        # A word that points, in the middle of a sentence.
        "Pumps of the older type make these values rise",
        "Pumpen dieser Art brauchen wenig Wasser",
        "Les pompes de cette série demandent peu d'eau",
        "Las bombas de esta serie piden poca agua",
        "Le pompe di questa serie chiedono poca acqua",
        "Насосы этой серии требуют мало воды",
        "ポンプはこの方式で動きます",
        "水泵按照这种方法工作",
        "펌프는 이러한 방식으로 작동한다",
        # One of several that the text before names.
        "The second pump of the station ignores old valves",
        "In other cases the pump needs no oil at all",
        "La deuxième pompe ne demande pas d'huile",
        "El segundo motor no necesita aceite",
        "Второй насос не требует масла",
        "Left panel: pressure of the pump at noon",
        "Once registered, pumps are kept for ten years",
        # A premise, and a pointer to somewhere else.
        "On the other hand pumps of iron may rust",
        "Under that section pumps are tested once a year",
        "В данном примере насос стоит пустой",
        "Pumps are sorted by age and by town as follows",
        "Let p be the pressure of a pump in the cellar",
        "Sei P eine Pumpe mit drei Ventilen und einem Motor",
        "Pumps are compared with valves in Table 3",
        "Pressure falls with the height of the column, see page 28",
        "Les pompes sont présentées ci-dessous avec leurs vannes",
        "詳細はポンプの説明書をご覧ください",
        "水泵的安装详见用户手册",
        "Usually owners keep them in a dry cellar all year",
        "이는 펌프의 압력이 낮기 때문이다",
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
        "もしもの故障にはポンプの弁が備える",
        "はじめの給水は朝に終わります",
        "Valves such as taps are closed by hand",
        "Насос — это машина, которая поднимает воду",
        "Il est utile de savoir ce que la pompe demande",
        "それぞれのポンプは水で満たします",
        "水泵应该每年检查一次",
        "펌프는 물을 위로 올리는 기계이다",
        "The default pressure of the pump is two bar",
    ],
)
def test_sentences_that_stand_alone(sentence: str) -> None:
    assert not leans(sentence) and says_something(sentence, head=False)


@pytest.mark.parametrize(
    ("sentence", "rest"),
    [
        ("However, the pump of iron starts by itself", "The pump of iron starts by itself"),
        ("Par conséquent, les pompes de fonte sont remplies", "Les pompes de fonte sont remplies"),
        ("Sin embargo, las bombas de hierro arrancan", "Las bombas de hierro arrancan"),
        ("Однако, насос из чугуна запускают", "Насос из чугуна запускают"),
        ("しかし、鉄のポンプは自動で動く", "鉄のポンプは自動で動く"),
        ("此外,铁泵会自动启动", "铁泵会自动启动"),
        ("또한 철 펌프는 스스로 움직인다", "철 펌프는 스스로 움직인다"),
        ("However the pump is set, it starts", "However the pump is set, it starts"),
    ],
)
def test_what_links_a_sentence_to_the_one_before_is_taken_off(sentence: str, rest: str) -> None:
    assert without_link(sentence) == rest


def test_a_linked_sentence_is_asked_for_without_its_link() -> None:
    assert split_sentences("However, pumps of iron rust near the sea within a year.") == [
        "Pumps of iron rust near the sea within a year"
    ]
    assert split_sentences("However, they rust near the sea within a year of use.") == []


@pytest.mark.parametrize(
    "sentence",
    [
        "Lyon, Paris and Nice have built pumps of iron",  # not "First, it"
        "The Office must report on pumps within six months",  # a name
        "Pumps are filled with care, so that these pumps do not run dry",  # what the sentence itself names
        "Valves are those of the parts that wear out first",
    ],
)
def test_words_that_point_to_nothing_before(sentence: str) -> None:
    assert not leans(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "For example using other oil makes a pump run hot",
        "В нашем примере насос стоит пустой весь год",
        "Ещё один насос стоит в подвале у старой мельницы",
        "The study showed that pumps of iron rust",
        "La fuente tiene varias bombas para el agua",
        "Die Bedingung in Definition 31.a gilt für Pumpen",
        "Pressure is set as in Example 4 for pumps of iron",
        "Насос описан в определении 3 для воды",
        "All pumps of this manual are made of iron",
        "本手法によるポンプの圧力を測定した",
    ],
)
def test_more_that_speaks_of_another_place(sentence: str) -> None:
    assert leans(sentence)


@pytest.mark.parametrize(
    ("prose", "sentences"),
    [
        # A dash between words; a dash that begins an item.
        ("Насос – это машина для подъёма воды на высоту.", ["Насос – это машина для подъёма воды на высоту"]),
        ("Pumps of iron: – filled with oil each year.", []),
        # An abbreviation that ends a sentence.
        (
            "Pumps lift water, oil, beer, etc. Valves of lead close the pipes of the town.",
            ["Valves of lead close the pipes of the town"],
        ),
        # A share is not the number of a footnote.
        ("36.5% of the pumps in the town are older than ten years.",
         ["36.5% of the pumps in the town are older than ten years"]),
        # Names in lower case.
        ("'fill' opens the upper valve of the pump for a minute.",
         ["'fill' opens the upper valve of the pump for a minute"]),
        ("cron 作业每小时检查一次所有水泵的压力。", ["cron 作业每小时检查一次所有水泵的压力"]),
        ("fill opens the upper valve of the pump for a minute.", []),
        # A heading in the print of the text; numbers without words; the rest of a sentence from another column.
        ("Governors of large pumps In the event of a fault the pump is set to zero.", []),
        ("Pump package version 1.0-2 2006.", []),
        ("There is clear evidence in many reports of the year that pumps that stand near old\n"
         "Rivers had an effect on the water of the whole town.", []),
        ("Pumps\nRivers had an effect on the water of the whole town.",
         ["Rivers had an effect on the water of the whole town"]),
    ],
)  # fmt: skip
def test_where_sentences_begin_and_end(prose: str, sentences: list[str]) -> None:
    assert split_sentences(prose) == sentences


@pytest.mark.parametrize(
    ("heading", "vague"),
    [
        ("Data types", True),
        ("Other functions of the standard library", True),
        ("Другие функции стандартной библиотеки", True),
        ("Autres réglages de la pompe centrale", True),
        ("その他のポンプの設定方法について", True),
        ("其他水泵的安装设置方法", True),
        ("一些典型的注意事项", True),
        ("屏幕截图", True),
        ("ข้อมูล", True),
        ("Why use pumps?", False),
        ("Filling of rotary pumps", False),
        ("Differenzierbare Mannigfaltigkeiten", False),
        ("主要会计数据和财务指标", False),
        ("펌프 압력 설정 방법", False),
        ("Установка насоса в подвале", False),
    ],
)
def test_headings_that_need_the_one_above_them(heading: str, vague: bool) -> None:
    assert is_vague(heading) == vague


def test_a_subject_of_one_word_is_named_by_the_sentence_before() -> None:
    assert leans("The pump is made of cast iron") and leans("La pompe est en fonte de fer")
    assert not leans("The pump of the station is made of cast iron")


def test_rows_of_dots_before_a_price_are_not_in_a_sentence() -> None:
    assert not split_sentences("Red curry of the town .............. 89 with chicken and fresh greens of Lyon.")
    assert not split_sentences("Did the town pay for the pump? ~~~~~~ If it did, the town of Lyon fills a form in.")[1:]


def test_ordinals_do_not_end_a_german_sentence() -> None:
    told = "Alle Mitglieder mit vollendetem 18. Lebensjahr wählen den Vorstand der Pumpe in Lyon."
    assert split_sentences(told) == [told[:-1]]


def test_a_sentence_that_recalls_a_section_leans() -> None:
    assert leans("In Section 2.1, we saw that pumps of iron rust near the sea")
    assert leans("In chapter 6, I showed the pumps of Lyon and of Nice")
    assert not leans("In section 5 of the river, pumps of iron rust near the sea")
    assert leans("Dicho lo anterior, las bombas de hierro se oxidan cerca del mar")


def test_titles_of_sources_and_captions_that_are_cut_are_not_asked_for() -> None:
    assert (
        split_sentences("Ann Lee and Bob Ray. 2020. Pumps that learn from their own valves at night. Pump News.") == []
    )
    assert split_sentences("Lee, A. (2009). Pumps that learn from their own valves at night. Thesis.") == []
    cut = ["Number of pumps in", "1 shows the pumps", "22a und Abbildung 3", "Pumps (in addition to", "Pumps, valves,"]
    cut += ["—pumps of the district by age"]
    cut.append("This is due to pumps of iron")
    page = Page(
        "a.pdf",
        1,
        "",
        Parts([], [*cut, "Pumps by country"], ""),
    )
    add_structural_candidates(page, [], [])
    assert page.candidates == [("caption", "Pumps by country")]


@pytest.mark.parametrize(
    ("text", "head"),
    [
        ("Copyright c 2001-2022 Pump Works, Inc", False),
        ("製作著作 2008-2018 ポンプ", False),
        ("J. Bowman, S. Emberson and M. Darnovsky (1996) The Practical Pump", False),
        ("Soit le nombre $\\underline{Z}=i$ de pompes", False),
        ("return pump_total(x_max) + pump_min[3] of it", False),
        ("%%% beginning of the pump", False),
        # What generators of references write beside their entries, and code with the numbers of its lines.
        ("Definition at line 96 of file pump.h", False),
        ("Referenced by fill_pump and empty_pump of the class", False),
        ("Parameters eta pressure of the pump in bar", False),
        ("Cpump [2/2]", True),
        ("valve.cpp 207", True),
        # Labels and thanks.
        ("defines.h: Go to the documentation of this file.", True),
        ("ADDENDUM: How to use this License for your documents", True),
        ("Nous tenons à remercier les ateliers de pompes de la ville", False),
        ("其他的用户设定", True),
        ("Keywords: pumps, valves, oil and water", False),
        ("Source: Office of Pumps, yearly report of the summer", False),
        ("Quelle: Amt für Pumpen, Bericht über das ganze Jahr", False),
        ("Ann Lee is thanked for her comments on the pump", False),
        # Names, keywords and cells of a table.
        ("Ann Lee, Bob Ray, Carl Moe, Dan Poe, and Eve Sun", False),
        ("Pumps, valves, oil, water, safety by reference", False),
        ("Foothill Ranch 137 Pump Unknown at present Safeway Company", False),
        ("12/01/2015 Permanent closure of the pump 12/31/2015", False),
        ("Pumps 250,226.23 270,790.20 and valves", False),
        ("89Pumps and valves in practice", True),
        ("Denotes a difference between two kinds of pumps", False),
        ("Key Findings", True),
        ("Introduction et motivation", True),
        ("Einleitung und Überblick", True),
        ("Introducción general", True),
        ("Общие сведения", True),
        ("はじめに", True),
        ("その他の設定", True),
        ("版权与作者", True),
        ("第一节 重要提示", True),
        ("Volume 24 Number 28", True),
        ("Member Function Documentation", True),
        ("pump::Valve Class Reference", True),
        ("Public Member Functions", True),
        ("List of Figures", True),
        ("Chapter 4", True),
        ("Constructor & Destructor Documentation", True),
        ("For more information: pumps.example/books", True),
        ("Journal of Pumps https://pumps.example/", True),
        ("3.84% 4.39% – Pump loans", True),
        ("Ann Lee1,2 and Bob Ray3,4", True),
        ("Pumps of the district, <pumps.example/table/10 /S26>", False),
        ("You may pass on pumps under the terms of this License", False),
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
    "text",
    [
        "Phasellus tincidunt, leo a fringilla consectetur, felis diam aliquam urna, vitae aliquet lectus",
        "Cupidatat excepteur qui anim sint sit magna duis quis labore Lorem anim in excepteur aliquip",
        "Duis aute irure dolor in reprehenderit in voluptate velit esse cillum dolore eu fugiat nulla pariatur",
        "项目经验" * 5,
    ],
)
def test_filler_is_not_asked(text: str) -> None:
    assert not says_something(text, head=True) and not says_something(text, head=False)


@pytest.mark.parametrize(
    "text",
    [
        "Il dolore ipsofacto di Elit e la massa del corpo",
        "A pump holds 10000000 litres",
        "The address 0xFFFFFFFF marks the end of the list of pumps",
        "Check all hoses of the pump for cracks before the first start of the season",
        "Guests may not add new columns to a table of the town",
        "The video element is only partially supported by older browsers of the town",
        "Il suffit de cocher la case du réseau pour que la pompe démarre",
    ],
)
def test_words_that_are_in_filler_too_are_asked(text: str) -> None:
    assert says_something(text, head=False)


@pytest.mark.parametrize(
    "text",
    [
        "Key findings on pumps",
        "Einleitung in die Pumpenkunde",
        "合并现金流量表",
        "Chapter 4 on pumps",
        "The return value of pumps",
        "Warranty of the pump",
        "Reference pumps",
    ],
)
def test_heads_that_say_something(text: str) -> None:
    assert says_something(text, head=True)


@pytest.mark.parametrize(
    "sentence",
    [
        "Das Paket enthält Werkzeuge für Schulen und deren Netze",
        "The town of Lyon and the Office of Pumps signed a contract in May 2015",
        "About 56.7 million people, 18.7 percent of the total, own a pump",
    ],
)
def test_sentences_with_names_and_numbers_say_something(sentence: str) -> None:
    assert says_something(sentence, head=False)


def test_marks_numbers_and_labels_before_a_sentence_are_taken_off() -> None:
    prose = (
        "(6) The report on pumps is due in the spring of each year.\nL Have you excluded the income of a rented pump?\n"
        "L Did you own a pump in the spring of last year?"
    )
    assert split_sentences(prose) == [
        "The report on pumps is due in the spring of each year",
        "Have you excluded the income of a rented pump?",
        "Did you own a pump in the spring of last year?",
    ]
    assert split_sentences("C Programming is taught with pumps of iron in Lyon.") == [
        "C Programming is taught with pumps of iron in Lyon"
    ], "one letter alone is a name"
    assert split_sentences("DURATA Il contratto della pompa è a vita intera.") == [], "a head is glued to it"
    assert split_sentences("Layoffs of pump makers hit the town. Ray Pumps, Inc. Layoffs of 14 hit it") == [
        "Layoffs of pump makers hit the town"
    ], "cut off at an abbreviation"
    assert split_sentences("! The age of the pumps of each town in the district; and ! The price.") == []
    assert split_lines("➡ Pumps for cellars and towers\nPump station • all of its valves") == [
        "Pumps for cellars and towers"
    ]


def test_headings_with_the_numbers_of_pages_are_a_table_of_contents() -> None:
    def asked(*heads: str, over: Sequence[str] = ()) -> list[str]:
        blocks = [Block(head, [Line("Text of the section", 10.0)]) for head in over]
        page = Page("a.pdf", 1, "", Parts([(14.0, head) for head in heads], [], "", blocks=blocks))
        add_structural_candidates(page, [], [], [f"Manual: {head}" for head in heads])
        return [text for kind, text in page.candidates if kind == "heading"]

    assert asked("Filling of pumps 17", "Emptying of pumps 21", "Rotary pumps in winter") == ["Rotary pumps in winter"]
    assert asked("Pumps of the year 1987", "Rotary pumps in winter") == [
        "Pumps of the year 1987",
        "Rotary pumps in winter",
    ]
    assert asked(
        "Pumps with Windows 11", "Valves in Python 3", over=["Pumps with Windows 11", "Valves in Python 3"]
    ) == [
        "Pumps with Windows 11",
        "Valves in Python 3",
    ], "text stands under them"
    assert asked("C Programming Basics") == ["C Programming Basics"], "the letter is not an item's"


@pytest.mark.parametrize(
    "line",
    [
        "Cleaning and care of pumps 21",
        "Pump of the old mill 2016 8 of each kind",
        "Pump of the old mill in 20 € bags",
        "水泵名称与编号 持有水泵的数量与价格",
    ],
)
def test_lines_of_a_table_are_not_asked_for(line: str) -> None:
    assert split_lines(line) == []
    assert split_lines("Cleaning and care of rotary pumps\n水泵名称与编号持有水泵的数量与价格") != []


def test_japanese_and_chinese_sentences_may_be_as_long_as_others() -> None:
    sentence = "サーバーの管理者は利用者ごとに個別の領域を作成してから、夜間に予備の装置へ複製します"
    assert 34 < len(sentence) < 60 and split_sentences(f"{sentence}。") == [sentence]


def test_a_heading_without_content_is_asked_for_with_the_one_above_it() -> None:
    bookmarks = [(0, 0, "1 Rotary pumps"), (1, 1, "1.1 Introduction"), (2, 0, "Conclusions"), (2, 1, "Notes")]
    assert of_bookmarks(bookmarks) == [(1, "Rotary pumps: Introduction")], "nothing above says anything: none"
    generated = [(4, 0, "pumps::Valve Class Reference"), (5, 1, "Member Data Documentation"), (5, 2, "Valve() [1/2]")]
    generated += [(5, 2, "open_slowly()")]
    assert of_bookmarks(generated) == [(5, "Valve: open_slowly")], "what generators write is passed over"
    nested = [(0, 0, "Pumps"), (1, 1, "Rotary pumps"), (2, 2, "Procedure")]
    assert of_bookmarks(nested, "Handbook of water")[-3:] == [
        (2, "Rotary pumps: Procedure"),
        (2, "Pumps: Procedure"),
        (2, "Handbook of water: Procedure"),
    ], "the nearest first"
    pages = [[(16.0, "Rotary pumps")], [], [(12.0, "Procedure"), (12.0, "pump.cpp 207")], [(16.0, "Valves")]]
    assert of_headings(pages) == [(2, "Rotary pumps: Procedure")]


def test_a_heading_with_the_one_above_it_needs_a_page_that_has_the_words_of_both_alone() -> None:
    texts = ("Procedure: fill rotary pumps", "rotary pumps", "Procedure: close valves", "rotary pumps, a procedure")
    pages = [
        Page("a.pdf", n, as_words(text), Parts([], [], ""), [("section", "Rotary pumps: Procedure")])
        for n, text in enumerate(texts)
    ]
    assert choose_queries(pages[:3], 3) == {0: [("section", "Rotary pumps: Procedure")]}
    assert choose_queries(pages, 3) == {}


def test_lines_with_the_same_words_in_another_order_are_not_asked_for() -> None:
    """Answers of an examination, mixed for every student."""
    pages = [
        Page("a.pdf", n, as_words(text), Parts([], [], text))
        for n, text in enumerate(
            ("Pumps of Beirut and Berlin", "Pumps of Berlin and Beirut", "Pumps of Beirut and Bangkok")
        )
    ]
    assert choose_queries(pages, 3) == {2: [("line", "Pumps of Beirut and Bangkok")]}


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
