"""What a document is called before what is asked of its pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from smart_train.data.formats.page_text import PageText
from smart_train.pairs.document_names import name_of, titles_of
from smart_train.pairs.documents import Document
from smart_train.pairs.page_parts import Line

SENTENCE = "The limitation applies to acts of storage that a program carries out for readers."


def name(*pages: Sequence[Line], **document: Any) -> str:
    """What a document with these lines is called."""
    texts = [PageText(tuple(lines), "text layer") for lines in pages]
    told = Document("a.pdf", None, "", len(pages), texts=texts, **document)  # type: ignore[arg-type]
    told.sort_pages()
    return told.pages[0].name


@pytest.mark.parametrize(
    ("titles", "called"),
    [
        (["Untitled", "Pumps of Lyon"], "Pumps of Lyon"),
        (["0561 9885599", "Appunti di ottica 2017"], "Appunti di ottica 2017"),
        (["hhh4: A framework for epidemics " + "of towns " * 9], ""),
        (["of the", "0561 9885599"], ""),
        ([], ""),
    ],
)
def test_a_document_is_called_by_the_first_of_its_titles_that_is_whole(titles: list[str], called: str) -> None:
    assert name_of(titles) == called


def test_the_largest_print_of_the_first_page_is_a_name_unless_it_is_one_of_many_headings() -> None:
    text = [Line(SENTENCE, 10, 40, 400)] * 4
    first, second = [Line("Letter of the board", 20), *text], [Line("Balance sheet of Lyon", 20), *text]
    assert name(first, second) == ""
    assert name([Line("Letter of the board", 24), *text], second) == "Letter of the board"
    assert name([Line("Letter of the board", 18), *text], second) == "Letter of the board", "chapters in larger print"
    assert name([Line("Book of the board of Lyon", 20)], second) == "Book of the board of Lyon", "a title page"
    assert name(first) == "Letter of the board", "the only page"
    numbered = [Line("2 Balance sheet of Lyon", 20), *text]
    assert name(first, numbered, numbered) == "Letter of the board"
    assert name([Line("1 Letter of the board", 20), *text], numbered) == ""
    bookmarks = [(0, 0, "Letter of the board")]
    assert name(first, outline=bookmarks) == "Letter of the board"
    assert name(first, outline=[*bookmarks, (0, 0, "Balance sheet")]) == "", "one of two chapters"


def test_bold_words_at_the_top_and_a_slide_in_large_print_are_names_too() -> None:
    text = [Line(SENTENCE, 10, 40, 400)] * 4
    bold = [Line("Rules of the pump", 10, 40, 150, bold=True), Line("society of Lyon", 10, 40, 150, bold=True)]
    assert name([*bold, *text]) == "Rules of the pump society of Lyon"
    assert name([*text, *bold]) == ""
    assert name([*bold * 3, *text]) == "", "a text in bold print"
    slides = [[Line("Pumps in the", 30), Line("city of Lyon", 30), Line("Ann Lee", 20)], *[[Line(SENTENCE, 30)]] * 3]
    assert name(*slides) == "Pumps in the city of Lyon"


def test_the_titles_of_a_document_are_those_that_its_pages_show() -> None:
    page = [Line("The pump book of Lyon", 10), Line("Text", 10)]
    assert titles_of("Pump book", [], [[]], [page]) == ["Pump book"]
    for template in ("Microsoft Word - Document1", "PowerPoint Presentation", "Präsentation1", "Text-pump-book-2019"):
        printed = [Line(f"{template} of the pump book", 10)]
        assert titles_of(template, [], [[]], [printed]) == [], template
    running = [["Pumps of the north", "7"]] * 4
    assert titles_of("", [], running, [page] * 4) == ["Pumps of the north"]
    often = [f"Pumps of the town {letter}" for letter in "qxabzmkf"]  # a set has another order in each process
    assert titles_of("", [], [often] * 4, [page] * 4) == often[:1]
    assert titles_of("Pump book", ["Lyon"], running, [page] * 4) == ["Pump book", "Lyon", "Pumps of the north"]
    assert titles_of("", [], running[:2], [page] * 2) == []
    assert titles_of("Microsoft Word - Books of pumps.docx", [], [[]], [page]) == [], "of another book"
    assert titles_of("Microsoft Word - Lyon pumps, a book.docx", [], [[]], [page]) == ["Lyon pumps, a book"]
    assert titles_of("", ["Ann Lee and Bob Ray", "Pumps"], [[]], [page]) == ["Pumps"], "the authors"
    assert titles_of("", [], [["Ann Lee and Bob Ray"]] * 4, [page] * 4) == [], "the authors"


def test_a_long_title_of_parts_is_compared_in_one_pass() -> None:
    """A pattern that can divide "a-a-a" in many ways would try 2^200 of them."""
    assert titles_of("a-" * 200 + " x", [], [[]], [[Line("Pump book", 10)]]) == []
    assert titles_of("pump-book-2019", [], [[]], [[Line("pump-book-2019", 10)]]) == [], "the name of a file"
    assert titles_of("pump-book", [], [[]], [[Line("pump-book", 10)]]) == ["pump-book"]
