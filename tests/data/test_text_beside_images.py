"""Text beside an image belongs to the same query or document; judgements that cannot be meant are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pytest

from smart_train.data import SourceConfig, check_examples, load_documents, load_examples, load_own_documents
from smart_train.errors import DataError
from smart_train.evaluation import EvaluationSet
from smart_train.types import ModelInput


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hf"))


def lines(path: Path, *rows: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def content(item: ModelInput) -> list[bytes]:
    return [image if isinstance(image, bytes) else Path(image).read_bytes() for image in item.images]


def test_a_document_keeps_the_text_beside_its_image(pages: list[Path], tmp_path: Path) -> None:
    path = lines(
        tmp_path / "docs.jsonl",
        {"id": "d1", "text": "pump manual", "image": "pages/1.png"},
        {"id": "d2", "text": "words alone", "image": None},
        {"id": "d3", "text": "", "image": "pages/3.png"},
        {"id": "d4", "text": None, "image": None},
    )
    with pytest.raises(DataError, match="row 3: column 'image' is null"):
        load_documents(SourceConfig(path))
    found = dict(load_documents(SourceConfig(path, max_samples=3)))
    assert found == {
        "d1": ModelInput("pump manual", (pages[1],)),
        "d2": ModelInput("words alone"),
        "d3": ModelInput(images=(pages[3],)),
    }
    mapped = SourceConfig(path, max_samples=1, columns={"positive": "image"})
    assert load_documents(mapped) == [("d1", ModelInput(images=(pages[1],)))], "a map says what the document is"
    rows = lines(tmp_path / "rows.jsonl", {"query": "q", "positive": "d1"})
    row = load_examples(SourceConfig(rows, documents=path))[0]
    assert row.documents == (ModelInput("pump manual", (pages[1],)),)
    with pytest.raises(DataError, match="holds image, but the model reads only text"):
        check_examples([row], reads=("text",))


def test_a_row_keeps_the_text_beside_its_image_where_a_map_names_it(pages: list[Path], tmp_path: Path) -> None:
    path = lines(tmp_path / "rows.jsonl", {"query": "q", "image": "pages/1.png", "text": "pump manual"})
    assert load_examples(SourceConfig(path))[0].documents == (ModelInput(images=(pages[1],)),)
    mapped = load_examples(SourceConfig(path, columns={"text": "text"}))
    assert mapped[0].documents == (ModelInput("pump manual", (pages[1],)),)
    assert "text" in mapped.columns_used()[0].partition("ignored")[0]


def image_task(folder: Path, pages: list[Path], *, text: bool) -> Path:
    """As mteb publishes tasks with images on both sides."""
    image = {"image": datasets.Image(), **dict.fromkeys(("id", "text", "modality"), datasets.Value("string"))}
    kept = [name for name in image if text or name != "text"]
    queries = {"id": ["q1", "q2"], "text": ["what is this", "and this"], "image": [str(pages[0]), str(pages[1])]}
    corpus = {"id": ["d1", "d2"], "text": ["a caption", "another"], "image": [str(pages[2]), str(pages[3])]}
    for name, values in (("queries", queries), ("corpus", corpus)):
        values["modality"] = ["image,text"] * 2
        features = datasets.Features({column: image[column] for column in kept})
        (folder / name).mkdir(parents=True)
        table = datasets.Dataset.from_dict({column: values[column] for column in kept}, features=features)
        table.to_parquet(folder / name / "test-0.parquet")
    qrels = {"query-id": ["q1", "q2"], "corpus-id": ["d1", "d2"], "score": [1, 1]}
    (folder / "qrels").mkdir()
    datasets.Dataset.from_dict(qrels).to_parquet(folder / "qrels" / "test-0.parquet")
    return folder


@pytest.mark.parametrize("text", [True, False])
def test_queries_with_images(pages: list[Path], tmp_path: Path, text: bool) -> None:
    config = SourceConfig(image_task(tmp_path / "task", pages, text=text))
    rows = load_examples(config)
    _, report = check_examples(rows)
    kind = "text and image" if text else "image"
    assert dict(report.details())["inputs"] == f"queries: 2 {kind}; positives: 2 {kind}"
    assert [row.query.text for row in rows] == (["what is this", "and this"] if text else [None, None])
    assert [content(row.query) for row in rows] == [[page.read_bytes()] for page in pages[:2]]
    assert [content(row.documents[0]) for row in rows] == [[page.read_bytes()] for page in pages[2:]]
    made = EvaluationSet.from_examples(rows, load_own_documents(config))
    assert (len(made.queries), len(made.documents)) == (2, 2)
    with pytest.raises(DataError, match=r"row 0: holds image \(column .*image'\), but the model reads only text"):
        check_examples(rows, reads=("text",))


@pytest.mark.parametrize("form", ["column", "alone", "mapping", "named"])
def test_rows_whose_queries_are_images(pages: list[Path], tmp_path: Path, form: str) -> None:
    asked = {"column": {"query": "like this", "query_image": "pages/0.png"}, "alone": {"query_image": "pages/0.png"},
             "mapping": {"query": {"image": "pages/0.png"}}, "named": {"sketch": "pages/0.png"}}[form]  # fmt: skip
    columns = {"query_image": "sketch"} if form == "named" else None
    path = lines(tmp_path / "rows.jsonl", {**asked, "positive": "pages/1.png"})
    (row,) = load_examples(SourceConfig(path, columns=columns))
    assert row.query == ModelInput("like this" if form == "column" else None, (pages[0],))


def test_the_corpus_is_known_by_the_ids_of_the_judgements(pages: list[Path], tmp_path: Path) -> None:
    """A corpus of pages often has the pages' file names too."""
    lines(tmp_path / "set" / "queries.jsonl", {"query-id": 0, "query": "red?"})
    pages_of = [{"corpus-id": i, "image": f"pages/{i}.png", "image_filename": f"p{i}"} for i in range(2)]
    lines(tmp_path / "set" / "corpus.jsonl", *pages_of)
    lines(tmp_path / "set" / "qrels.jsonl", {"query-id": 0, "corpus-id": 1, "score": 2})
    (row,) = load_examples(SourceConfig(tmp_path / "set", image_root=tmp_path))
    assert row.document_ids == ("1",) and content(row.documents[0]) == [pages[1].read_bytes()]


@pytest.mark.parametrize(
    ("queries", "judged", "message"),
    [
        (["q1"], [("q1", "d1", "inf")], "qrels, row 0, column 'score': 'inf' is not a grade; a grade is a whole"),
        (["q1"], [("q1", "d1", "nan")], "qrels, row 0, column 'score': 'nan' is not a grade"),
        (["q1"], [("q1", "d1", "1e999")], "qrels, row 0, column 'score': '1e999' is not a grade"),
        (["q1"], [("q1", "d1", 1e20)], "1e.20 is not a grade; a grade is a whole number up to 1000000"),
        (["q1", "q1"], [("q1", "d1", 1)], "queries, row 1, column '_id': the id 'q1' is already the id of row 0"),
        (["q1"], [("q1", "d1", 1), ("q1", "d1", 1)], "qrels, row 1: query 'q1' and document 'd1' are judged already, "
         "in .*qrels, row 0; keep one"),
        (["q1"], [("q1", "d1", 1), ("q1", "d1", 0)], "qrels, row 1: query 'q1' and document 'd1' are judged already"),
    ],
)  # fmt: skip
def test_judgements_that_cannot_be_meant(tmp_path: Path, queries: list, judged: list, message: str) -> None:
    lines(tmp_path / "queries.jsonl", *({"_id": name, "text": f"text {i}"} for i, name in enumerate(queries)))
    lines(tmp_path / "corpus.jsonl", {"_id": "d1", "title": "", "text": "one"})
    names = ("query-id", "corpus-id", "score")
    lines(tmp_path / "qrels.jsonl", *(dict(zip(names, row, strict=True)) for row in judged))
    with pytest.raises(DataError, match=message):
        check_examples(load_examples(SourceConfig(tmp_path)))


@pytest.mark.parametrize("nothing", [None, "", [], {"bytes": None, "path": None}])
def test_an_image_that_is_not_there(tmp_path: Path, nothing: Any) -> None:
    """Of rows of which some have an image; Arrow keeps a missing one as a mapping of nothing."""
    path = lines(tmp_path / "rows.jsonl", {"query": "q", "query_image": nothing, "positive": "p"})
    (row,) = load_examples(SourceConfig(path))
    assert row.query == ModelInput("q")
    corpus = lines(tmp_path / "corpus.jsonl", {"id": "d1", "text": "words", "image": nothing})
    assert load_documents(SourceConfig(corpus)) == [("d1", ModelInput("words"))]
