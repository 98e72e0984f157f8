"""Pages that are tables, forms, price lists or contents rather than text."""

from __future__ import annotations

import regex

from smart_train.pairs.page_parts import Parts
from smart_train.pairs.words import tokens_of

_LEAST_LINES = 4
_TABULAR, _NUMBERS = 0.5, 0.3  # shares: of lines with numbers on such a page; of a line's words
_BETWEEN_ENTRIES = regex.compile(r"\p{Ll} \d{1,3} \p{Lu}")
_PRICES = regex.compile(r"[%\p{Sc}].*[%\p{Sc}]")
_ENDS_IN_NUMBER = regex.compile(r"\d\W*$")


def is_tabular(parts: Parts) -> bool:
    """Whether most lines below the headings of a page are rows of numbers, or end in one."""
    lines = [line.text for block in parts.blocks for line in block.lines]
    return len(lines) >= _LEAST_LINES and sum(map(_is_row, lines)) > _TABULAR * len(lines)


def _is_row(line: str) -> bool:
    tokens = tokens_of(line)
    numbers = sum(any(character.isdigit() for character in token) for token in tokens)
    if numbers > 1 and _PRICES.search(line):
        return True
    return numbers > 0 and (numbers >= _NUMBERS * len(tokens) or _ENDS_IN_NUMBER.search(line) is not None)


def has_page_number(sentence: str) -> bool:
    """Whether a number stands between two entries of a list, as in contents: "Of pumps 37 Of valves"."""
    return _BETWEEN_ENTRIES.search(sentence) is not None
