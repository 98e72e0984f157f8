"""PDF files read as text: pages, chunks of them, rows that name them, and pages that cannot be read so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from smart_train.data import SourceConfig, check_examples, load_documents, load_examples
from smart_train.data.formats.page_text import TEXT_LAYER, PageText
from smart_train.data.formats.pdf_text_layer import TextLine
from smart_train.data.formats.pdfs_as_texts import PdfText, read_pdf_texts, without_text
from smart_train.data.text_chunks import chunks_of, estimated_tokens, split_text
from smart_train.errors import DataError, LeftOut
from smart_train.types import ModelInput
from tests.pdf_files import locked_pdf, make_pdf

pytest.importorskip("pypdfium2")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is kept in the user's own cache, and nothing is read by OCR, whether it is installed or not."""
    monkeypatch.setattr("smart_train.data.formats.ocr_engine.ocr_is_installed", lambda: False)
    monkeypatch.setenv("SMART_TRAIN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def manual(tmp_path: Path) -> Path:
    """Three pages, the second without text."""
    path = tmp_path / "pdf" / "manual.pdf"
    path.parent.mkdir()
    make_pdf(path, [["Open the valve.", "Close the lid."], [], ["Drain the oil."]], [])
    return path


def count(text: str) -> int:
    """Two tokens around every text, one for each word."""
    return 2 + len(text.split())


def test_pages_are_read_once_and_none_is_drawn(manual: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = read_pdf_texts(manual)
    assert [(page.id, page.text, page.made_by) for page in pages] == [
        ("manual.pdf#page=1", "Open the valve.\nClose the lid.", TEXT_LAYER),
        ("manual.pdf#page=2", "", None),
        ("manual.pdf#page=3", "Drain the oil.", TEXT_LAYER),
    ]
    monkeypatch.setattr("smart_train.data.formats.pdfs_as_texts.read_page_text", None)
    assert read_pdf_texts(manual) == pages
    assert not list(cache.rglob("*.png"))


def test_ligatures_are_spelt_out() -> None:
    page = PageText((TextLine("o\ufb03ce \ufb01le", 10), TextLine("m²", 10)), TEXT_LAYER)
    assert page.spelt == "office file\nm²" and page.text.startswith("o\ufb03ce")


def test_a_folder_is_its_pages_and_those_without_text_are_named(manual: Path) -> None:
    Image.new("RGB", (4, 4)).save(manual.with_name("cover.png"))
    with pytest.warns(LeftOut) as told:
        found = load_documents(SourceConfig(manual.parent, pages_as="text"))
    assert found == [
        ("manual.pdf#page=1", ModelInput(text="Open the valve.\nClose the lid.")),
        ("manual.pdf#page=3", ModelInput(text="Drain the oil.")),
    ]
    lines = [str(warning.message) for warning in told]
    assert lines[0].endswith(
        "pdf: 1 of 3 pages have no legible text: manual.pdf (page 2); pip install 'smart_train[ocr]' to have them read "
        "by OCR, or read pages as images, with a model that reads them"
    )
    assert "pdf: 1 picture without a text layer: cover.png; pip install 'smart_train[ocr]' to have" in lines[1]


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    make_pdf(tmp_path / "scan.pdf", [[], []], [])
    with pytest.raises(DataError, match=r"2 of 2 pages have no legible text: scan.pdf \(page 1-2\); pip install"):
        load_documents(SourceConfig(tmp_path, pages_as="text"))
    locked_pdf(tmp_path / "locked.pdf")
    with pytest.raises(
        DataError, match=r"1 files cannot be read; .*\n.*locked.pdf: is protected by a password; save a"
    ):
        load_documents(SourceConfig(tmp_path, pages_as="text"))
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "pictures" / "a.png")
    with pytest.raises(DataError, match=r"pictures: holds no PDF file, and a text of pictures comes by OCR alone; pip"):
        load_documents(SourceConfig(tmp_path / "pictures", pages_as="text"))


def test_options_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="data source a: pages_as is 'words'; it must be image or text"):
        SourceConfig("a", pages_as="words")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="data source a: dpi is 72, but pages_as is text, and no page is drawn for its"):
        SourceConfig("a", pages_as="text", dpi=72)


def test_rows_name_pages_by_their_text(manual: Path) -> None:
    names = ["manual.pdf#page=1", "manual.pdf?page=3", "manual.pdf#page=3&chunk=2", "Words that are a document."]
    rows = [{"query": f"query {place}", "positive": name} for place, name in enumerate(names)]
    rows[0]["negatives"] = ["manual.pdf#page=3"]
    source = manual.with_name("rows.jsonl")
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    examples, report = check_examples(load_examples(SourceConfig(source, pages_as="text")), reads=("text",))
    assert [example.documents[0].text for example in examples] == [
        "Open the valve.\nClose the lid.",
        "Drain the oil.",
        "Drain the oil.",
        "Words that are a document.",
    ]
    assert examples[0].document_ids == ("manual.pdf#page=1", "manual.pdf#page=3")
    assert examples[0].documents[1] == examples[1].documents[0] and examples[1].document_ids == ("manual.pdf#page=3",)
    assert dict(report.details())["inputs"] == "queries: 4 text; positives: 4 text; negatives: 1 text"
    with pytest.raises(
        DataError, match="holds image .* but the model reads only text; .*--pages-as text on the command"
    ):
        check_examples(load_examples(SourceConfig(source)), reads=("text",))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "manual.pdf#page=2",
            r"manual.pdf, page 2 has no legible text; pip install 'smart_train\[ocr\]' to have them read by OCR, or",
        ),
        ("manual.pdf#page=9", "manual.pdf has pages 1 to 3, not 9"),
        ("other.pdf#page=1", "other.pdf: cannot be read .*; put the right file there, or remove the row"),
        ("../manual.pdf#page=1", "path ../manual.pdf is outside"),
        ("manual.pdf", "names a whole PDF file; name a page of it"),
    ],
)
def test_a_row_whose_page_cannot_be_read_is_named(manual: Path, name: str, message: str) -> None:
    source = manual.with_name("rows.jsonl")
    source.write_text(json.dumps({"query": "a", "positive": name}) + "\n")
    with pytest.raises(DataError, match=f"row 0, column 'positive': .*{message}"):
        check_examples(load_examples(SourceConfig(source, pages_as="text")))


def test_silent_pages_are_counted_by_file() -> None:
    pages = [PdfText(name, number, "", None) for name in ("a.pdf", "b.pdf") for number in (1, 2, 3, 5)]
    told = without_text([*pages, PdfText("c.pdf", 1, "text", TEXT_LAYER)], "run")
    assert told is not None
    assert told.startswith("8 of 9 pages have no legible text: a.pdf (page 1-3, 5), b.pdf (page 1-3, 5); run")
    many = [PdfText(f"{name}.pdf", 1, "", None) for name in "abcdefg"]
    assert "e.pdf (page 1) and 2 more files;" in (without_text(many, "run") or "")
    assert without_text([], "run") is None


def test_chunks_fit_keep_words_whole_and_lose_nothing() -> None:
    text = "\n".join(f"Line {number} says a few words of its own. And more." for number in range(30))
    for limit in (5, 11, 40, 100):
        parts = split_text(text, limit, count)
        assert " ".join(parts).split() == text.split()
        sizes = [count(part) for part in parts]
        assert max(sizes) <= limit and len(parts) <= 1 + 2 * count(text) / (limit - 2)
    assert all(part.endswith((".", "More.", "more.")) for part in split_text(text, 40, count)), "sentences stay whole"
    assert split_text(" one two ", 4, count) == ["one two"] and split_text(" \n", 4, count) == []


def test_words_are_cut_only_where_one_is_longer_than_a_chunk() -> None:
    def letters(text: str) -> int:
        return len(text)

    parts = split_text(f"short {'x' * 50} end", 20, letters)
    assert "".join(parts).replace(" ", "") == f"short{'x' * 50}end" and max(map(len, parts)) <= 20
    assert parts[0].startswith("short") and parts[-1].endswith("end")
    unspaced = "".join(f"水管{chr(0x4E00 + place)}。" for place in range(60))
    assert "".join(split_text(unspaced, 24, letters)) == unspaced
    with pytest.raises(DataError, match="chunks of 2 tokens: the character 'x' alone has 3; allow more tokens"):
        split_text("xxx", 2, lambda text: 3)


def test_ids_of_chunks_keep_file_and_page() -> None:
    def split(text: str) -> list[str]:
        return split_text(text, 5, count)

    assert list(chunks_of("a.pdf#page=7", "one two three", split)) == [("a.pdf#page=7", "one two three")]
    assert [name for name, _ in chunks_of("a.pdf#page=7", "one two three four", split)] == [
        "a.pdf#page=7&chunk=1",
        "a.pdf#page=7&chunk=2",
    ]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("valve", 2), ("Pump 3.5.", 5), ("水管", 2), ("клапан", 3), ("snake_case", 4)],
)
def test_tokens_are_estimated_by_letters(text: str, tokens: int) -> None:
    assert estimated_tokens(text) == tokens
