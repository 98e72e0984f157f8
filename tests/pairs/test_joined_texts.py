"""Texts of a page searched as one: what is found, and how often each heading and pair is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from smart_train.pairs import chances, context, page_parts, wholeness
from smart_train.pairs.candidates import Page, telling_sentences
from smart_train.pairs.chances import PageChances
from smart_train.pairs.context import Contexts, heads_of_pages
from smart_train.pairs.joined_texts import BlockTexts, JoinedTexts
from smart_train.pairs.page_parts import Block, Line, Parts, parts_of
from smart_train.pairs.sections import of_headings

BLOCKS = 300


def test_texts_are_found_as_one_by_one() -> None:
    texts = ["iron pumps", "", "pumps of iron, pumps", "valves"]
    joined = JoinedTexts(texts)
    for part in ("pumps", "iron", "iron pumps", "valves", "s", "pumps of", "steam", "pumpspumps"):
        assert joined.holding(part) == [(at, text.find(part)) for at, text in enumerate(texts) if part in text]
        assert joined.first(part) == next((at for at, text in enumerate(texts) if part in text), None)
    assert joined.holding("pumps") == [(0, 5), (2, 0)] and JoinedTexts([]).first("pumps") is None


def test_blocks_and_the_beginnings_of_their_paragraphs() -> None:
    blocks = BlockTexts(["Pumps rust. Valves do.\n2) Valves do.", "", "Oil helps. Valves do."])
    assert blocks.holding("Valves do.") == [0, 2] and blocks.holding("Steam") == []
    assert blocks.begins(0, "Valves do.", 6) and not blocks.begins(0, "Valves do.", 3)
    assert not blocks.begins(2, "Valves do.", 6)


class Counted(Sequence[list[str]]):
    """The headings over each block, which count how often they are looked at."""

    def __init__(self, count: int) -> None:
        self._count, self.looks = count, 0

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, at: Any) -> Any:
        if at >= self._count:
            raise IndexError
        self.looks += 1
        return [f"Oil change {at} of old pumps"]


def sentence(number: int) -> str:
    return f"The pump {number} of Lyon is filled with oil by hand."


def page_of_blocks() -> Parts:
    blocks = [Block(f"Oil change of pump {at}", [Line(sentence(at), 10.0)]) for at in range(BLOCKS)]
    return Parts([], [], "\n".join(map(sentence, range(BLOCKS))), blocks=blocks)


def test_no_sentence_looks_at_all_blocks() -> None:
    heads = Counted(BLOCKS)
    contexts = Contexts(page_of_blocks(), heads)
    heads.looks = 0
    for at in range(BLOCKS):
        assert contexts.over(sentence(at)) == f"Oil change {at} of old pumps" and not contexts.is_source(sentence(at))
    assert heads.looks <= 4 * BLOCKS


def test_headings_are_made_words_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    words_of = chances.words_of

    def counted(text: str) -> list[str]:
        made.append(text)
        return words_of(text)

    heads = [["Oil change"], *([f"Pump {at}"] for at in range(BLOCKS - 1))]
    judged = PageChances(page_of_blocks(), heads, lambda word: 1.0, 1.0)
    monkeypatch.setattr(chances, "words_of", counted)
    for at in range(BLOCKS):
        judged.signs_of_sentence(sentence(at), sentence(at), weak_head=False, named=True, linked=False)
    assert made == [sentence(at) for at in range(BLOCKS)]


def test_a_sentence_that_a_page_says_again_and_again_is_judged_once() -> None:
    parts = Parts([], [], "\n".join([sentence(1)] * BLOCKS), blocks=[Block("", [Line(sentence(1), 10.0)] * BLOCKS)])
    page = Page("pumps.pdf", 1, "", parts, heads=[["Oil change of old pumps"]])
    judged = PageChances(parts, page.heads, lambda word: 1.0, 1.0)
    assert len(list(telling_sentences(page, judged))) == 1


def test_pairs_of_cells_are_made_words_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    words_of = wholeness.words_of

    def counted(text: str) -> list[str]:
        made.append(text)
        return words_of(text)

    monkeypatch.setattr(wholeness, "words_of", counted)
    apart = frozenset(f"pump {at}  of Lyon" for at in range(BLOCKS))
    assert sum(wholeness.holds_apart(sentence(at), apart) for at in range(2 * BLOCKS)) == BLOCKS
    assert len(made) == 3 * BLOCKS


def test_headings_one_under_the_other() -> None:
    """Each stands under those in larger print, of which the nearest are looked at."""
    headings = [(300.0 - at, f"Pump of Lyon number {at}") for at in range(BLOCKS)]
    parts = [Parts(headings, [], "", blocks=[Block(text, []) for _, text in headings])]
    heads = heads_of_pages(parts, [], ["Manual of pumps"])[0]
    assert max(map(len, heads)) == context._MOST_OVER + 1
    assert (
        heads[-1][:2] == ["Pump of Lyon number 299", "Pump of Lyon number 298"] and heads[-1][-1] == "Manual of pumps"
    )
    sections = [text for _, text in of_headings([headings]) if text.endswith("number 299")]
    assert sections == [f"Pump of Lyon number {at}: Pump of Lyon number 299" for at in range(298, 292, -1)]


def test_bold_lines_are_not_read_to_their_end_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    class Lines(list[Line]):
        def __getitem__(self, at: Any) -> Any:
            nonlocal looks
            looks += 1
            return super().__getitem__(at)

    lines = Lines([Line("Pumps of Lyon", 10.0, bold=at < 120) for at in range(400)])
    monkeypatch.setattr(page_parts, "ends_on_purpose", lambda lines, place: True)
    parts = parts_of(lines, 10.0)
    assert len(parts.blocks) < 10 and looks < 20 * len(lines)
