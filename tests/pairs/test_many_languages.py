"""What is asked of documents in many languages and scripts: whole sentences that stand alone, captions."""

from __future__ import annotations

import unicodedata

import pytest

from smart_train.pairs.broken_headings import begins_small, is_broken
from smart_train.pairs.candidates import Page, is_telling
from smart_train.pairs.doubts import is_garbled
from smart_train.pairs.generic_headings import is_generic, is_over_sources, is_vague
from smart_train.pairs.leaning import leans
from smart_train.pairs.page_parts import Line, parts_of
from smart_train.pairs.sentences import split_lines, split_sentences
from smart_train.pairs.specific import choose_queries
from smart_train.pairs.words import as_words


@pytest.mark.parametrize(
    "sentence",
    [
        "Den här typen av pump är lätt att laga",
        "I det här fallet stannar pumpen helt",
        "Tähän pumppuun kuuluu kaksi venttiiliä",
        "예를 들면 펌프는 물을 끌어 올린다",
        "Dessutom har pumpen två ventiler av stål",
        "Tällöin pumppu pysähtyy ja venttiili sulkeutuu",
        "Takovéto čerpadlo funguje v každém sklepě",
        "Bazıları pompayı iki yılda bir temizler",
        "Ezért a szivattyú naponta kétszer megáll",
        "Επίσης η αντλία σταματά δύο φορές",
        "Wreszcie pompa zatrzymuje się dwa razy",
        "Better yet, pumps are cleaned before winter",
        "I have already mentioned that pumps rust",
        "Dès lors, les pompes sont nettoyées deux fois",
        "이렇게 한 이유는 펌프가 낡았기 때문이다",
        "又称离心水泵,是一种输送液体的机器",
        "Alguns temas das bombas estão nas figuras 4 e 5",
        "Pumpun osien mitat ovat luvussa 3.2",
        "The listing of the pumps of Lyon is below",
    ],
)
def test_what_speaks_of_the_text_before_or_elsewhere(sentence: str) -> None:
    assert leans(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Den Ventilen schadet Salzwasser mehr als Rost",
        "To install the pump, close both valves first",
        "Ten pumps lift the water of the river Rhone",
        "Pumpar av stål rostar i salt vatten",
    ],
)
def test_what_only_looks_so_stands_alone(sentence: str) -> None:
    assert not leans(sentence)


@pytest.mark.parametrize(
    ("prose", "count"),
    [
        ("প্রতিটি পাম্প বছরে দুইবার পরিষ্কার করা হয় এবং তেল বদলানো হয়। জলের চাপ প্রতিদিন সকালে মাপা হয় ও খাতায় লেখা হয়।", 2),
        ("ရေစုပ်စက်ကို တစ်နှစ်လျှင် နှစ်ကြိမ် သန့်ရှင်းရေး ပြုလုပ်ပြီး ဆီအသစ် လဲလှယ်ရမည်။", 1),
        ("ម៉ាស៊ីនបូមទឹកត្រូវបានសម្អាតពីរដងក្នុងមួយឆ្នាំ ហើយប្រេងត្រូវបានផ្លាស់ប្តូរនៅរដូវប្រាំង។", 1),
    ],
)
def test_bengali_burmese_and_khmer_have_whole_sentences_with_their_marks(prose: str, count: int) -> None:
    sentences = split_sentences(prose)
    assert len(sentences) == count
    assert all(any(unicodedata.category(letter)[0] == "M" for letter in sentence) for sentence in sentences)
    assert all(sentence in prose for sentence in sentences)


@pytest.mark.parametrize(
    "sentences",
    [
        ("পাম্পের ভালভ প্রতিদিন সকালে পরিষ্কার করা হয় এবং শুকানো হয়।", "নদীর জল গ্রামের মানুষ কলসি ভরে ঘরে নিয়ে আসে।"),
        ("ရေစုပ်စက်ကို တစ်နှစ်လျှင် နှစ်ကြိမ် သန့်ရှင်းရေး ပြုလုပ်ရမည်။", "မြစ်ရေကို ရွာသူရွာသားများက အိုးဖြင့် သယ်ဆောင်ကြသည်။"),
        ("ម៉ាស៊ីនបូមទឹកត្រូវបានសម្អាតពីរដងក្នុងមួយឆ្នាំនៅពេលព្រឹក។", "អ្នកភូមិដឹកទឹកទន្លេមកផ្ទះដោយប្រើក្អមដីធំៗជារៀងរាល់ថ្ងៃ។"),
    ],
)
def test_each_page_in_such_a_script_has_its_query(sentences: tuple[str, str]) -> None:
    pages = [
        Page("a.pdf", number, as_words(text), parts_of([Line(text, 10.0)], 10.0))
        for number, text in enumerate(sentences)
    ]
    chosen = choose_queries(pages, 2)
    assert {place: [query for _, query in found] for place, found in chosen.items()} == {
        place: [text.rstrip("।။។")] for place, text in enumerate(sentences)
    }


@pytest.mark.parametrize(
    "caption",
    ["Taulukko 3.8: Pumput", "Tablo 3.14: Pumpalar", "Tabulka 2: Pumpy", "Şekil 4: Pompa", "Rysunek 1. Pompa",
     "Σχήμα 2: Αντλία", "Figur 3: Pumpar", "Afbeelding 7: Pompen", "Cuadro 5: Bombas", "Hình 2: Máy bơm"],
)  # fmt: skip
def test_captions_in_more_languages(caption: str) -> None:
    assert parts_of([Line(caption, 10.0)], 10.0).captions == [caption.partition(" ")[2].partition(" ")[2]]


def test_a_stop_after_a_script_without_capitals_ends_a_sentence_before_a_small_letter() -> None:
    told = ["현재 설치된 모든 패키지의 최근 버전을 새로 설치한다", "펌프는 물을 강에서 마을까지 끌어 올린다"]
    assert split_sentences(f"{told[0]}. apt remove 명령으로 지운다. {told[1]}.") == told


def test_an_address_is_not_cut_at_its_stop() -> None:
    prose = "To learn more about the pumps of Lyon, contact Pumps at Pumps.Lyon. Program@pumps.example and wait a day."
    assert split_sentences(prose) == [prose[:-1]]


def test_two_texts_in_one_line_are_not_a_line() -> None:
    assert split_lines("Opens the valve of the pump. By default closed") == []
    assert split_lines("Opens the large valve of the pump") == ["Opens the large valve of the pump"]


@pytest.mark.parametrize(
    ("heading", "broken"),
    [
        ("At the ceremony in London on September 6, the charity,", True),
        ("Pumps sponsored by", True),
        ("nearing its end. Shri Mukesh Chairman", True),
        ("For a greener planet For a larger valve", True),
        ("This is a list ● And an item", True),
        ("Pumps for Lyon and for the towns", False),
        ("The Pump and The Valve of Lyon", False),
    ],
)
def test_headings_that_are_not_whole(heading: str, broken: bool) -> None:
    assert is_broken(heading) == broken


def test_the_rest_of_a_line_in_large_print_is_not_a_heading() -> None:
    assert begins_small("de cereales y piña confitada")
    assert not any(map(begins_small, ["read.zoo and its columns", "ISO valves", "水泵的阀门"]))
    assert not is_telling("heading", "de cereales y piña confitada del pueblo", 3)
    assert is_telling("bookmark", "read and write the pumps of Lyon", 3), "its author wrote it"


@pytest.mark.parametrize(
    "heading",
    ["Legal notice", "Yasal Uyarı", "Mentions légales", "Click to add title", "Second slide title", "Sponsored by X"],
)
def test_heads_that_say_nothing_of_their_page(heading: str) -> None:
    assert is_generic(heading)


@pytest.mark.parametrize(
    ("heading", "sources"),
    [
        ("Lange Literaturliste", True),
        ("Notensatz-Bibliographie", True),
        ("Annotated bibliography", True),
        ("Список использованной литературы", True),
        ("Kaynakça", True),
        ("API reference", False),
        ("References to objects", False),
    ],
)
def test_lists_of_sources_by_their_heads(heading: str, sources: bool) -> None:
    assert is_over_sources(heading) == sources


def test_a_question_of_two_words_needs_the_heading_above_it() -> None:
    assert is_vague("E oggi?")
    assert not is_vague("Why 100G now?")


@pytest.mark.parametrize(
    ("text", "garbled"),
    [
        ("कҴ पम्प", True),
        ("Ciudad Autуnoma", True),
        ("Tresc ´ pracy", True),
        ("write-downs of t he loan", True),
        ("3D-модель насоса", False),
        ("पम्प की देखभाल", False),
        ("TEX을 쓰는 펌프 µm", False),
        ("it´s a pump", False),
    ],
)
def test_letters_that_no_language_writes_so(text: str, garbled: bool) -> None:
    assert is_garbled(text) == garbled
