"""A sentence that does not name its subject is asked with the heading that it stands under."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from smart_train.data.formats.page_text import PageText
from smart_train.pairs.candidates import Page, telling_sentences
from smart_train.pairs.chances import PageChances
from smart_train.pairs.context import Contexts, heads_of_pages, with_context
from smart_train.pairs.documents import Document
from smart_train.pairs.named_subject import is_named, refers_back
from smart_train.pairs.page_parts import Line, Parts, parts_of
from smart_train.pairs.pages_as_text import answering
from smart_train.pairs.specific import choose_queries
from smart_train.pairs.wholeness import holds_apart
from smart_train.pairs.words import as_words

SENTENCE = "The limitation applies to acts of storage that a program carries out for readers."
CACHING = [
    Line("Limitation for system caching", 20),
    Line(SENTENCE, 10, 40, 400),
]


def asked(lines: list[Line], **document: Any) -> list[tuple[str, str]]:
    """The queries of a document of one page with these lines."""
    told = Document("a.pdf", None, "", 1, texts=[PageText(tuple(lines), "text layer")], **document)  # type: ignore[arg-type]
    told.sort_pages()
    return choose_queries(told.pages, 4).get(0, [])


def test_a_sentence_that_names_nothing_is_asked_with_its_heading() -> None:
    assert ("sentence", f"Limitation for system caching: {SENTENCE[:-1]}") in asked(CACHING)


def test_a_sentence_that_names_its_subject_is_asked_with_its_heading_and_the_name_of_the_document_too() -> None:
    named = "Garage pumps of the firm Ray & Sons rust near the sea within a year of use."
    page = [Line("Rust on machines", 20), Line(named, 10, 40, 400)]
    assert ("sentence", f"Rust on machines: {named[:-1]}") in asked(page)
    titled = [[Line("The Ray book", 30)], page]
    told = Document("a.pdf", None, "", 2, texts=[PageText(tuple(lines), "text layer") for lines in titled])  # type: ignore[arg-type]
    told.sort_pages()
    (other,) = told.pages  # the title page has too few letters to be asked for
    assert other.name == "The Ray book"
    chosen = choose_queries([other], 4, 0.0)[0]
    assert ("sentence", f"The Ray book – Rust on machines: {named[:-1]}") in chosen
    assert ("heading", "The Ray book: Rust on machines") in chosen


def test_a_bare_subject_is_asked_only_under_a_heading() -> None:
    bare = Line("The rating is above forty in all the towns that have had a pump since spring.", 10, 40, 400)
    assert ("sentence", f"Rating of water pumps: {bare.text[:-1]}") in asked([Line("Rating of water pumps", 20), bare])
    assert asked([bare]) == [] or asked([bare])[0][0] == "line"
    general = asked([Line("Introduction", 20), bare])
    assert not any(kind == "sentence" for kind, _ in general), "a heading that every document has says nothing"


def test_bold_lines_and_titles_of_bookmarks_are_headings_of_what_stands_under_them() -> None:
    text = [Line("Pumps are filled by hand in the towns.", 10, 40, 400), Line(SENTENCE, 10, 40, 400)]
    bold = Line("Limits of caching", 10, 40, 150, bold=True)
    parts = parts_of([text[0], bold, text[1]], 10)
    assert [block.head for block in parts.blocks] == ["", "Limits of caching"] and "Limits" not in parts.prose
    assert parts.headings == [], "larger print may stand above them"
    plain = Line("2.1 Limits of caching", 10, 40, 150)
    assert [block.head for block in parts_of([text[0], plain], 10, {as_words("Limits of caching")}).blocks] == [
        "",
        "2.1 Limits of caching",
    ]
    for other in (
        Line("Limits of caching.", 10, 40, 150, bold=True),
        Line("limits of caching", 10, 40, 150, bold=True),
        Line("Price year", 10, 40, 150, bold=True, apart=("Price year",)),
        Line("• Limits of caching", 10, 40, 150, bold=True),
    ):
        assert [block.head for block in parts_of([text[0], other, text[1]], 10).blocks] == [""], other
    second = Line("Of all readers", 10, 40, 120, bold=True)
    assert [block.head for block in parts_of([*text, bold, second, text[1]], 10).blocks] == [
        "",
        "Limits of caching",
        "Of all readers",
    ], "one heading under another"
    poster = [Line(f"Bold print number {number} of many", 10, 40, 150, bold=True) for number in range(3)]
    assert [block.head for block in parts_of([*poster, text[0]], 10).blocks] == [""], "most of the page is bold"


def test_the_nearest_heading_comes_first_and_the_title_last() -> None:
    first = parts_of([Line("Old pumps", 20), Line("Pumps are old.", 10)], 10)
    second = parts_of([Line("Text of the page before.", 10), Line("New pumps", 20), Line("Pumps are new.", 10)], 10)
    assert heads_of_pages([first, second], [], ["Pump book"]) == [
        [["Pump book"], ["Old pumps", "Pump book"]],
        [["Old pumps", "Pump book"], ["New pumps", "Pump book"]],
    ]
    outline = [(0, 0, "Kinds of pumps"), (0, 1, "Old pumps"), (1, 1, "New pumps")]
    assert heads_of_pages([first, second], outline, [])[1] == [
        ["Old pumps", "Kinds of pumps"],
        ["New pumps", "Kinds of pumps"],
    ]
    elsewhere = [(0, 0, "Kinds of pumps"), (0, 1, "Old pumps"), (1, 1, "Pumps of an unknown place")]
    assert heads_of_pages([None, second], elsewhere, [])[1] == [
        ["Kinds of pumps"],
        ["New pumps", "Kinds of pumps"],
    ], "where the section begins is not known, but both are about kinds of pumps"


def test_a_heading_that_says_nothing_does_not_hide_the_larger_one_above_it() -> None:
    def over(*heads: Line, bookmarks: Sequence[tuple[int, int, str]] = ()) -> str | None:
        page = parts_of([*(line for head in heads for line in (head, Line("Oil", 10))), Line(SENTENCE, 10)], 10)
        return Contexts(page, heads_of_pages([page], bookmarks, [])[0]).over(SENTENCE)

    section, box = Line("Maintenance of pumps in Lyon", 16), Line("Warning", 13)
    assert over(section, box) == over(section, Line("Note", 13), box) == section.text
    assert over(section, box, bookmarks=[(0, 0, section.text)]) == section.text
    assert over(section, Line("Valves", 13)) == f"{section.text} – Valves"
    assert over(section, Line("Results", 16)) is None, "of a section of its own"
    assert over(Line("Chapter on old pumps of Lyon", 20), section, Line("Closing valves of towns", 13)) == (
        "Closing valves of towns"
    )


def test_a_heading_in_print_is_over_the_next_page_where_it_is_of_a_section() -> None:
    first = [Line("Old pumps of Lyon", 16), Line("Oil.", 10), Line("What a box told", 13), Line("Oil.", 10)]
    second, third = (parts_of([Line(SENTENCE, 10)], 10) for _ in range(2))
    pages = [parts_of(first, 10), second, third]
    assert heads_of_pages(pages, [], [])[1:] == [[["Old pumps of Lyon"]]] * 2
    assert heads_of_pages([pages[0], None, third], [], [])[2] == [[]], "a page without text may have a heading"


def test_two_bookmarks_with_one_title_on_a_page_are_told_apart_by_their_order() -> None:
    def page(*heads: str) -> Parts:
        return parts_of([line for head in heads for line in (Line(head, 20), Line(SENTENCE, 10))], 10)

    outline = [(0, 0, "open_valve"), (0, 1, "Requirements"), (0, 0, "close_valve"), (0, 1, "Requirements")]
    printed = page("open_valve", "Requirements", "close_valve", "Requirements")
    assert heads_of_pages([printed], outline, [])[0][1:] == [
        ["open_valve"],
        ["Requirements", "open_valve"],
        ["close_valve"],
        ["Requirements", "close_valve"],
    ]
    for heads in (("open_valve", "Requirements", "close_valve"), ("open_valve", *["Requirements"] * 3, "close_valve")):
        under = dict(zip(("", *heads), heads_of_pages([page(*heads)], outline, [])[0], strict=True))
        assert under["Requirements"] == [] and under["close_valve"] == ["close_valve"], heads


class CountedReads(list[tuple[int, int, str]]):
    """A list that counts how many of its items are read."""

    reads = 0

    def __iter__(self) -> Iterator[tuple[int, int, str]]:
        for item in super().__iter__():
            self.reads += 1
            yield item

    def __getitem__(self, place: Any) -> Any:
        read = super().__getitem__(place)
        self.reads += len(read) if isinstance(place, slice) else 1
        return read


def test_every_bookmark_is_read_once_however_many_there_are() -> None:
    page = parts_of([Line("Old pumps", 20), Line(SENTENCE, 10)], 10)
    outline = CountedReads((number, number % 3, f"Pumps {number}") for number in range(300))
    heads = heads_of_pages([page] * 300, outline, [])
    assert outline.reads == 300
    assert heads[5][0] == ["Pumps 4", "Pumps 3"] and heads[6][0] == [], "what is above the page and its bookmark"


@pytest.mark.parametrize(
    ("heads", "context"),
    [
        (["4.2 Limits of caching (continued)"], "Limits of caching"),
        (["Results", "Caching in towns"], "Caching in towns"),
        (["Member Function Documentation"], None),
        (["Brucella | 3.5."], "Brucella"),
        (["117-128.pdf", "Pour en savoir plus"], None),
        (["Pumps"], "Pumps"),
        (["Pumps", "Caching in towns"], "Caching in towns – Pumps"),
        (["Acts of storage"], ""),
        (["Payment 4 % 5 %", "47698", "a tail of a sentence"], None),
        ([], None),
    ],
)
def test_only_a_heading_that_says_something_is_put_before_a_sentence(heads: list[str], context: str | None) -> None:
    parts = parts_of([Line(SENTENCE, 10)], 10)
    assert Contexts(parts, [heads]).over("The limitation applies to acts of storage") == context


def test_a_wider_heading_stands_in_for_the_name_that_a_document_lacks() -> None:
    section, part = Line("Maintenance of pumps in Lyon", 16), Line("Closing valves of towns", 13)
    page = parts_of([line for head in (section, part) for line in (head, Line("Oil", 10))] + [Line(SENTENCE, 10)], 10)
    heads = heads_of_pages([page], [], [])[0]
    assert Contexts(page, heads, named=True).over(SENTENCE) == part.text
    assert Contexts(page, heads, named=False).over(SENTENCE) == f"{section.text} – {part.text}"


def test_a_sentence_without_its_link_is_asked_with_its_heading() -> None:
    bare = "The rating is above forty in all the towns that have had a pump since spring"
    linked = Line(f"However, t{bare[1:]} (see Table 3).", 10, 40, 400)
    assert ("sentence", f"Rating of water pumps: {bare}") in asked([Line("Rating of water pumps", 20), linked])
    assert not any(bare in query for _, query in asked([Line("References", 20), linked]))
    named = Line("However, the pumps of Rossi and Weber of Lyon were filled with oil in the spring.", 10, 40, 400)
    assert not any("Weber" in query for _, query in asked([Line("References", 20), named]))


def test_a_sentence_under_two_headings_is_asked_with_neither() -> None:
    page = parts_of([line for head in ("Old pumps", "New pumps") for line in (Line(head, 20), Line(SENTENCE, 10))], 10)
    assert Contexts(page, [[], ["Old pumps"], ["New pumps"]]).over(SENTENCE) is None
    assert Contexts(page, [[], ["Old pumps"], []]).over(SENTENCE) is None
    assert Contexts(page, [[], ["Old pumps"], ["Old pumps"]]).over(SENTENCE) == "Old pumps"
    assert not Contexts(page, [[], ["References"], ["New pumps"]]).is_source(SENTENCE)
    assert Contexts(page, [[], ["References"], ["References"]]).is_source(SENTENCE)


def test_nothing_is_asked_from_the_text_of_a_licence() -> None:
    def is_source(*heads: str) -> bool:
        page = parts_of([Line(SENTENCE, 10)], 10)
        return Contexts(page, [list(heads)]).is_source(SENTENCE)

    assert is_source("6. Conveying pumps", "A. GNU General Public License version 3", "Pump book")
    assert is_source("Apache License, Version 2.0") and is_source("The MIT licence")
    assert not is_source("Entity Contributor License Agreement", "Pump book")
    assert not is_source("The licence of GNU pumps has two parts") and not is_source("Mitigation of licence fees")


def test_a_heading_is_joined_as_its_script_writes_it() -> None:
    assert with_context("The text", "Head") == "Head: The text"
    assert with_context("The text", "Why pumps?") == "Why pumps? The text"
    assert with_context("本文です", "見出し") == "見出し：本文です"
    assert with_context("النص", "العنوان") == "العنوان: النص"
    assert with_context("The text", "") == "The text"
    assert with_context("x" * 390, "A heading of five words") == "x" * 390, "nobody types so much"


def test_a_name_is_put_before_the_heading_where_it_adds_words_and_there_is_room() -> None:
    assert with_context("The text", "Head", "Pump book") == "Pump book – Head: The text"
    assert with_context("The text", "", "Pump book") == "Pump book: The text"
    assert with_context("本文です", "見出し", "手引き") == "手引き – 見出し：本文です"
    assert with_context("The pump is old", "The book of oil", "Pump book") == "The book of oil: The pump is old"
    assert with_context("The text", "Oil – Head", "Pump book") == "Pump book – Oil – Head: The text"
    assert with_context("x" * 380, "Head", "The book of all old pumps") == f"Head: {'x' * 380}"


@pytest.mark.parametrize(
    ("sentence", "named"),
    [
        ("Pumps from Lyon are filled by hand", True),
        ("The DHCP server gives out numbers", True),
        ("The file read_table holds rows", True),
        ("The content of the material must not be changed", False),
        ("Single-stage pumps are filled by hand", False),
        ("パスワードは長くします", False),
        ("Debian のパスワードは長くします", True),
    ],
)
def test_a_name_near_the_beginning_says_what_a_sentence_is_about(sentence: str, named: bool) -> None:
    assert is_named(sentence, Counter(), capitals_name=True) is named


def test_in_german_capitals_name_nothing_and_the_first_word_is_a_name_where_the_page_says_so() -> None:
    assert not is_named("Die Pumpe steht im Keller", Counter(), capitals_name=False)
    assert is_named("Germany is dry in the summer", Counter({"Germany": 2}), capitals_name=True)
    assert not is_named("Summer is dry in the south", Counter({"Summer": 1, "summer": 2}), capitals_name=True)


@pytest.mark.parametrize(
    ("sentence", "back"),
    [
        ("You also can contact the office of the town", True),
        ("Pumps lie between the two extremes", True),
        ("Die Pumpe ist ebenfalls aus Eisen", True),
        ("Les deux pompes sont en fer", True),
        ("Также насос можно купить в городе", True),
        ("水泵也可以用铁制成", True),
        ("Then the pump is filled by hand", True),
        ("And then the pump is filled by hand", True),
        ("If the pump stops then the lamp lights", False),
        ("Press Ctrl and then P", False),
        ("Wenn die Pumpe steht, dann leuchtet die Lampe", False),
        ("Si la pompe est vide alors la lampe brille", False),
        ("Si la bomba para entonces la luz brilla", False),
        ("Se a bomba parar então a luz brilha", False),
        ("If the pump stops the lamp also lights", True),
        ("Se llena entonces la bomba con agua", True),
        ("Pumps of iron are filled by hand", False),
        ("水泵用铁制成", False),
    ],
)
def test_what_was_said_before_is_told_by_small_words(sentence: str, back: bool) -> None:
    assert refers_back(sentence) is back


def test_a_sentence_over_a_blank_on_the_paper_is_not_asked() -> None:
    whole = "Iron pumps of Lyon are filled with linseed oil before the first winter of their use."
    mixed = "Copper pumps of Nice are filled with sweet water after the last summer of their use."
    parts = Parts([], [], f"{whole} {mixed}", apart=frozenset({"sweet water after the"}))
    page = Page("a.pdf", 0, as_words(parts.prose), parts)
    chances = PageChances(parts, [], lambda word: 1.0, 1.0)
    assert [told.query for told in telling_sentences(page, chances)] == [whole[:-1]]


def test_what_stands_apart_is_compared_by_words() -> None:
    assert holds_apart("Iron pumps rust", frozenset({"iron  pumps,"})) and not holds_apart("Pumps rust", frozenset())
    assert not holds_apart("The ratio is low", frozenset({"ratio i"})), "of the next word only a part"
    assert holds_apart("水泵 价格", frozenset({"水泵 价格"})) and not holds_apart("水泵价格", frozenset({"水泵 价格"}))


def test_the_chunk_that_has_the_sentence_answers_whatever_its_heading_is() -> None:
    rows = [
        {"positive": {"text": f"Limitation for system caching applies to acts of readers and {word}"}}
        for word in ("pumps", "valves")
    ]
    rows.append({"positive": {"text": SENTENCE}})
    assert answering(rows, f"Limitation for system caching: {SENTENCE[:-1]}") == rows[2]
