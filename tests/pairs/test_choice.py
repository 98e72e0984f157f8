"""Which queries are kept, and which pages are held out."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from smart_train.errors import DataError
from smart_train.pairs.candidates import Page, telling_sentences
from smart_train.pairs.chances import PageChances
from smart_train.pairs.page_parts import Line, Parts, parts_of
from smart_train.pairs.specific import PageWords, candidates_of, choose_queries
from smart_train.pairs.split import repeated_pages, split_documents, split_pages, without_repeated
from smart_train.pairs.words import as_words


def ranked(told: Page, rarity: Callable[[str], float] = lambda word: 1.0) -> list[str]:
    """The sentences of a page, likeliest first."""
    chances = PageChances(told.parts, told.heads, rarity, 1.0)
    return [a.query for a in sorted(telling_sentences(told, chances), key=lambda asked: -asked.chance)]


def page(text: str, number: int = 0, **candidates: str) -> Page:
    return Page("a.pdf", number, as_words(text), Parts([], [], text), list(candidates.items()))


def test_a_second_answer_or_common_words_disqualify_a_query() -> None:
    pages = [page("one two three"), page("two three four"), page("one five"), *(page("five six") for _ in range(57))]
    index = PageWords(pages)
    assert index.answers_alone("One, two", 0)
    assert not index.answers_alone("two three", 0), "two pages say it"
    assert not index.answers_alone("three two", 0), "the order counts"
    assert not index.answers_alone("one two", 1) and not index.answers_alone("?!", 0)
    assert index.rarity("one") == pytest.approx(math.log(1 + 60 / 2))
    common = [page("alpha beta")] + [page(f"beta alpha {n}") for n in range(60)]
    assert not PageWords(common).answers_alone("alpha beta", 0), "no word of it is rare"


class _Common(set[int]):
    """The pages of a frequent word, of which it may be asked whether one is among them, and no more."""

    def __iter__(self) -> Iterator[int]:
        raise AssertionError("all pages of a frequent word were gone through")

    def __or__(self, _: Any) -> Any:
        raise AssertionError("all pages of a frequent word were copied")


@pytest.mark.parametrize("apart", [False, True])
def test_what_a_query_costs_does_not_grow_with_its_frequent_words(apart: bool) -> None:
    pages = [page(f"common words here {'rare' if number == 3 else ''}", number) for number in range(200)]
    index = PageWords(pages)
    for word in ("common", "words", "here"):
        index.places[word] = _Common(index.places[word])
    assert index.answers_alone("words here rare", 3, apart=apart)
    assert not index.answers_alone("common words here", 3, apart=apart)


def test_pages_that_answer_alone_are_those_that_all_pages_say() -> None:
    rng = random.Random(0)
    words = [f"w{number}" for number in range(12)]
    pages = [page(" ".join(rng.choices(words, weights=range(1, 13), k=6)), number) for number in range(40)]
    for one in pages:
        one.running = " ".join(rng.sample(words, 1))
    index, agreeing = PageWords(pages), 0
    for _ in range(2000):
        place = rng.randrange(40)
        asked = rng.sample(pages[place].words.split(), rng.randrange(1, 4))
        for apart in (False, True):
            held = [{*p.words.split(), *(p.running.split() if apart else ())} for p in pages]
            having = {number for number, of_page in enumerate(held) if {*asked} <= of_page}
            phrase = f" {' '.join(asked)} "
            saying = {number for number in having if phrase in pages[number].words}
            rare = any(sum(word in of_page for of_page in held) <= 5 for word in asked)
            right = rare and (having == {place} if apart else saying == {place})
            assert index.answers_alone(" ".join(asked), place, apart=apart) == right
            agreeing += right
    assert agreeing > 20


def test_headings_leave_room_for_a_sentence_and_nothing_is_asked_twice() -> None:
    text = (
        "Sharpening old chisels. Wet stones of Lyon cut faster than dry ones. Files of steel wear out in Nice by May."
    )
    full = page(
        text,
        bookmark="Sharpening old chisels",
        heading="Old chisels",
        caption="Wet stones of Lyon cut",
        term="Files of steel",
    )
    other = page("something else altogether")
    chosen = choose_queries([full, other], 4)
    kinds = sorted(kind for kind, _ in chosen[0])
    assert list(chosen) == [0] and kinds == ["bookmark", "sentence", "sentence"], "sentences say the others again"
    heads = page(
        "Sharpening old chisels. Oiling new saws. Storing rusty files. Wet stones of Lyon cut faster than dry ones.",
        bookmark="Sharpening old chisels",
        heading="Oiling new saws",
        caption="Storing rusty files",
    )
    kinds = [kind for kind, _ in choose_queries([heads, other], 4)[0]]
    assert len(kinds) == 3 and kinds.count("sentence") == 1, "half of them are of the structure"
    assert len(choose_queries([full, other], 1)[0]) == 1
    bare = page("Sharpening old chisels, wet stones", bookmark="Sharpening old chisels", caption="Wet stones")
    assert sorted(kind for kind, _ in choose_queries([bare], 4)[0]) == ["bookmark", "caption"], "no sentence"


def test_what_is_hardly_worth_asking_is_not_asked() -> None:
    told = page("Wet stones of Lyon cut faster than dry ones. Files of steel wear out in Nice by May.")
    asked = sorted(candidates_of(told, PageWords([told])), key=lambda one: -one.chance)
    assert [one.kind for one in asked] == ["sentence", "sentence"] and asked[0].chance > asked[1].chance
    likely, less = (one.chance for one in asked)
    for least, count in ((likely + 1e-9, 0), (likely, 1), (less + 1e-9, 1), (less, 2)):
        chosen = choose_queries([told], 4, least).get(0, [])
        assert [query for _, query in chosen] == [one.query for one in asked[:count]]
    head = page("Sharpening old chisels, wet stones", bookmark="Sharpening old chisels")
    likeliest = max(candidates_of(head, PageWords([head])), key=lambda one: one.chance)
    assert likeliest.kind == "bookmark"
    assert choose_queries([head], 4, likeliest.chance) == {0: [("bookmark", "Sharpening old chisels")]}
    assert choose_queries([head], 4, likeliest.chance + 1e-9) == {}, (
        "what is not a sentence has to be as likely as others"
    )


def test_lines_are_asked_for_that_stand_for_themselves() -> None:
    slide = page("Asia: up by a fifth\nThe plant in Osaka\nStaff\nWhich sold more than the plant in Osaka")
    other = page("The plant in Lyon. Sales of the plant in Lyon rose by a tenth.")
    chosen = choose_queries([slide, other], 3)
    assert chosen[0] == [("line", "Which sold more than the plant in Osaka")]
    assert [kind for kind, _ in chosen[1]] == ["sentence"]
    notes = "Staff of the plants was counted\n* Valves of the plant in Osaka are old"
    slide = Page("a.pdf", 0, as_words(notes), Parts([], [], notes, notes="Staff of the plants was counted"))
    assert choose_queries([slide], 3) == {0: [("line", "Valves of the plant in Osaka are old")]}, "no line of the notes"


def test_sentences_are_ranked_by_what_the_page_repeats_and_others_lack() -> None:
    common = "Common words stand in many a sentence of this and that"
    rare = "Rare gneiss and rare schist of Lyon are the subject of stones"
    weights = dict.fromkeys(("gneiss", "schist", "rare"), 2.0)
    found = ranked(page(f"{common}. {rare}. Gneiss is not schist."), lambda word: weights.get(word, 0.1))
    assert found[0] == rare


def test_of_two_sentences_that_tell_as_much_the_longer_one_comes_first() -> None:
    short = "Granite valves rust near iron pumps"
    whole = "Granite valves near iron pumps are of granite rust near valves of iron and near iron granite"
    assert ranked(page(f"{short}. {whole}."))[0] == whole
    unspaced = "花崗岩の弁は鉄の喞筒の側で錆びる"
    told = f"{unspaced}が銅の弁と花崗岩の喞筒は鉄の側で錆びない"
    assert ranked(page(f"{unspaced}。{told}。"))[0] == told


def test_a_vague_heading_is_less_likely_than_one_that_says_what_it_is_about() -> None:
    text = "Pump data. Repair of rotary pumps. Pumps and data of Lyon are kept."
    vague, telling = page(text, heading="Pump data"), page(text, heading="Repair of rotary pumps")
    chances = [next(candidates_of(told, PageWords([told]))) for told in (vague, telling)]
    assert [asked.query for asked in chances] == ["Pump data", "Repair of rotary pumps"]
    assert chances[0].chance < chances[1].chance


def test_a_heading_is_joined_with_what_the_running_head_of_its_page_says() -> None:
    section = [("section", "Rotary pumps: Procedure")]
    pages = [
        Page("a.pdf", 0, as_words("Procedure: fill it"), Parts([], [], ""), section, running=as_words("Rotary pumps")),
        Page("a.pdf", 1, as_words("Rotary pumps are shown"), Parts([], [], ""), section),
    ]
    assert choose_queries(pages, 3) == {0: section}
    pages[1].running = as_words("Procedure")
    assert choose_queries(pages, 3) == {}, "both pages show all of its words"


def test_items_are_asked_for_with_the_heading_that_they_stand_under() -> None:
    lines = [
        Line("Rotary pumps", 20),
        *(
            Line(text, 10, 40, 200)
            for text in ("• Fill the upper tank with oil", "• Oil", "• Valves: open the lower one")
        ),
        Line("Not an item of it at all", 10, 300, 400),
        Line("Conclusions", 20),
        Line("• Nothing stands under this generic heading", 10, 40, 200),
    ]
    parts = parts_of(lines, 10)
    slide = Page("a.pdf", 0, as_words(" ".join(line.text for line in lines)), parts)
    items = [asked.query for asked in candidates_of(slide, PageWords([slide])) if asked.kind == "item"]
    assert items == ["Rotary pumps: Fill the upper tank with oil"]


def test_documents_are_split_by_content_not_by_name() -> None:
    sizes = {f"{name}.pdf": 10 for name in "abcdefghij"}
    digests = {key: f"digest of {key}" for key in sizes}
    held_out = split_documents(sizes, digests, 0.2, 0)
    assert len(held_out) == 2
    renamed = split_documents({f"x/{key}": 10 for key in sizes}, {f"x/{k}": v for k, v in digests.items()}, 0.2, 0)
    assert renamed == {f"x/{key}" for key in held_out}
    assert any(split_documents(sizes, digests, 0.2, seed) != held_out for seed in (1, 2, 3))
    with pytest.raises(DataError, match="1 documents cannot be split into 2 parts; at least 2"):
        split_documents({"a": 1}, {"a": ""}, 0.2, 0)


@pytest.mark.parametrize("sizes", [(900, 100), (1, 1), (1000, 1, 1), (5, 500)])
def test_one_document_at_least_and_never_all_are_held_out(sizes: tuple[int, ...]) -> None:
    named = {str(number): size for number, size in enumerate(sizes)}
    for seed in range(8):
        assert 1 <= len(split_documents(named, named | {k: k for k in named}, 0.2, seed)) < len(sizes)


def test_one_document_is_split_at_a_chapter_with_a_page_between() -> None:
    assert split_pages(range(20), [0, 15], 0.2) == (list(range(14)), list(range(15, 20)))
    assert split_pages(range(20), [0, 3], 0.2) == (list(range(15)), list(range(16, 20))), "too far away"
    assert split_pages([4, 6, 9], [], 0.5) == ([4], [9])
    with pytest.raises(DataError, match="a single document of 2 usable pages .* at least 3 pages"):
        split_pages([0, 1], [], 0.2)


def test_pages_that_repeat_held_out_text_are_found() -> None:
    licence = "you may copy and change and pass on this text as long as you keep this note " * 3
    training = [
        page(licence),
        page(f"{licence} and then some of its own"),
        page("all of its own words, and only these"),
    ]
    training.append(Page.without_text("scan.pdf", 0))
    held_out = [page(f"{licence} in a manual"), Page.without_text("scan.pdf", 1)]
    assert repeated_pages(training, held_out) == {0, 1}


def test_a_page_that_is_said_again_stays_in_the_last_part_alone() -> None:
    again = "the licence grants nothing at all to anyone who reads this page"
    own = {name: page(" ".join(f"{name}{number}" for number in range(8))) for name in ("train", "chosen", "test")}
    parts = {name: [page(again, number), text] for number, (name, text) in enumerate(own.items())}
    kept, dropped = without_repeated(parts)
    assert list(kept) == ["train", "chosen", "test"] and dropped == 2
    assert kept == {"train": [own["train"]], "chosen": [own["chosen"]], "test": parts["test"]}


def test_a_part_without_a_likely_query_gets_its_likeliest() -> None:
    pages = [
        page("Wet stones of Lyon cut faster than dry ones. Files of steel wear out in Nice by May."),
        page("Copper saws of Bern are filed by hand in the winter.", 1),
    ]
    first, second = (max(one.chance for one in candidates_of(told, PageWords(pages))) for told in pages)
    least = max(first, second) + 0.01
    assert choose_queries(pages, 4, least) == {}
    lowered: dict[int, float] = {}
    chosen = choose_queries(pages, 4, least, parts=[range(1), range(1, 2)], lowered=lowered)
    assert set(chosen) == {0, 1} and set(lowered) == {0, 1} and all(bound < least for bound in lowered.values())
    assert choose_queries(pages, 4, 0.01, parts=[range(1), range(1, 2)], lowered=(none := {})) and none == {}
