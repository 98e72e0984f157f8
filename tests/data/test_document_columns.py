"""Documents with a picture or video under another name, and folders of images with a table beside them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from smart_train.data import SourceConfig, load_documents, load_examples
from smart_train.errors import DataError
from smart_train.types import ModelInput

Write = Callable[..., Path]


@pytest.mark.parametrize("column", ["image_path", "img_path", "file_name"])
def test_a_picture_beside_a_text_under_another_name(pages: list[Path], write_jsonl: Write, column: str) -> None:
    path = write_jsonl(
        {"_id": "d1", "text": "words", column: "pages/0.png"},
        {"_id": "d2", "text": "", column: "pages/1.png"},
        {"_id": "d3", "text": "words alone", column: None},
    )
    documents = dict(load_documents(SourceConfig(path)))
    assert documents["d1"] == ModelInput("words", (pages[0],))
    assert documents["d2"] == ModelInput(images=(pages[1],))
    assert documents["d3"] == ModelInput("words alone")
    alone = dict(load_documents(SourceConfig(path, columns={"positive": "text"})))
    assert alone["d1"] == ModelInput("words"), "what a map says is done"


@pytest.mark.parametrize("name", ["report.pdf", "chapter 3", "notes.txt"])
def test_where_a_text_comes_from_is_not_its_picture(write_jsonl: Write, name: str) -> None:
    path = write_jsonl({"_id": "d1", "text": "words", "file_name": name})
    assert load_documents(SourceConfig(path)) == [("d1", ModelInput("words"))]


@pytest.mark.parametrize(
    "given",
    [
        {"image_path": ["scans/1.png", "scans/2.png"]},  # nothing is there
        {"image_path": ["/pages/0.png", None]},
        {"img": ["https://example.org/pages/0.png", None]},
        {"images": [["pages/0.png", "pages/1.png"], []]},
        {"file_name": ["pages/0.png", "report.pdf"]},
        {"img": ["pages/0.png", "No image available"]},
    ],
)
def test_a_column_with_more_than_pictures_is_where_the_texts_come_from(
    pages: list[Path], write_jsonl: Write, given: dict[str, list[Any]]
) -> None:
    ((column, values),) = given.items()
    rows = ({"_id": f"d{place}", "text": f"words {place}", column: value} for place, value in enumerate(values))
    path = write_jsonl(*rows)
    assert load_documents(SourceConfig(path)) == [(f"d{n}", ModelInput(f"words {n}")) for n in range(len(values))]


def test_a_picture_that_is_missing_among_others_is_kept_and_told_when_read(
    pages: list[Path], write_jsonl: Write
) -> None:
    names = ["pages/9.png", "pages/0.png"]
    path = write_jsonl(*({"_id": name, "text": "words", "images": [name]} for name in names))
    documents = load_documents(SourceConfig(path))
    assert documents == [(name, ModelInput("words", (pages[0].parent / Path(name).name,))) for name in names]


def test_an_image_that_arrow_keeps_as_missing_is_not_a_value(pages: list[Path], write_jsonl: Write) -> None:
    missing = {"bytes": None, "path": None}
    path = write_jsonl({"id": "a", "text": "a", "img": missing}, {"id": "b", "text": "b", "img": "pages/0.png"})
    assert dict(load_documents(SourceConfig(path)))["b"] == ModelInput("b", (pages[0],))


def test_pictures_of_a_judged_corpus(pages: list[Path], tmp_path: Path) -> None:
    rows: dict[str, Any] = {
        "queries": {"_id": "q1", "text": "red?"},
        "corpus": {"_id": "d1", "text": "words", "image_path": "pages/0.png"},
        "qrels": {"query-id": "q1", "corpus-id": "d1", "score": 1},
    }
    for part, row in rows.items():
        (tmp_path / f"{part}.jsonl").write_text(json.dumps(row))
    (example,) = load_examples(SourceConfig(tmp_path))
    assert example.documents == (ModelInput("words", (pages[0],)),)


def test_videos_beside_images_of_tevatron(pages: list[Path], write_jsonl: Write, tmp_path: Path) -> None:
    corpus = write_jsonl(
        {"docid": "d1", "text": "words", "image": None, "video": None},
        {"docid": "d2", "text": "", "image": "pages/0.png", "video": None},
        {"docid": "d3", "text": "seen", "image": None, "video": "a.mp4"},
        name="corpus.jsonl",
    )
    path = write_jsonl({"query_id": "q1", "query_text": "like this", "query_image": None, "query_video": "b.mp4",
                        "positive_document_ids": ["d3"], "negative_document_ids": ["d1", "d2"]})  # fmt: skip
    rows = load_examples(SourceConfig(path, documents=corpus))
    (example,) = rows.without_content_ids()
    assert example.query == ModelInput("like this", video=tmp_path / "b.mp4")
    assert example.documents == (
        ModelInput("seen", video=tmp_path / "a.mp4"),
        ModelInput("words"),
        ModelInput(images=(pages[0],)),
    )
    assert not any("ignored" in line for line in rows.columns_used())


@pytest.mark.parametrize("table", ["metadata.jsonl", "metadata.csv"])
def test_a_folder_of_images_with_captions_is_a_corpus_of_its_images(tmp_path: Path, table: str) -> None:
    """As `datasets` keeps images (ImageFolder): what the table says of them are not the documents."""
    for number in range(2):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{number}.png")
    rows = {
        "metadata.jsonl": '{"file_name": "0.png", "text": "a"}\n{"file_name": "1.png", "text": "b"}\n',
        "metadata.csv": "file_name,text\n0.png,a\n1.png,b\n",
    }
    (tmp_path / table).write_text(rows[table])
    documents = load_documents(SourceConfig(tmp_path))
    assert documents == [(f"{number}.png", ModelInput(images=(tmp_path / f"{number}.png",))) for number in range(2)]
    mapped = SourceConfig(tmp_path / table, columns={"query": "text", "positive": "file_name"})
    assert [row.documents[0].images for row in load_examples(mapped)] == [(tmp_path / f"{n}.png",) for n in range(2)]


@pytest.mark.parametrize("table", ["metadata.jsonl", "metadata.csv"])
def test_ids_in_the_table_of_a_folder_of_images(tmp_path: Path, write_jsonl: Write, table: str) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(2):
        Image.new("RGB", (8, 8)).save(folder / f"{number}.png")
    rows = {
        "metadata.jsonl": '{"file_name": "0.png", "id": "doc-0", "text": "a"}\n{"file_name": "1.png", "id": "doc-1"}\n',
        "metadata.csv": "file_name,id,text\n0.png,doc-0,a\n1.png,doc-1,\n",
    }
    (folder / table).write_text(rows[table])
    expected = [ModelInput("a", (folder / "0.png",)), ModelInput(images=(folder / "1.png",))]
    assert load_documents(SourceConfig(folder)) == [("doc-0", expected[0]), ("doc-1", expected[1])]
    path = write_jsonl({"query": "q", "positive": "doc-1", "negatives": ["doc-0"]})
    (example,) = load_examples(SourceConfig(path, documents=folder, image_root=tmp_path))
    assert example.documents == (expected[1], expected[0]), "names start from the folder of the table"
    (folder / table).write_text(rows[table].replace("1.png", "../1.png"))
    with pytest.raises(DataError, match=r"row 1, column 'file_name': path \.\./1.png is outside"):
        load_documents(SourceConfig(folder))


@pytest.mark.parametrize("column", ["source", "file_name"])
def test_a_picture_below_a_table_of_texts_is_not_the_corpus(tmp_path: Path, column: str) -> None:
    (tmp_path / "figs").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "figs" / "logo.png")
    (tmp_path / "metadata.jsonl").write_text(f'{{"id": "a", "text": "doc one", "{column}": "report.docx"}}\n')
    assert load_documents(SourceConfig(tmp_path)) == [("a", ModelInput("doc one"))]


def test_a_table_of_rows_that_is_called_as_that_of_images(tmp_path: Path) -> None:
    """The library would look in it for the names of the pictures."""
    Image.new("RGB", (8, 8)).save(tmp_path / "logo.png")
    (tmp_path / "metadata.csv").write_text("query,positive\n01,NA\n")
    (row,) = load_examples(SourceConfig(tmp_path))
    assert row.query == ModelInput("01") and row.documents == (ModelInput("NA"),)
