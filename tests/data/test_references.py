"""What a row calls an image by is read or refused, and never becomes a document of text."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from smart_train.data import SourceConfig, check_examples, load_documents, load_examples, references
from smart_train.data.misspelt_media import reads_as_name
from smart_train.data.references import References
from smart_train.errors import DataError
from smart_train.types import ModelInput
from tests.pdf_files import make_pdf

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMART_TRAIN_CACHE", str(tmp_path / "cache"))


def documents(path: Path, **options: Any) -> list[ModelInput]:
    rows = load_examples(SourceConfig(path, **options))
    check_examples(rows)
    return [row.documents[0] for row in rows]


def positives(*values: Any) -> list[dict[str, Any]]:
    return [{"query": f"question {place}", "positive": value} for place, value in enumerate(values)]


@pytest.mark.parametrize(
    "name",
    [
        "pages/1.png ",
        "\ufeffpages/1.png\u200b\n",
        " pages/1.png\t",
        "./pages/1.png",
        "pages\\1.png",
        "pages/1.png?raw=1",
        "pages/1.png#top",
        "pages/%31.png",
    ],
)
def test_spellings_of_a_path_are_read(pages: list[Path], write_jsonl: Write, name: str) -> None:
    (found,) = documents(write_jsonl(*positives(name)))
    assert found == ModelInput(images=(pages[1],))


def test_an_address_of_a_file_is_read_below_the_root(pages: list[Path], write_jsonl: Write) -> None:
    (found,) = documents(write_jsonl(*positives(pages[1].as_uri())))
    assert found == ModelInput(images=(pages[1],))
    with pytest.raises(DataError, match="path /elsewhere/1.png is outside"):
        documents(write_jsonl(*positives("file:///elsewhere/1.png")))


def test_marks_that_belong_to_a_name_stay(pages: list[Path], write_jsonl: Write) -> None:
    for name in ("a#1.png", "b?c.png", "d%20e.png"):
        pages[0].with_name(name).write_bytes(pages[0].read_bytes())
        (found,) = documents(write_jsonl(*positives(f"pages/{name}")))
        assert found.images == (pages[0].with_name(name),)


@pytest.mark.parametrize(
    "name",
    ["m.pdf#page=2", "m.pdf#Page=2", "M.PDF#page=02", "m.pdf#page=2&zoom=1", "m.pdf?page=2", "m.pdf#view=Fit&page=2 "],
)
def test_pages_of_pdf_files(write_jsonl: Write, tmp_path: Path, name: str) -> None:
    pytest.importorskip("pypdfium2")
    make_pdf(tmp_path / name[:5], [["one"], ["two"]], [])
    path = write_jsonl(*positives(name))
    (row,) = load_examples(SourceConfig(path, dpi=20))
    assert row.documents[0].images[0].name == "page-00002.png"
    assert row.document_ids == (f"{name[:5]}#page=2",)


def test_pages_of_tiff_files(write_jsonl: Write, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (9, 7), color) for color in ("red", "green")]
    frames[0].save(tmp_path / "scan.tif", save_all=True, append_images=frames[1:])
    (row,) = load_examples(SourceConfig(write_jsonl(*positives("scan.tif#page=2"))))
    assert row.document_ids == ("scan.tif#page=2",)
    assert Image.open(row.documents[0].images[0]).convert("RGB").getpixel((0, 0)) == (0, 128, 0)
    with pytest.raises(DataError, match="scan.tif has pages 1 to 2, not 3"):
        documents(write_jsonl(*positives("scan.tif#page=3")))
    with pytest.raises(DataError, match="holds 2 pages, and one document is one page"):
        documents(write_jsonl(*positives("scan.tif")))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *((name, "name a page of a PDF file as FILE.pdf#page=N")
          for name in ("m.pdf#2", "m.pdf:2", "m.pdf, page 2", "m.pdf (p. 2)", "m.pdf#nameddest=x")),
        *((name, "is not an address that is read .http, https, file.; download it")
          for name in ("s3://b/1.png", "az://b/1", "gs://b/1.mp4")),
        ("https://example.org/m.pdf#page=2", "is a PDF file on the web; download it"),
        ("https://[4]/1.png", r"https://\[4\]/1.png is not a whole address; correct it"),
        ("pages/1", r'there is no file pages/1, did you mean pages/1.png\? Name it with its extension'),
        ("pages/absent", r'there is no file pages/absent. Name it with its extension, or write ."text": .pages/absent'),
        ("data:application/pdf;base64,JVBERi0=", "a data URI with data of type application/pdf; only images are read"),
        ("data:text/plain,words", "the data URI 'data:text/plain,words' is not an image in base64"),
        ("data:;base64," + base64.b64encode(b"%PDF-1.7" + bytes(60)).decode(), "a data URI with a PDF file"),
        (base64.b64encode(b"%PDF-1.7" + bytes(80)).decode(), "base64 of a PDF file; only images are read so"),
        ("a.svg", "a.svg is not an image type that can be read; convert it"),
        ("slides.pptx", "slides.pptx is not an image type that can be read"),
        (base64.b64encode(bytes(range(1, 256))).decode(), "base64 of a file of an unknown kind"),
        ("\\x89504e470d0a1a0a" + "00" * 40, "are bytes, written as text; write them in base64, or name a file"),
        (repr(b"\x89PNG\r\n" + bytes(60)), "are bytes, written as text"),
        ("<pages/1.png>", "looks like a name"),
        ("my scan.heic", "looks like a name"),
        ("notes.md", "notes.md is not an image type that can be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(pages: list[Path], write_jsonl: Write, name: str, message: str) -> None:
    (pages[0].parent.parent / "notes.md").write_text("a file that is there")
    with pytest.raises(DataError, match=f"row 0, column 'positive': .*{message}"):
        documents(write_jsonl(*positives(name)))


@pytest.mark.parametrize(
    "name",
    ["1", "pages_1", "torque.html", "my scan.heic", "report 2024.docx", "scan.xyz", "page 3",
     "see m.pdf, page 2", "b'iVBORw0KGgo'", "https://example.com explains the torque"],
)  # fmt: skip
@pytest.mark.parametrize("column", ["positive", "negatives"])
def test_a_name_among_images_is_refused(pages: list[Path], write_jsonl: Write, name: str, column: str) -> None:
    values = ([name], ["pages/2.png"]) if column == "negatives" else (name, "pages/2.png")
    rows = [{"query": "q", "positive": "pages/1.png", **{column: value}} for value in values]
    message = rf"row 0, column '{column}': .* looks like a name, .* which this column holds in other rows; correct the"
    with pytest.raises(DataError, match=message):
        documents(write_jsonl(*rows))
    row = {"query": "q", "positive": "a page of words"}
    texts = [{**row, column: value} for value in ([name], ["more words here"])]
    if column == "negatives" and name.split()[-1] in ("1", "pages_1", "3"):
        assert documents(write_jsonl(*texts)), "where all are texts, a name is one of them"


def test_sentences_among_images_are_texts(pages: list[Path], write_jsonl: Write) -> None:
    texts = [
        "A wheel that a belt runs over.",
        "皮带是一种挠性件，用来连接两个带轮并传递动力",
        "It rises.",
        "pulley",
        "Yes",
    ]
    found = documents(write_jsonl(*positives("pages/0.png", *texts, {"text": "pages/1.png"}, {"text": "42"})))
    assert [item.text for item in found] == [None, *texts, "pages/1.png", "42"]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
@pytest.mark.parametrize("written", ["bare", "lines", "uri", "no type", "octets", "url-safe", "cell", "path"])
def test_images_in_base64(write_jsonl: Write, form: str, written: str) -> None:
    page = Image.new("RGB", (9, 7), "teal")
    page.putpixel((3, 2), (250, 251, 252))
    buffer = io.BytesIO()
    page.save(buffer, format=form)
    content = buffer.getvalue()
    text = base64.b64encode(content).decode()
    value: Any = {
        "bare": text,
        "lines": base64.encodebytes(content).decode(),
        "uri": f"data:image/{form.lower()};base64,{text}",
        "no type": f"data:;base64,{text}",
        "octets": f"data:application/octet-stream;base64,{text}",
        "url-safe": base64.urlsafe_b64encode(content).decode().rstrip("="),
        "cell": {"bytes": text},
        "path": {"bytes": text, "path": None},
    }[written]
    (found,) = documents(write_jsonl(*positives(value)))
    assert found.text is None and len(found.images) == 1


def test_letters_that_are_no_image_are_a_text(write_jsonl: Write) -> None:
    protein = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVV" * 4
    assert documents(write_jsonl(*positives(protein))) == [ModelInput(text=protein)]
    with pytest.raises(DataError, match="row 0, column 'positive': the bytes are str, and not an image in base64"):
        documents(write_jsonl(*positives({"bytes": "words"})))


def test_a_query_that_names_a_file_is_refused(pages: list[Path], write_jsonl: Write) -> None:
    """A query's text is read as text; but the name of a page that is there was not meant to be read."""
    for query in ("pages/0.png ", "data:image/png;base64,iVBORw0KGgo="):
        path = write_jsonl({"query": query, "positive": "pages/0.png"})
        with pytest.raises(DataError, match="column 'query': .* names an image or a video; write"):
            documents(path)
    path = write_jsonl({"query": "logo.png", "positive": "pages/0.png"}, {"query": {"text": "pages/0.png"},
                       "positive": "pages/0.png"})  # fmt: skip
    assert [row.query.text for row in load_examples(SourceConfig(path))] == ["logo.png", "pages/0.png"]


def test_a_corpus_is_read_by_the_same_rules(pages: list[Path], write_jsonl: Write) -> None:
    path = write_jsonl({"id": "a", "document": "pages/0.png "}, {"id": "b", "document": "pages_1"})
    with pytest.raises(DataError, match="row 1, column 'document': 'pages_1' looks like a name"):
        load_documents(SourceConfig(path))


@pytest.mark.parametrize("column", ["query", "positive", "instruction", "query_id", "document_id", "negatives"])
def test_half_a_character_is_named_with_its_row(pages: list[Path], write_jsonl: Write, column: str) -> None:
    """JSON may hold half of an emoji, which neither a tokenizer nor a file of UTF-8 takes."""
    rows = [{"query": f"find page {i}", "positive": f"pages/{i}.png"} for i in range(4)]
    broken = "broken \ud83d here"
    rows[2][column] = [broken] if column == "negatives" else broken  # type: ignore[assignment]
    path = write_jsonl(*rows)
    assert "\\ud83d" in path.read_text()
    message = rf"row 2, column '{column}': character 7 is '.ud83d', half of a character .* \(after 'broken '\); write"
    with pytest.raises(DataError, match=message):
        check_examples(load_examples(SourceConfig(path)))
    rows[2][column] = ["whole 😀 now"] if column == "negatives" else "whole 😀 now"  # type: ignore[assignment]
    assert "\\ud83d" in json.dumps(rows[2]), "two escapes that belong together are one character"
    check_examples(load_examples(SourceConfig(write_jsonl(*rows))))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        *((text, True) for text in ("page_1", "pages/1", "page 12", "see m.pdf, page 2", "my scan.heic", "4.5")),
        *((text, False) for text in ("a text", "A gear.", "In the U.S.", "pulley", "Its torque is 4.5 Nm")),
        *((text, True) for text in ("manual page 2", "IMG 0001 copy", "doc_01 rev_2 p3", "scan 7 of 12")),
        *(
            (text, False)
            for text in ("It weighs 4 kg.", "World War 2", "a scan of it", "scan 7 of the 12 pages", "about 20 minutes")
        ),
        ("clip.mkv and more", True),
        ("a text about clip.mkv, and more", False),
    ],
)
def test_names_and_words(text: str, name: bool) -> None:
    assert reads_as_name(text) == name


def test_words_are_told_apart_from_names_before_every_pattern_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The quick look lets a text through only where the patterns would."""
    reads = References(tmp_path, 144)
    firsts = ["file.pdf", "a", "a.b", "data:x", "http://a.b/c", "deep/er"]
    lasts = ["page 3", "b.png", "b.png.", "b.png#top", "b.png?raw=1 2", "b.pdf#page=2", "b.PDF", "end.", "end", ".svg"]
    between = (" ", " and ", "\n")
    texts = [*firsts, *(f"{first}{blank}{last}" for first in firsts for blank in between for last in lasts)]

    def told(text: str) -> str:
        try:
            return str(reads.locate(text, "here", is_image=False))
        except DataError as error:
            return str(error)

    quick = [told(text) for text in texts]
    assert sum(map(references._surely_words, texts)) > 20
    monkeypatch.setattr(references, "_surely_words", lambda name: False)
    assert quick == [told(text) for text in texts]


@pytest.mark.parametrize(
    "positive", ["pages/\ud800.png", {"image": "\ud800.png"}, {"bytes": None, "path": "\ud800.png"}, "https://a/\ud800"]
)
def test_half_of_a_character_in_a_name_is_an_error_of_its_row(write_jsonl: Write, positive: Any) -> None:
    """It could not be written into a report, nor shown on a terminal."""
    with pytest.raises(DataError, match=r"row 0, column 'positive': character \d+ is '.ud800', half of a"):
        documents(write_jsonl({"query": "q", "positive": positive}))


def test_half_of_a_character_in_the_name_of_a_column(write_jsonl: Write) -> None:
    with pytest.raises(DataError, match=r"train.jsonl: the name of a column: character 0 is '.ud800'"):
        documents(write_jsonl({"query": "q", "positive": "p", "\ud800": 1}))


@pytest.mark.parametrize("text", ["\u200b", "\ufeff \u2060", "\x00\x07"])
@pytest.mark.parametrize("column", ["query", "positive"])
def test_what_nobody_sees_is_empty(write_jsonl: Write, text: str, column: str) -> None:
    row = {"query": "q", "positive": "p", column: text}
    with pytest.raises(DataError, match=f"row 0: the {column} is empty .column '{column}'"):
        check_examples(load_examples(SourceConfig(write_jsonl(row))))


@pytest.mark.parametrize("query", ["pages/9.png", "https://example.org/1.jpg", "pages/9.pdf#page=2"])
def test_a_query_that_can_only_be_a_reference_is_refused(pages: list[Path], write_jsonl: Write, query: str) -> None:
    """Its folder is there, or it is an address; the file itself may be missing."""
    with pytest.raises(DataError, match="column 'query': .* names an image or a video; write"):
        documents(write_jsonl({"query": query, "positive": "pages/0.png"}))
    for words in ("logo.png", "what is in and/or.png", "https://example.org"):
        (row,) = load_examples(SourceConfig(write_jsonl({"query": words, "positive": "pages/0.png"})))
        assert row.query.text == words


def test_names_that_label_studio_gives(pages: list[Path], write_jsonl: Write, tmp_path: Path) -> None:
    (tmp_path / "upload" / "3").mkdir(parents=True)
    upload = tmp_path / "upload" / "3" / "ab-1.png"
    upload.write_bytes(pages[1].read_bytes())
    path = write_jsonl(
        {"query": "q", "positive": "/data/local-files/?d=pages/0.png"},
        {"query": "q", "positive": "/data/upload/3/ab-1.png"},
    )
    assert documents(path) == [ModelInput(images=(pages[0],)), ModelInput(images=(upload,))]
