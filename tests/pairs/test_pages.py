"""What a page's text layer is taken apart into."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from smart_train.data import read_pdf
from smart_train.pairs.candidates import Page, is_telling, telling_sentences
from smart_train.pairs.chances import PageChances
from smart_train.pairs.contents_pages import is_listing
from smart_train.pairs.documents import read_document
from smart_train.pairs.page_parts import Line, Parts, body_size, body_sizes, parts_of
from smart_train.pairs.running_lines import without_running_lines
from smart_train.pairs.sentences import split_lines, split_sentences
from smart_train.pairs.words import (
    as_words,
    clean,
    length_in_words,
    reads_backwards,
    without_numbering,
    words_of,
)
from tests.pairs.conftest import write_manual
from tests.pdf_files import make_pdf


def plain(*texts: str) -> list[Line]:
    return [Line(text, 10) for text in texts]


def test_words() -> None:
    assert clean("soft\n\n  ﬁne  “print” ") == 'soft\nfine "print"'
    assert clean("น้ำมัน 5 m²") == "น้ำมัน 5 m²", "their compatible forms are not what anyone types"
    assert as_words("The foo-bar, v2!") == " the foo bar v2 "
    assert as_words("wo thr") not in as_words("one two three"), "words count, not letters"
    assert words_of("漢字とkana 12") == ["漢", "字", "と", "kana", "12"]


@pytest.mark.parametrize(
    ("text", "words", "length"),
    [
        ("हिन्दी में लिखें १२", ["हिन्दी", "में", "लिखें", "१२"], 4),
        ("தண்ணீர் மேலே", ["தண்ணீர்", "மேலே"], 2),
        ("שָׁלוֹם עולם", ["שָׁלוֹם", "עולם"], 2),
        ("می\u200cشود", ["می\u200cشود"], 1),
        ("한국어 문장", ["한국어", "문장"], 2),
        ("เปิดน้ำมัน", ["เ", "ปิ", "ด", "น้", "ำ", "มั", "น"], 2),
        ("ប្រេង", ["ប្", "រេ", "ង"], 1),
    ],
)
def test_words_keep_their_marks_in_every_script(text: str, words: list[str], length: int) -> None:
    assert words_of(text) == words and length_in_words(text) == length


@pytest.mark.parametrize(
    ("heading", "stripped"),
    [
        ("1.2.3 The shell", "The shell"),
        ("Appendix A Notes", "Notes"),
        ("B.1 Usage", "Usage"),
        ("C entry points", "C entry points"),
        ("3D plots", "3D plots"),
        ("2018 report on pumps", "2018 report on pumps"),
    ],
)
def test_numbering_is_taken_off_headings(heading: str, stripped: str) -> None:
    assert without_numbering(heading) == stripped


def test_running_heads_and_feet_go_and_one_heading_stays() -> None:
    pages = [plain(f"Chapter 2: Tools {n}", "text", *(f"line {n}{i}x" for i in "abc"), f"{n}") for n in range(5, 9)]
    pages[0].insert(0, Line("Tools", 18))
    kept = without_running_lines(pages, body=10)
    assert kept[0][0].text == "Tools"
    assert not any("Chapter" in line.text for page in kept for line in page[:1] if line.text != "Tools")
    assert all(page[-1].text.startswith("line") for page in kept)
    two = without_running_lines(pages[:2], body=10)
    assert [len(page) for page in two] == [6, 5], "two pages may agree by chance; only their numbers go"


def test_running_heads_in_large_print_and_with_the_page_number_go() -> None:
    """Every page has another head, in print as large as a heading's; what they share is their page's number."""
    names = ("Pumps", "Valves", "Seals", "Tanks")
    pages = [
        [Line(f"{number} {name}", 10), *plain(f"{name} are told of", f"{name} end"), Line(f"{number}", 14)]
        for number, name in enumerate(names, start=7)
    ]
    assert [line.text for line in without_running_lines(pages, 10)[1]] == ["Valves are told of", "Valves end"]
    large = [
        [Line(f"Handbook of pumps {n}", 14), *plain("text", f"words of {name}"), *plain("x y z")]
        for n, name in enumerate(names)
    ]
    assert not any("Handbook" in line.text for page in without_running_lines(large, 10) for line in page)
    sections = [
        [Line(f"{n} {name} and more", 14), *plain("text", "of", f"{name} end")] for n, name in enumerate(names, start=2)
    ]
    assert without_running_lines(sections, 10)[0][0].text == "2 Pumps and more", "the number of a section"


def test_running_text_sets_the_size_and_not_the_listings_between() -> None:
    prose = [Line("These words are read by people", 11)] * 3
    code = [Line(f"{n:05d} total = add(total, {n});", 8) for n in range(30)]
    table = [Line(f"Energy {n} 957 580", 9) for n in range(30)]
    assert body_size([prose + code]) == 11 and body_size([code]) == 8
    assert body_size([[Line("Balance sheet of the group", 16), *table]]) == 9, "a heading alone is not running text"
    large = [Line("Words in larger print than elsewhere", 14)] * 9
    pages = [large, prose * 20, large, [Line("Words in smaller print", 8)] * 9]
    assert body_sizes(pages) == [11, 11, 14, 11]


def test_a_line_that_most_pages_have_goes_wherever_it_stands() -> None:
    pages = [[Line(f"Text {n} of the page about {n} pumps and oil", 10)] * 3 for n in range(5)]
    for page in pages:
        page.insert(2, Line("Working paper of pumps", 10))
        page[4:] = [Line("More of the text", 10), Line("And its end", 10), Line("Nothing else", 10)]
    kept = without_running_lines(pages, 10.0)
    assert not any(line.text == "Working paper of pumps" for page in kept for line in page)
    same = [[Line(f"Line {letter} that all pages say", 10) for letter in "abcdefgh"] for _ in range(5)]
    inner = without_running_lines(same, 10.0)
    assert all(len(page) >= 4 for page in inner), "pages that say the same keep their text"
    form = [[Line("The same form of pumps", 10)] * 9 for _ in range(5)]
    assert all(len(page) >= 5 for page in without_running_lines(form, 10.0)), "a page of nothing else"


def test_a_title_is_kept_where_every_page_repeats_it_in_small_print(tmp_path: Path) -> None:
    pages = [[(24, "Handbook of Pumps"), "Second edition, revised and enlarged"]]
    pages += [["Handbook of Pumps", f"What page {number} says of valves."] for number in range(4)]
    make_pdf(tmp_path / "pumps.pdf", pages, [])
    document = read_document(tmp_path / "pumps.pdf", "pumps.pdf")
    assert document.pages[0].candidates[0] == ("title", "Handbook of Pumps")
    assert not any("handbook" in page.words for page in document.pages[1:])


def test_headings_captions_and_prose_are_told_apart() -> None:
    lines = [
        Line("Above all", 14),
        Line("3 A heading over", 14),
        Line("two lines", 14),
        *plain("Running text. Table 3 shows what", "follows."),
        *plain("Table 3: What follows, in a caption that is so long", "that it needs a second line.", "More text."),
        *plain("Abb. 4 Der Fall", "図1 構成", "Figure 12-3. Ends here. And more", "prose"),
    ]
    parts = parts_of(lines, body_size([lines]))
    assert parts.headings == [(14, "Above all"), (14, "3 A heading over two lines")]
    assert parts.captions == [
        "What follows, in a caption that is so long that it needs a second line.",
        "Der Fall",
        "構成",
        "Ends here. And more",
    ]
    assert parts.prose == "Running text. Table 3 shows what follows.\nMore text.\nprose"
    assert body_size([]) == 0 and parts_of([], 0.0).headings == []


def test_a_heading_at_the_end_of_a_page_is_not_asked_for(tmp_path: Path) -> None:
    pages = [
        [(16, "4.1 Filling pumps"), "Pumps are filled with oil before winter.", (16, "4.2 Emptying pumps")],
        ["Oil."],
    ]
    make_pdf(tmp_path / "pumps.pdf", pages, [("4.1 Filling pumps", 0), ("4.2 Emptying pumps", 0)])
    (page,) = read_document(tmp_path / "pumps.pdf", "k").pages
    assert {query for _, query in page.candidates} == {"Filling pumps"}
    alone = parts_of([Line("Pumps", 16), Line("Second edition", 16)], 10)
    assert alone.headings and not alone.cut, "a title page is nothing else"


def test_large_print_that_is_long_is_no_heading() -> None:
    lines = [Line("word " * 20, 14), Line("small print " * 20, 10)]
    assert parts_of(lines, body_size([lines])).headings == []


def test_sentences_stand_for_themselves() -> None:
    prose = (
        "of the page before. Dr. J. Doe wrote the first chapter of the book (and its preface). This sentence points "
        "at what stands before it. Too short. Its last bracket (was opened and never closed here. x = a[i] + b[j] * "
        "c[k] / 2; Y = 1. (Nobody is told of what the brackets hold.) Pumps run on petrol. png() makes pictures. "
        "7 Footnotes open with their number and are left out here. 猫は夜に外を歩くことが多い。The "
        "last one has no end and runs on"
    )
    assert split_sentences(prose) == [
        "Dr. J. Doe wrote the first chapter of the book (and its preface)",
        "猫は夜に外を歩くことが多い",
    ]


def test_sentences_that_lean_on_others_are_left_out_or_ranked_below() -> None:
    prose = (
        "Their valves open at two bars of pressure. First, it allows the pump to cool down. For example, a pump of "
        "iron rusts within a year. In particular, seals must match the diameter. Both pumps stand empty in winter. "
        "Address: Main Street 7 in Linz City: the old one is closed. The pump of iron is mended by hand."
    )
    assert split_sentences(prose) == ["A pump of iron rusts within a year", "The pump of iron is mended by hand"]
    leaning = "Iron pumps rust where these touch salt water. Iron pumps break where hard ice presses on iron."
    page = Page("a.pdf", 0, as_words(leaning), Parts([], [], leaning))
    chances = PageChances(page.parts, [], lambda word: 1.0, 1.0)
    best = max(telling_sentences(page, chances), key=lambda asked: asked.chance)
    assert best.query == "Iron pumps break where hard ice presses on iron"


@pytest.mark.parametrize(
    ("prose", "sentences"),
    [
        ("首次使用前请拆除四个运输螺栓，否则机器会剧烈振动。", ["首次使用前请拆除四个运输螺栓，否则机器会剧烈振动"]),
        ("нельзя так. Насос включают т. е. запускают только после полного заполнения водой.",
         ["Насос включают т. е. запускают только после полного заполнения водой"]),
        ("هل قمت بإزالة براغي النقل الأربعة قبل التشغيل؟ لا تستخدم الجهاز بالقرب من الماء أو في الحمام.",
         ["هل قمت بإزالة براغي النقل الأربعة قبل التشغيل؟", "لا تستخدم الجهاز بالقرب من الماء أو في الحمام"]),
    ],
)  # fmt: skip
def test_sentences_in_other_scripts(prose: str, sentences: list[str]) -> None:
    assert split_sentences(clean(prose)) == [clean(sentence) for sentence in sentences]


def test_words_that_stand_in_reverse_are_told() -> None:
    arabic = "صيانة المرشح كل شهر بالماء الدافئ إلى النصف"
    assert not reads_backwards(arabic) and not reads_backwards("no such letters")
    assert reads_backwards(" ".join(word[::-1] for word in arabic.split()))


def test_lines_that_end_on_purpose_are_not_put_together() -> None:
    """The right margin is at 300; a word of six letters takes 30."""
    lines = [
        Line("Carefully fill the tank with a mixture of oil and", 10, 40, 295),
        Line("Water before winter. Empty it again.", 10, 40, 200),
        Line("Invoice number: 17", 10, 40, 130),
        Line("Customer: Hotel Adler", 10, 40, 145),
        Line("which paid", 10, 40, 90),
        Line("• Asia: up", 10, 40, 90),
        Line("电源电压必须为二百二十伏并可靠", 10, 40, 298),
        Line("接地", 10, 40, 60),
        Line("Far to the right", 10, 400, 480),
        *plain("Where nothing is known of its place", "Lines are put together"),
    ]
    assert parts_of(lines, 10).prose.split("\n") == [
        "Carefully fill the tank with a mixture of oil and Water before winter. Empty it again.",
        "Invoice number: 17",
        "Customer: Hotel Adler which paid",
        "• Asia: up 电源电压必须为二百二十伏并可靠接地",
        "Far to the right Where nothing is known of its place Lines are put together",
    ]
    assert split_lines(
        "• Asia: up by 22 % a year;\n15 Lines of a program\nwhich paid twice over\n"
        "N_ITEMS = size of it\nIt can be one of:\nTwo words\n7 8 9 of 12"
    ) == ["Asia: up by 22 % a year"]


def test_a_page_that_is_shown_turned_is_read_in_order(tmp_path: Path) -> None:
    make_pdf(tmp_path / "upright.pdf", [["The first line of it.", "The second line of it.", "And the third one."]], [])
    content = (tmp_path / "upright.pdf").read_bytes()
    (tmp_path / "turned.pdf").write_bytes(content.replace(b"/MediaBox", b"/Rotate 90/MediaBox"))
    upright, turned = (read_document(tmp_path / f"{name}.pdf", "k").pages[0] for name in ("upright", "turned"))
    assert turned.words == upright.words
    pages = read_pdf(tmp_path / "turned.pdf", cache_dir=tmp_path / "cache")
    assert pages[0].text.split("\n")[0] == "The first line of it."


def test_what_is_long_enough_to_ask_for_something() -> None:
    assert is_telling("term", "COLUMNS") and not is_telling("heading", "Columns")
    assert is_telling("heading", "Shell columns") and not is_telling("heading", "A 1")
    assert not is_telling("heading", "Function index . . . . 12") and is_telling("heading", "And so on ...")
    assert is_telling("heading", "設定の変更") and not is_telling("caption", "so many words " * 20)


def listing(lines: list[str], pages: dict[int, str] | None = None, count: int = 40) -> bool:
    return is_listing(0, lines, pages or {}, count)


TERMS = ("anchor", "bolt", "clamp", "drill", "engine", "flange", "gauge", "hinge", "iron", "jack")


def told(shift: int = 3, of: str = "The {} of a machine") -> dict[int, str]:
    """Pages that each tell of one term, the first on page 1 as printed."""
    return {n + shift: as_words(of.format(term)) for n, term in enumerate(TERMS, start=1)}


@pytest.mark.parametrize(
    "entry", ["{term} {n}", "{term} . . . . {n}", "{n} {term} ...... {n}", "{term}, {n}, {more}", "{term} (of it), {n}"]
)
def test_listings_are_found_where_they_point(entry: str) -> None:
    lines = [entry.format(term=term, n=n, more=n + 2) for n, term in enumerate(TERMS, start=1)]
    assert listing(lines, told())
    elsewhere = dict(zip(told(), reversed(told().values()), strict=True))
    assert not listing(lines, {0: as_words("of them")}) and not listing(lines, elsewhere)
    assert not listing([f"Line {number} of a text" for number in range(9)] + ["in 1987"], told())


def test_dots_and_commas_need_fewer_entries_on_their_pages() -> None:
    """Index entries turn their words round and are wrapped: not half of them are found as they stand."""
    many = [f"{term} of {kind}, {n}" for n, term in enumerate(TERMS, start=1) for kind in ("brass", "iron")]
    few = {n + 3: as_words(f"The {term} of brass or of steel") for n, term in enumerate(TERMS[:6], start=1)}
    assert listing(many, few), "six of twenty"
    assert not listing([line.replace(",", "") for line in many], few), "without its form, eight of twenty are needed"


@pytest.mark.parametrize(
    "rows",
    [
        [f"Pump model {n} ..... {121 + 17 * n}" for n in range(9)],
        [f"Pump model {n} ..... {12 + 3 * n}" for n in range(9)],  # prices that rise, and could be pages
        ["Goodwill ..... 4,127", *(f"{name} of goods ..... {n},{957 - n}" for n, name in enumerate("ABCDEFGH"))],
        [f"{name}, {age}" for name, age in zip(sorted(TERMS), (12, 15, 9, 31, 22, 17, 40, 8, 11, 5), strict=True)],
        [f"{name}, {59 + n}" for n, name in enumerate(("Aachen", "Bonn", "Essen", "Jena", "Kiel", "Mainz", "Ulm"))],
        [f"{term}, 2" for term in TERMS],  # a list of parts: all stand on the page that tells how to put them together
    ],
)  # fmt: skip
def test_price_lists_and_registers_are_not_listings(rows: list[str]) -> None:
    pages = {n: as_words(f"Pump model {n} and goods of {name}") for n, name in enumerate("ABCDE", start=1)}
    pages[3] = as_words(" ".join(TERMS))
    assert not is_listing(0, ["Of all that we have", *rows], pages, 6)


def test_tables_of_numbers_are_not_listings() -> None:
    rows = [f"{name} of goods {n}{n} 957 {n}80" for n, name in enumerate(("Tax", "Rent", "Wages") * 3, start=1)]
    assert not listing(rows, {n: as_words(f"tax of goods {n}") for n in range(9)})
    countries = [
        f"{name} {n % 4}" for n, name in enumerate(("Austria", "Belgium", "Chile", "Denmark") * 2 + ("Egypt",))
    ]
    everywhere = {n: as_words("Austria Belgium Chile Denmark Egypt") for n in range(20)}
    assert not listing(sorted(countries), everywhere), "on every page of the book"


def test_a_document_is_read_with_all_that_points_to_its_pages(tmp_path: Path) -> None:
    write_manual(tmp_path / "alpha.pdf", "alpha")
    document = read_document(tmp_path / "alpha.pdf", "alpha.pdf")
    assert (document.page_count, document.listings, document.silent) == (5, [0, 4], [])
    assert document.chapters == [1, 2, 3, 4]
    page = document.pages[1]
    assert page.number == 2 and "manual of alpha" not in page.words
    assert page.candidates == [
        ("bookmark", "Polishing alpha basalt"),
        ("heading", "Polishing alpha basalt"),
        ("caption", "Cutting the alpha basalt slab by hand"),
        ("term", "basalt-alpha"),
    ]
    assert re.match("Worn basalt in alpha takes oil", page.parts.prose)
