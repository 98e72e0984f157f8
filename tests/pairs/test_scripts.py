"""Running text of scripts that have no full stops, no capitals, or marks between syllables, and letters as typed."""

from __future__ import annotations

import pytest

from smart_train.pairs.clauses import clauses_of
from smart_train.pairs.page_parts import Line
from smart_train.pairs.paragraphs import paragraphs
from smart_train.pairs.sentences import split_lines, split_sentences
from smart_train.pairs.words import clean, is_alphabetic

OIL = "น้ำมันหล่อลื่นต้องเป็นชนิดที่ทนความร้อนได้อย่างน้อยหนึ่งร้อยองศา"
LEAK = "หากพบรอยรั่วที่ท่อส่งน้ำให้ปิดวาล์วหลักทันทีแล้วแจ้งช่างเทคนิค"
CARE = "การดูแลรักษาปั๊มน้ำต้องทำทุกสองร้อยชั่วโมงการใช้งาน และควรตรวจสอบซีลยางก่อนประกอบฝาครอบ"


def test_clauses_of_thai_are_asked_though_no_stop_ends_them() -> None:
    """The first and the last clause of a page may belong to other pages; "and" goes on with the clause before it."""
    page = f"{CARE} {OIL}\n{LEAK} ปิดสวิตช์หลักก่อนเปิดฝาครอบของเครื่องสูบน้ำทุกครั้ง"
    assert split_sentences(page) == [OIL, LEAK]
    assert split_sentences(LEAK) == [LEAK], "a page of one clause"


@pytest.mark.parametrize(
    ("paragraph", "clauses"),
    [
        (f"{CARE} {LEAK}", [CARE, LEAK]),
        (f"คู่มือ PDF หน้า 12 {OIL}", [f"คู่มือ PDF หน้า 12 {OIL}"]),  # a number in a clause
        (f"{OIL} 120 องศา {LEAK}", [f"{OIL} 120 องศา", LEAK]),
        ("ມະນຸດທຸກຄົນເກີດມາມີກຽດສັກສີ ແລະ ສິດທິເທົ່າທຽມກັນ", ["ມະນຸດທຸກຄົນເກີດມາມີກຽດສັກສີ ແລະ ສິດທິເທົ່າທຽມກັນ"]),
        (f"{OIL}. {LEAK}.", None),  # set with full stops, as some are
        ("The Thai word น้ำมัน means oil in every manual of this kind", None),
        ("", None),
    ],
)
def test_blanks_of_thai_and_lao(paragraph: str, clauses: list[str] | None) -> None:
    assert clauses_of(paragraph) == clauses


def test_georgian_sentences_begin_with_small_letters() -> None:
    sentence = "ყველა ადამიანი იბადება თავისუფალი და თანასწორი თავისი ღირსებითა და უფლებებით"
    assert split_sentences(f"{sentence}.") == split_lines(sentence) == [sentence]
    first, second = (Line(text, 10.0, 40.0, 40.0 + 5 * len(text)) for text in ("ტუმბო გაჩერდა.", sentence))
    assert paragraphs([first, second]) == f"{first.text}\n{second.text}", (
        "a line that ends early, and the next paragraph"
    )


def test_syllables_of_tibetan_are_words() -> None:
    sentence = "འགྲོ་བ་མིའི་རིགས་རྒྱུད་ཡོངས་ལ་སྐྱེས་ཙམ་ཉིད་ནས་ཆེ་མཐོངས་དང་འདྲ་མཉམ་ཡོད"
    assert is_alphabetic(sentence)
    assert split_sentences(f"{sentence}།") == [sentence]


def test_vowel_signs_without_a_letter_are_not_asked() -> None:
    """So Arabic with vowel signs is read where they are drawn one by one."""
    line = "قُوقِ حُ كَرَامَةِ وَالْ ينَ فِي الْ حْرَارًا مُتَسَاوِ دُ جَمِيعُ النَّاسِ {}أ .يُولَ"
    assert split_lines(line.format("\u064e")) == [] and split_lines(line.format("")) == [line.format("")]
    assert split_sentences(line.format("\u064e") + ".") == [] != split_sentences(line.format("") + ".")


@pytest.mark.parametrize("text", ["10⁻³ m", "xⁿ", "Windows™ 10", "1ª", "ㄱ. 펌프", "և", "ສະເໝີ", "ໜ້າ", "ทำ"])
def test_letters_and_signs_stay_as_typed(text: str) -> None:
    assert clean(text) == text


def test_ligatures_and_wide_letters_are_spelt_out() -> None:
    assert clean("ﬁlter ＰＤＦ ㎏") == "filter PDF kg"
