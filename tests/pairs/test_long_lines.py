"""A line of 20,000 characters, as minified code and broken text layers have it, takes no longer than its length."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from smart_train.pairs import broken_headings, sentences, worth
from smart_train.pairs.sentences import split_sentences


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
