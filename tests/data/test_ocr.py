"""OCR: what is found in a picture becomes a page's text in reading order, is kept, and is read side by side."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from smart_train.data.formats import ocr_engine
from smart_train.data.formats.ocr import estimate, read_by_ocr
from smart_train.data.formats.ocr_engine import FoundLine, RapidEngine, found_line, ocr_is_installed
from smart_train.data.formats.ocr_layout import OcrPage, laid_out, same_print
from smart_train.errors import DataError, MissingExtra
from tests.data.ocr_stand_in import Scanned, engine, picture, rows
from tests.pdf_files import make_pdf

SIZE = (1000, 1000)


def line(text: str, left: float, top: float, right: float | None = None, height: float = 20) -> FoundLine:
    right = left + 10 * len(text) if right is None else right
    return found_line(text, [(left, top), (right, top), (right, top + height), (left, top + height)], [])


def texts(*lines: FoundLine) -> list[str]:
    return [line.text for line in laid_out(lines, *SIZE).lines]


def test_words_have_the_places_of_their_pieces() -> None:
    corners = [(0, 0), (100, 0), (100, 20), (0, 20)]
    pieces = [("Pump", (0.0, 0.0, 40.0, 20.0)), ("s", (41.0, 0.0, 50.0, 20.0)), ("oil", (60.0, 2.0, 100.0, 20.0))]
    assert found_line("Pumps oil", corners, pieces).words == (
        ("Pumps", (0.0, 0.0, 50.0, 20.0)),
        ("oil", (60.0, 2.0, 100.0, 20.0)),
    )


def test_characters_of_unspaced_scripts_are_words_and_letters_among_them_are_not() -> None:
    pieces = [(character, (10.0 * n, 0.0, 10.0 * n + 9, 20.0)) for n, character in enumerate("油圧ABC")]
    words = found_line("油圧 ABC", [(0, 0), (50, 0), (50, 20), (0, 20)], pieces).words
    assert words == (("油", (0.0, 0.0, 9.0, 20.0)), ("圧", (10.0, 0.0, 19.0, 20.0)), ("ABC", (20.0, 0.0, 49.0, 20.0)))


def test_words_without_pieces_get_their_part_of_the_line() -> None:
    words = found_line("ab cde", [(100, 0), (160, 0), (160, 20), (100, 20)], [("other", (0.0, 0.0, 9.0, 9.0))]).words
    assert words == (("ab", (100.0, 0.0, 120.0, 20.0)), ("cde", (130.0, 0.0, 160.0, 20.0)))


def test_columns_are_read_one_after_the_other_and_tables_by_rows() -> None:
    columns = [
        line(f"{name} column line {n}", left, 100 + 30 * n, left + 400)
        for name, left in (("left", 50), ("right", 550))
        for n in range(4)
    ]
    title, foot = (
        line("A title over both of the columns", 100, 40, 900),
        line("What is below both of the columns", 50, 300, 900),
    )
    names = [f"{name} column line {n}" for name in ("left", "right") for n in range(4)]
    assert texts(foot, *reversed(columns), title) == [title.text, *names, foot.text]
    cells = [line(f"cell {n}{name}", left, 100 + 30 * n) for n in range(4) for name, left in (("a", 50), ("b", 550))]
    assert texts(*reversed(cells)) == [f"cell {n}{name}" for n in range(4) for name in "ab"]


def test_pieces_of_one_line_are_one_line() -> None:
    page = laid_out([line("(BIOS mode)", 230, 101), line("Installer menu", 80, 100)], *SIZE)
    assert [found.text for found in page.lines] == ["Installer menu (BIOS mode)"]
    assert page.lines[0].box == (0.08, 0.1, 0.34, 0.121)
    assert [word.text for word in page.words] == ["Installer", "menu", "(BIOS", "mode)"]
    assert page.words[2].box == (0.23, 0.101, 0.28, 0.121)


def test_a_page_that_lay_askew_is_read_line_by_line() -> None:
    """Two columns, turned by two degrees: their lines cross the rows of the other column."""
    slant = np.tan(np.radians(2))
    lines = []
    for name, left in (("left", 50), ("right", 550)):
        for n in range(6):
            corners = [(x, y + slant * x) for x, y in ((left, 100 + 30 * n), (left + 400, 100 + 30 * n))]
            below = [(x, y + 20) for x, y in reversed(corners)]
            lines.append(found_line(f"{name} column, its line {n}", [*corners, *below], []))
    assert texts(*lines[::-1]) == [f"{name} column, its line {n}" for name in ("left", "right") for n in range(6)]


def test_divided_words_are_whole_in_the_text_and_as_printed_in_the_words() -> None:
    page = laid_out([line("oil the bear-", 50, 50), line("ings twice", 50, 80), line("Vor- und Nach-", 50, 110)], *SIZE)
    assert page.text == "oil the bearings\ntwice\nVor- und Nach-"
    assert [word.text for word in page.words][2:5] == ["bear-", "ings", "twice"]
    whole = laid_out([line("the bear-", 50, 50), line("ings", 50, 80)], *SIZE)
    assert whole.text == "the bearings" and len(whole.words) == 3


def test_lines_of_one_print_have_one_height() -> None:
    assert same_print([21, 25, 23, 24, 41, 44, 12]) == [24, 24, 24, 24, 41, 41, 12]
    assert same_print([]) == []


def test_lines_in_letters_that_are_not_known_are_counted_and_left_out() -> None:
    unknown = line("-oo ,    k   oo", 50, 50, 800)
    page = laid_out([unknown, line("Latin letters", 50, 100), line("7", 50, 150, 60)], *SIZE)
    assert page.text == "Latin letters\n7" and page.illegible == 1


def test_icons_that_are_read_as_chinese_are_left_out_of_pages_in_other_letters() -> None:
    latin = [line("a line of words of a manual", 50, 200 + 40 * n) for n in range(9)]
    icons = [line("凶 La police 口", 50, 50), line("中", 50, 90)]
    assert texts(*icons, *latin) == ["La police", "", *(found.text for found in latin)]
    chinese = [line("表 A", 50, 50), line("油圧を確認する", 50, 90)]
    assert texts(*chinese) == ["表 A", "油圧を確認する"]


def pages() -> list[Scanned]:
    return [rows([f"page {number} of the handbook", "words"]) for number in range(6)]


def drawn(folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    for number in range(count):
        picture(number).save(folder / f"{number}.png")
    return [folder / f"{number}.png" for number in range(count)]


def test_each_page_is_read_once_whatever_its_name(tmp_path: Path) -> None:
    files, known = drawn(tmp_path / "pages", 4), engine(pages())
    said: list[str] = []

    def read(some: list[Path]) -> list[OcrPage]:
        return read_by_ocr(some, engine=known, workers=2, cache_dir=tmp_path / "cache", say=said.append)

    first = read(files[:3])
    assert [page.lines[0].text for page in first] == [f"page {number} of the handbook" for number in range(3)]
    assert known.read_count == 3
    copy = tmp_path / "copy.png"
    copy.write_bytes(files[1].read_bytes())
    assert read([copy, *files]) == [first[1], *first, read(files)[3]] and known.read_count == 4
    assert said == [estimate(3, 0, 2, "stand-in 1"), estimate(1, 4, 1, "stand-in 1")]
    assert "reading 3 pages by OCR with stand-in 1: roughly 1 min on 2 cores" in said[0] and "(4 were" in said[1]
    kept = sorted((tmp_path / "cache").iterdir())
    kept[0].write_text('{"width": 850, "li')
    assert read(files) == read(files) and known.read_count == 5, "a broken file is read again"


def test_pages_are_read_side_by_side_each_by_an_engine_of_its_thread(tmp_path: Path) -> None:
    both, owners = threading.Barrier(2, timeout=60), set()

    class Waiting(engine(pages())):  # type: ignore[misc]
        def __init__(self) -> None:
            self.thread = threading.get_ident()

        def read(self, picture: np.ndarray) -> list[FoundLine]:
            both.wait()  # would break if one page waited for the other
            assert self.thread == threading.get_ident()
            owners.add(self)
            return []

    read_by_ocr(drawn(tmp_path / "pages", 4), engine=Waiting, workers=2, cache_dir=tmp_path / "cache")
    assert len(owners) == 2


class Lying:
    """Reads a page of three lines that has a dark square at its left top, however the page lies; what is not upright
    with little confidence. `read_count` counts."""

    read_count = 0
    blocks = 3

    @staticmethod
    def named() -> str:
        return "lying 1"

    def read(self, picture: np.ndarray) -> list[FoundLine]:
        type(self).read_count += 1
        height, width, _ = picture.shape
        tall, wrong = width > height, bool(picture[:20, :20].mean() > 100 and picture[:20, -20:].mean() > 100)
        found = []
        for place in range(self.blocks):
            near, far = 100 + 40 * place, 120 + 40 * place
            corners = [(100, near), (500, near), (500, far), (100, far)]
            if tall:
                corners = [(y, x) for x, y in (corners[0], corners[3], corners[2], corners[1])]
            text = "l  l" if wrong else f"line {place} of the page"
            found.append(found_line(text, corners, [], 0.6 if wrong else 0.99))
        return found


@pytest.mark.parametrize(("lies", "turned", "reads"), [(0, 0, 1), (90, 270, 3), (180, 180, 2), (270, 90, 2)])
def test_a_page_that_lies_on_its_side_or_upside_down_is_turned(
    tmp_path: Path, lies: int, turned: int, reads: int
) -> None:
    picture(0).rotate(lies, expand=True).save(tmp_path / "page.png")
    known = type("Known", (Lying,), {})
    for _ in range(2):
        (page,) = read_by_ocr([tmp_path / "page.png"], engine=known, workers=1, cache_dir=tmp_path / "cache")
        assert page.text == "line 0 of the page\nline 1 of the page\nline 2 of the page"
        assert (page.turned, page.width, page.height) == (turned, 850, 1100), "places are those of the turned picture"
        assert page.words[0].box[:2] == (100 / 850, 100 / 1100)
    assert known.read_count == reads


def test_lines_from_top_to_bottom_that_turning_makes_worse_stay(tmp_path: Path) -> None:
    class Columns(Lying):
        def read(self, picture: np.ndarray) -> list[FoundLine]:
            found = super().read(picture)
            return found[:1] if picture.shape[0] > picture.shape[1] else found

    picture(0).rotate(270, expand=True).save(tmp_path / "page.png")
    (page,) = read_by_ocr([tmp_path / "page.png"], engine=Columns, workers=1, cache_dir=tmp_path / "cache")
    assert page.turned == 0 and all(f"line {place} of" in page.text for place in range(3))


def test_what_was_read_before_an_error_is_kept(tmp_path: Path) -> None:
    files, known = drawn(tmp_path / "pages", 3), engine(pages())
    files[2].write_bytes(b"no picture")
    for _ in range(2):
        with pytest.raises(DataError, match=r"2\.png"):
            read_by_ocr(files, engine=known, workers=1, cache_dir=tmp_path / "cache")
    assert known.read_count == 2
    with pytest.raises(DataError, match=r"none\.png: no such file"):
        read_by_ocr([tmp_path / "none.png"], engine=known, cache_dir=tmp_path / "cache")


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr_engine, "ocr_is_installed", lambda: False)
    with pytest.raises(MissingExtra, match=r"need rapidocr and onnxruntime: pip install 'smart_train\[ocr\]'"):
        read_by_ocr(drawn(tmp_path / "pages", 1), cache_dir=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.slow
@pytest.mark.skipif(not ocr_is_installed(), reason="the extra ocr is not installed")
def test_the_library_reads_a_printed_page_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most words, each where it is printed: at the place where the text layer has it."""
    import socket

    pdfium = pytest.importorskip("pypdfium2")
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a network was asked"))
    text = ["Worn bearings take linseed oil twice", "a year, and the valve is closed by hand."]
    make_pdf(tmp_path / "page.pdf", [[(14, text[0]), (14, text[1])]], [])
    pdfium.PdfDocument(tmp_path / "page.pdf")[0].render(scale=2).to_pil().save(tmp_path / "page.png")
    (page,) = read_by_ocr([tmp_path / "page.png"], engine=RapidEngine, workers=1, cache_dir=tmp_path / "cache")
    wanted = " ".join(text).split()
    read = page.text.split()
    assert len(set(wanted) & set(read)) >= 0.9 * len(set(wanted))
    valve = next(word for word in page.words if word.text == "valve")
    layer = pdfium.PdfDocument(tmp_path / "page.pdf")[0].get_textpage()
    place = layer.get_text_range().index("valve")
    left, bottom, _, top = layer.get_charbox(place)
    right = layer.get_charbox(place + 4)[2]
    printed = (left / 612, 1 - top / 792, right / 612, 1 - bottom / 792)
    assert np.abs(np.subtract(valve.box, printed)).max() < 0.02
