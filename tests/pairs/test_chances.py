"""The signs by which a text is more or less likely worth asking, and what is made of them."""

from __future__ import annotations

import math

import pytest

from smart_train.pairs import chances as module
from smart_train.pairs.chances import PageChances
from smart_train.pairs.doubts import is_garbled
from smart_train.pairs.leaning import names_a_part
from smart_train.pairs.page_parts import Block, Line, Parts
from smart_train.pairs.paragraphs import paragraphs
from smart_train.pairs.words import words_of

TOLD = "Gneiss of Lyon is a rock of gneiss and quartz that masons cut"
PROSE = f"{TOLD}. Quartz wears the blades of masons, and they cut it wet!Slow. Short one."


def chances(prose: str = PROSE, head: str = "Cutting gneiss") -> PageChances:
    parts = Parts([(14.0, head)], [], prose, blocks=[Block(head, [Line(prose, 10.0)])])
    weights = {"gneiss": 3.0, "quartz": 2.0}
    return PageChances(parts, [[head, "Stones"]], lambda word: weights.get(word, 1.0), 4.0)


def of_sentence(text: str = TOLD, **options: bool) -> dict[str, float]:
    return chances().signs_of_sentence(text, text, **{"weak_head": False, "named": False, "linked": False, **options})


def test_the_signs_of_a_sentence() -> None:
    signs = of_sentence()
    words = words_of(TOLD)
    assert signs == {
        "odd words": 1 / 28,  # "wet!Slow." of the page and its heading
        "topic": 3,
        "heading": 1,
        "little words": sum(len(word) <= 3 for word in words) / len(words),
        "length": math.log(13),
        "paragraphs": math.log(2),
        "blocks": math.log(2),
        "capitals": 1 / 13,  # of Lyon; the first word does not count
        "rarest": 3.0 / 4.0,
        "rarity": (10 + 2 * 3.0 + 2.0) / 13 / 4.0,
        "named": False,
        "weak heading": False,
        "back": False,
        "inside": False,
        "mixed print": 0.0,
        "elsewhere": False,
        "linked": False,
    }


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("Masons also cut the gneiss of Lyon by hand", "back"),
        ("The following table has the gneiss of Lyon", "elsewhere"),
    ],
)
def test_each_sign_against_a_sentence_makes_it_less_likely(text: str, sign: str) -> None:
    signs = of_sentence(text)
    assert signs[sign] and module._SENTENCE[sign] < 0
    assert not of_sentence()[sign]


def test_sentences_without_blanks_have_no_little_words() -> None:
    assert of_sentence("花崗岩の弁は鉄の喞筒の側で錆びる")["little words"] == 0.4


def test_the_signs_of_headings() -> None:
    judged = chances()
    signs = judged.signs_of_structure("heading", "Cutting gneiss", "Stones: Cutting gneiss", named=True)
    assert signs == {
        "on the page": 0.5,
        "caption": False,
        "line": False,
        "bare": False,
        "one print": 1.0,
        "asked": math.log(len("Stones: Cutting gneiss")),
        "named": True,
        "length": math.log(2),
    }
    assert judged.signs_of_structure("caption", "Sawing basalt", "Sawing basalt", named=False)["caption"]
    assert judged.signs_of_structure("heading", "Sawing basalt", "Sawing basalt", named=False)["bare"], "no text"


def test_a_chance_is_the_logistic_of_the_weighted_signs() -> None:
    judged = chances()
    for weights, signs, chance in (
        (module._SENTENCE, of_sentence(), judged.of_sentence(TOLD, TOLD, weak_head=False, named=False, linked=False)),
        (
            module._STRUCTURE,
            judged.signs_of_structure("heading", "Cutting gneiss", "Cutting gneiss", named=False),
            judged.of_structure("heading", "Cutting gneiss", "Cutting gneiss", named=False),
        ),
    ):
        assert {"constant", *signs} == set(weights)
        total = weights["constant"] + sum(weights[name] * value for name, value in signs.items())
        assert chance == pytest.approx(1 / (1 + math.exp(-total))) and 0 < chance < 1
    plain, weak, named = (
        judged.of_sentence(TOLD, TOLD, weak_head=weak, named=named, linked=False)
        for weak, named in ((False, False), (True, False), (False, True))
    )
    assert weak < plain < named


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("Le tableau suivant montre la pompe", True),
        ("Gambar berikut adalah pompa", True),
        ("Füllen Sie bitte die Pumpe", False),
        ("Pumps of iron rust", False),
    ],
)
def test_words_of_parts_of_a_document_in_several_languages(text: str, part: bool) -> None:
    assert names_a_part(words_of(text)) is part


def of_lines(*lines: Line, printed: str = "Gneiss of Lyon is cut wet.") -> dict[str, float]:
    parts = Parts([], [], paragraphs(lines), blocks=[Block("Cutting", list(lines))])
    judged = PageChances(parts, [["Cutting"]], lambda word: 1.0, 1.0)
    return judged.signs_of_sentence(printed[:-1], printed, weak_head=False, named=False, linked=False)


def test_bold_print_in_the_middle_of_a_paragraph_shows_two_texts_joined() -> None:
    bold = Line("Gneiss of Lyon is cut wet by", 10, 40, 400, bold=True)
    plain = Line("masons of the town. Saws rust.", 10, 40, 400)
    assert of_lines(bold, plain, plain, plain)["mixed print"] == 1 / 4
    assert of_lines(plain, plain, plain, plain)["mixed print"] == 0
    assert of_lines(plain, Line("Gneiss", 10, 40, 80, bold=True), plain, plain)["mixed print"] == 2 / 4


def test_where_a_sentence_stands() -> None:
    """Whether it is the first of its paragraph, and how much of its page is in one print."""
    first = Line("Gneiss of Lyon is cut wet. Masons rest at noon.", 10, 40, 400)
    assert not of_lines(first)["inside"]
    assert not of_lines(Line("1.2) Gneiss of Lyon is cut wet. Masons rest.", 10, 40, 400))["inside"]
    assert of_lines(Line("Saws of steel rust. Gneiss of Lyon is cut wet.", 8, 40, 400))["inside"]
    page = Parts([], [], "", blocks=[Block("", [first] * 3), Block("", [Line(first.text, 8, 40, 400)])])
    judged = PageChances(page, [[], []], lambda word: 1.0, 1.0)
    assert judged.signs_of_structure("line", "Gneiss of Lyon", "Gneiss of Lyon", named=False)["one print"] == 3 / 4


def test_a_script_that_is_not_written_beside_chinese_is_garbled() -> None:
    assert is_garbled("الشدددداعر سليمان") and not any(map(is_garbled, ("الشاعر الشدّاد", "ههههه", "محـــــمد")))
    assert is_garbled("使用ᰃ否") and is_garbled("⌟试很᳝用")
    assert not any(map(is_garbled, ("日本語のテキスト", "水泵ポンプ pump", "漢字 текст 漢字β", "漢字か\u3099")))
