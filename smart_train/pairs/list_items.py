"""Items of a list, asked for with the heading that they stand under: what a page of a slide show can be asked for."""

from __future__ import annotations

from collections.abc import Iterator

from smart_train.pairs.broken_headings import is_broken
from smart_train.pairs.generic_headings import is_generic
from smart_train.pairs.page_parts import Parts
from smart_train.pairs.paragraphs import paragraphs, starts_item
from smart_train.pairs.sentences import split_lines
from smart_train.pairs.words import without_numbering, words_of

_HEAD_WORDS = 10  # at most; longer ones are running text in large print


def items_under(parts: Parts) -> Iterator[str]:
    """`heading: item` of each item that is as whole as a line must be, in order. One with a label of its own ("Valves:
    open") or in the small print of notes is left out."""
    notes = set(parts.notes.split("\n"))
    for block in parts.blocks:
        head = without_numbering(block.head).strip(" .:。：")
        if is_generic(head) or is_broken(head) or len(words_of(head)) > _HEAD_WORDS:
            continue
        for paragraph in paragraphs(block.lines).split("\n"):
            if starts_item(paragraph) and ": " not in paragraph and paragraph not in notes:
                yield from (f"{head}: {item}" for item in split_lines(paragraph))
