"""JSON lines, CSV and Parquet hold the same columns: every kind of value, and every bad row with its place."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest

from smart_train.data import SourceConfig, load_documents, load_examples, load_own_documents
from smart_train.errors import DataError
from smart_train.types import Example, ModelInput
from tests.pdf_files import make_pdf

Write = Callable[..., Path]


def load(path: Path | str, **values: Any) -> list[Example]:
    return list(load_examples(SourceConfig(str(path), **values)))


def write(folder: Path, kind: str, rows: list[dict[str, Any]]) -> Path:
    path = folder / f"rows.{kind}"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif kind == "parquet":
        datasets.Dataset.from_list(rows).to_parquet(path)
    else:
        delimiter = {"csv": ",", "tsv": "\t"}[kind]
        cells = [[value if isinstance(value, str) else json.dumps(value) for value in row.values()] for row in rows]
        quoted = [['"' + cell.replace('"', '""') + '"' for cell in line] for line in [list(rows[0]), *cells]]
        path.write_text("\n".join(delimiter.join(line) for line in quoted) + "\n")
    return path


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hf"))
    monkeypatch.setenv("SMART_TRAIN_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("kind", ["jsonl", "csv", "tsv", "parquet"])
def test_the_same_columns_in_every_format(pages: list[Path], tmp_path: Path, kind: str) -> None:
    encoded = base64.b64encode(pages[0].read_bytes()).decode()
    row = {
        "query": "12",
        "positive": "pages/1.png",
        "negative_0": "https://example.org/2.png",
        "negative_1": encoded,
        "score": 0.5,
        "negative_0_score": -2,
        "negative_1_score": 1,
        "instruction": "Find, it says.",
        "task": "count",
        "document_id": "one",
    }
    (example,) = load(write(tmp_path, kind, [row]))
    assert example.query == ModelInput(text="12", instruction="Find, it says.")
    assert example.documents[0] == ModelInput(images=(pages[1],))
    assert example.documents[1] == ModelInput(images=("https://example.org/2.png",))
    assert example.documents[2] == ModelInput(images=(f"data:image;base64,{encoded}",))
    assert example.scores == (0.5, -2.0, 1.0)
    assert (example.task, example.document_ids[0], example.row) == ("count", "one", 0)


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_lists_of_negatives_and_scores(tmp_path: Path, kind: str) -> None:
    row = {"query": "[q]", "positive": "p", "negatives": ["a", "b"], "scores": [1.0, 0.5, 0.25]}
    (example,) = load(write(tmp_path, kind, [row]))
    assert [document.text for document in example.documents] == ["p", "a", "b"]
    assert example.query.text == "[q]" and example.scores == (1.0, 0.5, 0.25)


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_positional_columns(tmp_path: Path, kind: str) -> None:
    """sentence-transformers goes by the order of columns; a label says nothing here."""
    row = {"sentence": "q", "task": "t", "answer": "p", "wrong": "a", "other": "b", "label": 1}
    (example,) = load(write(tmp_path, kind, [row]), columns="positional")
    assert (example.query.text, example.task) == ("q", "t")
    assert [document.text for document in example.documents] == ["p", "a", "b"]


def test_sentence_transformers_names_need_no_map(write_jsonl: Write) -> None:
    rows = ({"anchor": "q", "positive": "p", "negative": "a"}, {"anchor": "q", "positive": "p", "negative_1": "a"})
    for number, row in enumerate(rows):
        (example,) = load(write_jsonl(row, name=f"{number}.jsonl"))
        assert [document.text for document in example.documents] == ["p", "a"]


def test_documents_by_id(pages: list[Path], write_jsonl: Write, tmp_path: Path) -> None:
    write_jsonl({"_id": 7, "image": "pages/0.png"}, {"_id": "x", "text": "words", "image": None}, name="corpus.jsonl")
    write_jsonl({"id": 7, "image": "pages/0.png"}, {"id": "y", "image": "pages/1.png"}, name="documents.jsonl")
    path = write_jsonl({"query": "a", "positive": 7, "negatives": ["y"]}, {"query": "b", "positive": "y"})
    config = SourceConfig(path, documents=tmp_path / "documents.jsonl")
    first, second = load_examples(config)
    assert first.documents == (ModelInput(images=(pages[0],)), ModelInput(images=(pages[1],)))
    assert first.document_ids == ("7", "y") and second.document_ids == ("y",)
    assert [identity for identity, _ in load_own_documents(config)] == ["7", "y"]
    assert load_own_documents(SourceConfig(tmp_path / "documents.jsonl")) == []


def test_documents_of_a_folder_by_path(pages: list[Path], write_jsonl: Write, tmp_path: Path) -> None:
    path = write_jsonl({"query": "a", "positive": "2.png"})
    (example,) = load(path, documents=tmp_path / "pages")
    assert example.documents[0].images == (pages[2],) and example.document_ids == ("2.png",)


def test_pages_of_pdf_files_by_number(write_jsonl: Write, tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2")
    make_pdf(tmp_path / "a.pdf", [["one"], ["two"]], [])
    path = write_jsonl({"query": "q", "positive": "./a.pdf#page=2", "negative_0": "a.pdf#page=1"})
    (example,) = load(path, dpi=20)
    assert example.document_ids == ("a.pdf#page=2", "a.pdf#page=1")
    assert [document.images[0].name for document in example.documents] == ["page-00002.png", "page-00001.png"]
    inside = write_jsonl({"query": "q", "positive": {"images": [{"image": "a.pdf#page=2"}]}}, name="inside.jsonl")
    assert load(inside, dpi=20)[0].document_ids == ("a.pdf#page=2",)
    beyond = write_jsonl({"query": "q", "positive": "a.pdf#page=3"}, name="beyond.jsonl")
    with pytest.raises(DataError, match=r"row 0, column 'positive': .*a.pdf has pages 1 to 2, not 3"):
        load(beyond, dpi=20)


BAD_TEXT = {
    "csv": [
        ("", "is empty; its first line must name the columns"),
        ("query,query\na,b\n", "its first line names 2 columns 'query'; give each column its own name"),
        ("query,positive\na,b\nc\n", "row 1: has 1 cells, the header has 2; quote cells that contain the delimiter"),
        ('query,positive\n"a"b,c\n', "line 2: .*; quote cells that contain quotes or line breaks"),
        ('query,positive,negatives\na,b,"[c"\n', "row 0, column 'negatives': not a list in JSON .* at column 2"),
        ("query,positive,score\na,b,high\n", "row 0, column 'score': 'high' is not a score; a score is a finite"),
        ("query,positive\na,\n", "row 0: column 'positive' is null"),
    ],
    "jsonl": [
        (
            '{"query": "a", "positive": "p.pdf#page=1"}',
            "row 0, column 'positive': .*p.pdf: cannot be read",
        ),
        ('{"query": "a", "positive": "../p.pdf#page=1"}', "row 0, column 'positive': path .* is outside"),
        (
            '{"query": "a", "positive": "b", "grade": 0}',
            "row 0, column 'grade': 0; a grade is a whole number from 1",
        ),
    ],
}


@pytest.mark.parametrize(("kind", "text", "message"), [(k, *case) for k, cases in BAD_TEXT.items() for case in cases])
def test_bad_rows(tmp_path: Path, kind: str, text: str, message: str) -> None:
    path = tmp_path / f"rows.{kind}"
    path.write_text(text)
    with pytest.raises(DataError, match=f"rows.{kind}.*{message}"):
        load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"positive": None}, "row 1: column 'positive' is null"),
        ({"positive": "../out.png"}, "row 1, column 'positive': path ../out.png is outside .*; set image_root"),
        ({"positive": "absent.png"}, "row 1, column 'positive': image .*absent.png: no such file"),
        ({"score": float("inf")}, "row 1, column 'score': inf is not a score"),
    ],
)
@pytest.mark.parametrize("kind", ["parquet", "saved"])
def test_bad_rows_of_arrow_data(tmp_path: Path, kind: str, changes: dict, message: str) -> None:
    row = {"query": "q", "positive": "p", "score": 1.0}
    made = datasets.Dataset.from_list([row, {**row, **changes}])
    path = tmp_path / "rows"
    if kind == "saved":
        made.save_to_disk(path)
    else:
        path = path.with_suffix(".parquet")
        made.to_parquet(path)
    with pytest.raises(DataError, match=f"{path.name}, {message}"):
        load(path)


@pytest.mark.parametrize(
    ("documents", "rows", "message"),
    [
        ([{"id": "one"}], ["one"], "documents.jsonl: no column for 'positive' .looked for positive, image, document,"),
        ([{"image": "0.png"}], ["one"], "documents.jsonl: documents that rows name by id need an id column"),
        ([{"id": "a", "text": "x"}] * 2, ["a"], "documents.jsonl, row 1, column 'id': the id 'a' is already the id"),
        ([{"id": "", "text": "x"}], ["a"], "documents.jsonl, row 0, column .id.: empty; every document needs its id"),
        ([{"id": "page1", "text": "x"}], ["page_1"], "row 0, column 'positive': no document 'page_1' among the 1 of "
         ".*documents.jsonl, did you mean page1"),
        ([], ["a"], "documents.jsonl: holds no rows"),
    ],
)  # fmt: skip
def test_bad_documents(write_jsonl: Write, documents: list, rows: list, message: str) -> None:
    apart = write_jsonl(*documents, name="documents.jsonl")
    path = write_jsonl(*({"query": "q", "positive": row} for row in rows))
    with pytest.raises(DataError, match=message):
        load(path, documents=apart)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "train"}, "split 'train': a file has no splits; leave split out"),
        ({"subset": "french"}, "subset 'french': a file has no configurations; leave subset out"),
        ({"columns": "positionally"}, "columns: 'positionally'; must be a mapping of columns, or positional"),
        ({"columns": "positional"}, "columns: positional needs a query and a positive in the first two columns"),
        ({"streaming": True}, "streaming needs max_samples: every row is checked before training starts"),
        ({"streaming": True, "max_samples": 2}, "streaming is only for data sets on the Hub"),
        ({"sample_seed": 1}, "sample_seed needs max_samples, the number of rows to draw, as in max_samples: 1000"),
        ({"dpi": 0}, "dpi is 0; it must be at least 1"),
    ],
)
def test_bad_options(write_jsonl: Write, options: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(write_jsonl({"query": "x", "score": 1}), **options)


def test_a_corpus_may_name_its_columns_its_own_way(pages: list[Path], write_jsonl: Write) -> None:
    path = write_jsonl({"key": "k", "picture": "pages/3.png"})
    config = SourceConfig(path, columns={"positive": "picture", "document_id": "key", "query": "question"})
    assert load_documents(config) == [("k", ModelInput(images=(pages[3],)))]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"system": "You are", "query": "q", "response": "p"},  # ms-swift
            "takes the column 'system' for the query, but there is also a column 'query'; say .* {query: query, ...}",
        ),
        (
            {"query": "q", "source": "s", "positive": "p"},
            "positional takes the column 'source' for the positive, but there is also a column 'positive'",
        ),
        (
            {"what is the torque of it": "how long is it", "It is 4 Nm.": "It is 3 m long."},  # MS MARCO: no header
            "its first line is taken for the names of the columns, and this seems to be a row",
        ),
    ],
)
def test_an_order_that_contradicts_the_names(write_jsonl: Write, row: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(write_jsonl(row), columns="positional")


def test_ids_and_judgements_have_no_place_in_the_order(write_jsonl: Write) -> None:
    row = {"id": "17", "question": "q", "answer": "p", "wrong": "a", "is_relevant": 1, "similarity": 0.9}
    (example,) = load(write_jsonl(row), columns="positional")
    assert example.query.text == "q" and [document.text for document in example.documents] == ["p", "a"]


@pytest.mark.parametrize(
    ("names", "advised"),
    [
        ("first second third", True),
        ("question passage", True),
        ("question passage neg", True),
        ("passage question", False),
        ("history query response", False),
        ("query response history", False),
    ],
)
def test_the_order_is_advised_where_the_names_say_nothing_else(write_jsonl: Write, names: str, advised: bool) -> None:
    with pytest.raises(DataError) as raised:
        load(write_jsonl(dict.fromkeys(names.split(), "a")))
    assert ("or columns: positional" in str(raised.value)) == advised


def test_a_map_is_suggested_for_chinese_names(write_jsonl: Write) -> None:
    with pytest.raises(DataError, match="columns: {query: 问题, positive: 答案, negatives: 负例}"):
        load(write_jsonl({"问题": "多少钱", "答案": "十元", "负例": ["五元"]}))


def test_several_images_of_a_query(pages: list[Path], write_jsonl: Write) -> None:
    path = write_jsonl({"query": "q", "query_image": ["pages/0.png", "pages/1.png"], "positive": "p"})
    (example,) = load(path)
    assert example.query.text == "q" and example.query.images == (pages[0], pages[1])
