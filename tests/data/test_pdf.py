"""Pages of PDF files: rendered once, numbered, with their text; every file that cannot be read says why."""

from __future__ import annotations

import base64
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from unittest.mock import Mock

import pytest
from PIL import Image

from smart_train.data import PdfPage, read_pdf, read_pdfs
from smart_train.data.formats import pdf, pdfs_as_texts
from smart_train.data.formats.pdf import open_pdf, page_cache
from smart_train.data.formats.pdfs_as_texts import read_pdf_texts
from smart_train.data.formats.tiff import read_image_pages
from smart_train.errors import DataError
from smart_train.inputs.images import load_image, tiff_pages
from tests.pdf_files import locked_pdf, make_pdf

pdfium = pytest.importorskip("pypdfium2")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """b.pdf of two pages with a bookmark to the second, sub/a.PDF of one."""
    (tmp_path / "pdfs" / "sub").mkdir(parents=True)
    make_pdf(tmp_path / "pdfs" / "b.pdf", [["First page."], ["Second", "page."]], [("The end", 1)])
    make_pdf(tmp_path / "pdfs" / "sub" / "a.PDF", [["Alone."]], [])
    return tmp_path / "pdfs"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_pages_in_order_with_numbers_text_and_titles(folder: Path, cache: Path) -> None:
    pages = list(read_pdfs(folder, dpi=36, cache_dir=cache))
    assert all(isinstance(page, PdfPage) for page in pages)
    assert [page.id for page in pages] == ["b.pdf#page=1", "b.pdf#page=2", "sub/a.PDF#page=1"]
    assert [page.text for page in pages] == ["First page.", "Second\npage.", "Alone."]
    assert [page.titles for page in pages] == [(), ("The end",), ()]
    for page in pages:
        with Image.open(page.image) as image:
            assert image.size == (306, 396) and image.mode == "RGB"  # 612 x 792 points at half a pixel each
            assert image.getextrema() != ((255, 255),) * 3, "the text is drawn"


def test_pages_are_rendered_once_for_a_content_and_a_resolution(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (page,) = read_pdf(folder / "sub" / "a.PDF", dpi=36, cache_dir=cache)
    finer = read_pdf(folder / "sub" / "a.PDF", dpi=72, cache_dir=cache)
    assert finer[0].image != page.image
    copy = folder / "copy.pdf"
    copy.write_bytes((folder / "sub" / "a.PDF").read_bytes())

    def never(*_: object) -> None:
        raise AssertionError("rendered again")

    monkeypatch.setattr(pdfium, "PdfDocument", never)
    (again,) = read_pdf(copy, dpi=36, cache_dir=cache)
    assert (again.image, again.text, again.id) == (page.image, page.text, "copy.pdf#page=1")


def test_a_cache_cut_off_is_filled_again(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def cut(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", cut)
        with pytest.raises(Killed):
            read_pdf(folder / "b.pdf", dpi=36, cache_dir=cache)
    assert not list(cache.iterdir()), "nothing half made is left"
    assert len(read_pdf(folder / "b.pdf", dpi=36, cache_dir=cache)) == 2


def test_another_process_may_be_faster(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename, calls = Path.rename, []

    def beaten(made: Path, target: Path) -> Path:
        calls.append(made)
        if len(calls) == 1:  # the other process finishes between our last page and our renaming
            read_pdf(folder / "b.pdf", dpi=36, cache_dir=cache)
        return rename(made, target)

    monkeypatch.setattr(Path, "rename", beaten)
    pages = read_pdf(folder / "b.pdf", dpi=36, cache_dir=cache)
    assert len(calls) == 2 and all(page.image.is_file() for page in pages)
    assert len(list(cache.iterdir())) == 1


def test_where_pages_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMART_TRAIN_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert page_cache() == tmp_path / "xdg" / "smart_train" / "pdf-pages"
    monkeypatch.setenv("SMART_TRAIN_CACHE", str(tmp_path / "own"))
    assert page_cache() == tmp_path / "own" / "pdf-pages"


def test_a_broken_cache_folder_that_cannot_be_replaced_is_named(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_pdf(folder / "b.pdf", dpi=36, cache_dir=cache)
    (kept,) = cache.iterdir()
    (kept / "pages.json").write_text("")
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)  # another user's, in a folder that all share
    with pytest.raises(DataError, match=f"^{re.escape(str(kept))}: its pages.json cannot be read, and it cannot be"):
        read_pdf(folder / "b.pdf", dpi=36, cache_dir=cache)


def test_one_thread_at_a_time_is_in_pdfium(folder: Path) -> None:
    file = folder / "b.pdf"
    content, inside = file.read_bytes(), Event()

    def second() -> int:
        with open_pdf(file, content) as opened:
            inside.set()
            return len(opened)

    with ThreadPoolExecutor(1) as pool:
        with open_pdf(file, content) as opened:
            other = pool.submit(second)
            assert not inside.wait(0.2) and len(opened) == 2
        assert other.result(timeout=60) == 2


def test_many_threads_read_pages_and_text(tmp_path: Path, cache: Path) -> None:
    files = [tmp_path / f"{number}.pdf" for number in range(24)]
    for number, file in enumerate(files):
        make_pdf(file, [[f"Page {page} of file {number}."] for page in range(3)], [])
    with ThreadPoolExecutor(8) as pool:
        drawn = pool.map(lambda file: read_pdf(file, dpi=20, cache_dir=cache), files)
        texts = list(pool.map(lambda file: read_pdf_texts(file, cache_dir=cache), files))
        assert [len(pages) for pages in drawn] == [3] * 24
    assert [[page.text for page in pages] for pages in texts] == [
        [f"Page {page} of file {number}." for page in range(3)] for number in range(24)
    ]


def test_threads_that_read_one_file_draw_it_once(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, texts = Mock(wraps=pdf._render), Mock(wraps=pdfs_as_texts._read)
    monkeypatch.setattr(pdf, "_render", drawn)
    monkeypatch.setattr(pdfs_as_texts, "_read", texts)
    files = [folder / "b.pdf"] * 8
    with ThreadPoolExecutor(8) as pool:
        assert {len(pages) for pages in pool.map(lambda file: read_pdf(file, dpi=20, cache_dir=cache), files)} == {2}
        assert {len(pages) for pages in pool.map(lambda file: read_pdf_texts(file, cache_dir=cache), files)} == {2}
    assert (drawn.call_count, texts.call_count) == (1, 1)


def test_files_that_cannot_be_read_say_why_and_others_are_read(folder: Path, cache: Path) -> None:
    (folder / "a-text.pdf").write_text("not a PDF")
    locked_pdf(folder / "c-locked.pdf")
    (folder / "b-cut.pdf").write_bytes((folder / "b.pdf").read_bytes()[:300])
    found = list(read_pdfs(folder, dpi=36, cache_dir=cache))
    assert [page.id for page in found if isinstance(page, PdfPage)] == [
        "b.pdf#page=1",
        "b.pdf#page=2",
        "sub/a.PDF#page=1",
    ]
    errors = [str(error) for error in found if isinstance(error, DataError)]
    for error, (name, why) in zip(
        errors,
        (
            ("a-text.pdf", "is not a PDF file, it begins with b'not a PDF'; fetch it again"),
            ("b-cut.pdf", "cannot be read as PDF (Failed to load document"),
            ("c-locked.pdf", "is protected by a password; save a copy without one"),
        ),
        strict=True,
    ):
        assert error.startswith(f"{folder / name.split(',')[0]}") and name in error and why in error


def test_a_page_too_large_for_the_resolution_is_drawn_smaller(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smart_train.data.formats.pdf.MAX_PIXELS_LIMIT", 612 * 792)
    monkeypatch.setattr("smart_train.data.formats.pdf._FITTED_PIXELS", 306 * 396)
    content = (folder / "b.pdf").read_bytes().replace(b"[0 0 612 792]", b"[0 0 1224 1584]", 1)
    (folder / "large.pdf").write_bytes(content)
    large, other = read_pdf(folder / "large.pdf", dpi=72, cache_dir=cache)
    assert (large.dpi, other.dpi) == (18.0, 72.0)
    with Image.open(large.image) as image:
        assert image.size == (306, 396)


def repeated(path: Path, times: int, side: int) -> Path:
    """A file of one square page, of `side` points, that is named many times."""
    make_pdf(path, [["Page."]], [])
    content = path.read_bytes().replace(b"[0 0 612 792]", f"[0 0 {side} {side}]".encode())
    kid = content[content.index(b"/Kids[") + 6 :].split(b"]")[0]
    path.write_bytes(
        content.replace(b"/Count 1/Kids[" + kid, f"/Count {times}/Kids[".encode() + b" ".join([kid] * times))
    )
    return path


def test_a_small_file_of_many_large_pages_is_refused_before_any_is_drawn(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    monkeypatch.setattr("smart_train.data.formats.pdf._draw", lambda *_: drawn.append(1) or {"dpi": 1, "blank": False})
    file = repeated(tmp_path / "bomb.pdf", 300, 4700)
    told = (
        r"bomb.pdf: its 300 pages have 26,508 million pixels at 144 dpi, and a file of \d+ bytes may have \d+ million;"
    )
    with pytest.raises(DataError, match=told):
        read_pdf(file, cache_dir=cache)
    assert not drawn
    assert len(read_pdf(file, dpi=18, cache_dir=cache)) == 300  # 414 million
    assert len(read_pdf(repeated(tmp_path / "a.pdf", 5, 4700), cache_dir=cache)) == 5  # 442 million


def test_more_pages_than_a_file_has_bytes_for(tmp_path: Path, cache: Path) -> None:
    file = repeated(tmp_path / "many.pdf", 1, 10)
    content = file.read_bytes()
    tree = content[content.index(b"/Type/Pages/Count 1/Kids[") :].split(b"]")[0]
    deep = b"/Type/Pages/Count 500000/Kids[" + tree.split(b"[")[1]
    file.write_bytes(content.replace(tree, deep))
    with pytest.raises(
        DataError, match=r"many.pdf: says that it has 500000 pages, and a file of \d+ bytes may have 1\d+: "
    ):
        read_pdf(file, cache_dir=cache)


def test_pages_of_tiff_files(tmp_path: Path, cache: Path) -> None:
    frames = [Image.new("1", (20, 30 + number), number) for number in range(3)]
    frames[0].save(tmp_path / "scan.tif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "one.TIFF")
    pages = list(read_image_pages(tmp_path / "scan.tif", "in/scan.tif", cache_dir=cache))
    assert [name for name, _ in pages] == [f"in/scan.tif#page={number}" for number in (1, 2, 3)]
    for number, (_, file) in enumerate(pages):
        with Image.open(file) as image:
            assert image.size == (20, 30 + number) and image.mode == "RGB"
    assert list(read_image_pages(tmp_path / "one.TIFF", "one.TIFF")) == [("one.TIFF", tmp_path / "one.TIFF")]
    content = (tmp_path / "scan.tif").read_bytes()
    address = "data:image/tiff;base64," + base64.b64encode(content).decode()
    for held in (tmp_path / "scan.tif", content, address):
        with pytest.raises(DataError, match="holds 3 pages, and one document is one page; name a folder of TIFF files"):
            load_image(held)


def test_a_smaller_copy_in_a_tiff_file_is_not_a_page(tmp_path: Path) -> None:
    small = Image.new("RGB", (4, 6))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    Image.new("RGB", (20, 30)).save(tmp_path / "photo.tif", save_all=True, append_images=[small])
    assert tiff_pages(tmp_path / "photo.tif") == [0] and load_image(tmp_path / "photo.tif").size == (20, 30)


def test_footnote_marks_are_not_read_and_exponents_are(tmp_path: Path, cache: Path) -> None:
    def small(digits: str, rise: int) -> str:
        return f") Tj 6 Tf {rise} Ts ({digits}) Tj 0 Ts 10 Tf ("

    make_pdf(tmp_path / "marks.pdf", [["MARKED"]], [])
    text = f"The red valves{small('12', 4)} of iron.{small('3', 4)} Over 10 m{small('2', 4)}, CO{small('2', -2)}, type2"
    text += f"; pumps{small('1,2', 4)}, gears{small('3-5', 4)}, cranks{small('*', 4)} and levers{small('a', 4)}"
    text += f", shells\\206; XIX{small('e', 4)} and files*"  # a dagger; a century, and a sign as high as the word
    text = text.replace(") Tj 6 Tf", ") Tj /F1 6 Tf").replace("Ts 10 Tf", "Ts /F1 10 Tf")
    content = (tmp_path / "marks.pdf").read_bytes().decode("latin-1")
    drawn = content.replace("(MARKED)", f"({text})")
    length = int(content.split("/Length ")[1].split(">")[0])
    drawn = drawn.replace(f"/Length {length}>>", f"/Length {length + len(text) - len('MARKED')}>>")
    (tmp_path / "marks.pdf").write_bytes(drawn.encode("latin-1"))
    (page,) = read_pdf(tmp_path / "marks.pdf", dpi=36, cache_dir=cache)
    assert "".join(page.text.split()) == (
        "Theredvalvesofiron.Over10m2,CO2,type2;pumps,gears,cranksandlevers,shells;XIXeandfiles*"
    )


def test_blank_pages_are_told(tmp_path: Path, cache: Path) -> None:
    make_pdf(tmp_path / "half.pdf", [["Something."], []], [])
    assert [page.blank for page in read_pdf(tmp_path / "half.pdf", dpi=36, cache_dir=cache)] == [False, True]


def test_bad_calls(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    for path, options, message in (
        (tmp_path / "none", {}, "none: no such file or folder"),
        (tmp_path / "empty", {}, "empty: holds no PDF file"),
        (folder, {"dpi": 0}, "b.pdf: dpi is 0; it must be at least 1"),
    ):
        with pytest.raises(DataError, match=message):
            list(read_pdfs(path, cache_dir=tmp_path / "cache", **options))
    monkeypatch.setitem(__import__("sys").modules, "pypdfium2", None)
    with pytest.raises(DataError, match=r"PDF files need pypdfium2: pip install 'smart_train\[pdf\]'"):
        list(read_pdfs(folder, cache_dir=tmp_path / "cache"))


@pytest.mark.parametrize("box", ["700 800 900 1000", "100 100 100 100", "-50 0 0 792"])
@pytest.mark.parametrize("inherited", [False, True])
def test_a_page_whose_visible_box_is_empty_shows_its_whole_paper(
    tmp_path: Path, cache: Path, box: str, inherited: bool
) -> None:
    file = tmp_path / "a.pdf"
    make_pdf(file, [["first"], ["second"]], [])
    paper, content = b"/MediaBox[0 0 700 900]", file.read_bytes().replace(b"/MediaBox[0 0 612 792]", b"")
    content = content.replace(b"/Type/Pages", b"/Type/Pages" + paper)
    first = f"/Type/Page/CropBox[{box}]".encode() + (b"" if inherited else paper)
    file.write_bytes(content.replace(b"/Type/Page/", first + b"/", 1))
    pages = read_pdf(file, dpi=72, cache_dir=cache)
    assert [(Image.open(page.image).size, page.text, page.blank) for page in pages] == [
        ((700, 900), "first", False),
        ((700, 900), "second", False),
    ]
    assert [page.text for page in read_pdf_texts(file, cache_dir=cache)] == ["first", "second"]
