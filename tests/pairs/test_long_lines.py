"""A line of 20,000 characters, as minified code and broken text layers have it, takes no longer than its length."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from smart_train.data.formats.page_text import PageText
from smart_train.data.formats.pdf_characters import clean_line
from smart_train.data.formats.pdf_hyphens import whole_words
from smart_train.data.formats.pdf_text_layer import _MARKED
from smart_train.pairs import broken_headings, contents_pages, sentences, worth
from smart_train.pairs.clauses import clauses_of
from smart_train.pairs.contents_pages import _ENTRY, _LEADERS
from smart_train.pairs.generic_headings import is_generic
from smart_train.pairs.page_parts import Line, as_read
from smart_train.pairs.sentences import _ADDRESS, _NOTE_MARK, split_sentences
from smart_train.pairs.tabular import _is_row


def test_no_pattern_is_given_more_than_a_query_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some patterns take the square of a text's length, so what counts is the longest text that one is given."""
    longest: dict[str, int] = {}

    class Counted:
        def __init__(self, name: str, pattern: Any) -> None:
            self._name, self._pattern = name, pattern

        def __getattr__(self, method: str) -> Callable[..., Any]:
            def call(text: str, *rest: Any) -> Any:
                longest[self._name] = max(longest.get(self._name, 0), len(text))
                return getattr(self._pattern, method)(text, *rest)

            return functools.partial(call)

    patterns: list[tuple[Any, str]] = [
        (worth, "_MARKUP"),
        (worth, "_BOILERPLATE"),
        (sentences, "_HEADED"),
        (sentences, "_DATED"),
        (broken_headings, "_CELLS"),
        (broken_headings, "_NAMES"),
    ]
    for module, name in patterns:
        monkeypatch.setattr(module, name, Counted(name, getattr(module, name)))
    run = "a" * 20_000
    normal = "Iron pumps of Lyon are filled with oil by hand before the winter."
    lines = [
        f"Iron {run} pumps of Lyon are {run} filled by hand.",
        "Iron pumps % " * 2_000 + ".",
        "A. " * 7_000,
        normal,
    ]
    assert split_sentences("\n".join(lines)) == [normal[:-1]]
    assert broken_headings.is_broken(f"Pumps of {run}") and not broken_headings.is_broken("Pumps of Lyon")
    assert not broken_headings.is_beside_title("A. B. " * 5_000 + "x")
    assert broken_headings.is_beside_title("Ann B. Lee, and Bob Ray")
    assert not worth.says_something(f"Pumps of {run}", head=True)
    assert set(longest) == {name for _, name in patterns} and max(longest.values()) <= 400


def test_the_patterns_find_what_they_found() -> None:
    assert worth.is_boilerplate("pumps[3] = 4") and worth.is_boilerplate("pumps[] = 4")
    assert broken_headings.is_broken("Pumps 40 % iron and 5 % oil")
    assert not broken_headings.is_broken("Pumps of 40 % iron")
    glued = "Governors of engines In the event of a fault the pumps of Lyon are filled by hand."
    assert split_sentences(glued) == [] and split_sentences(glued.replace("engines In", "engines in")) != []
    assert not broken_headings.is_beside_title("A. B. C. D. E. F. G. H. I. J. K. L. M. N. O. P. and others of the town")


# Each of these took seconds to hours: a rule that tried every character of a line, or every division of it, again.
DOTS = " ." * 10_000


def test_entries_of_contents_are_read_from_their_end() -> None:
    lines = [f"Iron pumps{DOTS}", f"Iron pumps{DOTS} 12, 14", f"Iron pumps, 12 of{DOTS} Lyon 3", f"a {'1, ' * 5_000}x"]
    entries = [_ENTRY.match(line) for line in lines]
    assert [entry and (entry["term"], entry["numbers"]) for entry in entries] == [
        None,
        ("Iron pumps", "12, 14"),
        (f"Iron pumps, 12 of{DOTS} Lyon", "3"),
        None,
    ]
    assert [_LEADERS.search(line) is not None for line in lines] == [False, True, False, False]
    assert contents_pages._term(entries[1]) == "Iron pumps"
    assert contents_pages._IN_BRACKETS_AT_END.sub("", "Pumps (of iron)") == "Pumps"
    assert contents_pages._IN_BRACKETS_AT_END.sub("", "(" * 20_000) == "(" * 20_000


def test_rows_that_end_in_a_number() -> None:
    lines = [f"Pumps of Lyon 1{'.' * 20_000}{end}" for end in ("", " x")]
    assert [_is_row(line) for line in lines] == [True, False]
    assert not _is_row(f"Pumps of the old town of Lyon in France {'1.' * 10_000}x")


def test_headings_of_words_that_are_others_together() -> None:
    words = "重要提示" * 60  # "重要" and "提示" are words, too
    assert is_generic(words) and not is_generic(f"{words}泵")
    assert not is_generic("重要提示" * 5_000), "longer than any heading that is asked"


def test_lines_are_joined_and_cleaned() -> None:
    run = "a" * 20_000
    assert whole_words(f"{run} pum\x02ps {run}") == f"{run} pumps {run}" and whole_words(run) == run
    assert whole_words("pum\x02ps-val\x02ves of\ufffe \x02") == "pum\x02ps-valves of"
    assert clean_line("\u17b6" * 20_000) == "\u17b6" * 20_000 and clean_line("\u102f" * 20_000) == "\u102f" * 20_000
    assert clean_line("\u1780\u17b6\u17d2\u1781") == "\u1780\u17d2\u1781\u17b6"
    assert clean_line("\u1036\u102f\u1037\u102d") == "\u102f\u1036\u102d\u1037"


def test_marks_of_items_and_notes() -> None:
    page = PageText((Line(f"{'エ a ' * 5_000}ポンプ", 10.0), Line("ポンプ エ pumps エ valves", 10.0)), "text layer")
    assert [line.text for line in as_read(page)] == [f"{'エ a ' * 5_000}ポンプ", "ポンプ • pumps • valves"]
    marks = {
        text: _NOTE_MARK.match(text) is not None for text in ("* a", " *)", "a.", "(1)", "ab", "* 1", "*" * 20_000)
    }
    assert marks == {"* a": True, " *)": True, "a.": True, "(1)": False, "ab": False, "* 1": False, "*" * 20_000: True}
    assert _NOTE_MARK.match(f"{'*' * 20_000}ab") is None
    assert _ADDRESS.match("a@b.c") and not _ADDRESS.match("@" * 20_000) and not _ADDRESS.match("@b.c")


def test_numbers_of_notes() -> None:
    found = [match["mark"] for match in _MARKED.finditer(f"Pumps1,2 rust{',1' * 10_000}.5")]
    assert found[0] == "1,2" and len(found) < 3


def test_clauses_of_a_long_paragraph() -> None:
    (clause,) = clauses_of("กก " * 5_000) or ()
    assert clause == " ".join(["กก"] * 5_000)
