"""What Python or Label Studio printed is not taken for a text, and ids beside pages are not taken for documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import datasets
import pytest

from smart_train.data import SourceConfig, check_examples, load_documents, load_examples
from smart_train.errors import DataError
from smart_train.types import ModelInput

Write = Callable[..., Path]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (
            "<PIL.PngImagePlugin.PngImageFile image mode=RGB size=8x8 at 0x7F1A>",
            "an object in memory, which no file holds",
        ),
        ("{'bytes': b'\\x89PNG', 'path': None}", "an image with its bytes or path"),
        ("['one', 'two']", "a list"),
        ('["one", "two"]', "a list"),
        ("['one'\n 'two']", "a list"),
        ("[[255 255 255]\n [0 0 0]]", "an array"),
        ("tensor([0.5, 0.25])", "an array"),
        ('{"choices": ["a", "b"]}', "several choices"),
        ('<img src="pages/0.png">', "an image of a web page"),
        ("<img>pages/0.png</img>What is it?", "an image in the marks of a chat"),
    ],
)
@pytest.mark.parametrize("column", ["query", "positive", "negative"])
def test_what_was_printed_is_refused(write_jsonl: Write, text: str, kind: str, column: str) -> None:
    row = {"query": "q", "positive": "p", "negative": "n", column: text}
    message = (
        f"row 0, column '{column}': .* is {kind}, printed as text, as most texts of the column are; write what it was"
    )
    with pytest.raises(DataError, match="(?s)" + message):
        load_examples(SourceConfig(write_jsonl(row)))[0]
    (example,) = load_examples(SourceConfig(write_jsonl({**row, column: {"text": text}})))
    assert ModelInput(text) in (example.query, *example.documents)


@pytest.mark.parametrize(
    "text",
    [
        "['x'].forEach(f);\nconst y = foo['y']",
        '["We go," she said; "now."]',
        '{"path": "/users", "method": "GET"}',
        '{"path": "/users"}',
        "{'bytes': 12}",
        '{"choices": [1, 2]}',
        '{"choices": ["a"], "model": "m"}',
        "['a', 'b'",
        "[1] Kopp et al.",
        '["Yes," he said.]',
        "<p>words</p>",
        '{"name": "get_weather"}',
        "[12, 13]",
        "[MASK]",
        "a < b > c",
    ],
)
def test_texts_that_only_begin_like_it(write_jsonl: Write, text: str) -> None:
    (example,) = load_examples(SourceConfig(write_jsonl({"query": text, "positive": text})))
    assert example.query.text == text and example.documents[0].text == text


@pytest.mark.parametrize(
    "text", ["['a', 'b']", "array([1, 2, 3])", "<function f at 0x7f1c2a>", '<img src="a.png" alt="A cat">', "[[1, 2]]"]
)
def test_one_that_looks_like_it_among_prose_is_a_text(write_jsonl: Write, text: str) -> None:
    rows = [{"query": text, "positive": "a list"}, {"query": "a list?", "positive": text}]
    first, second = load_examples(SourceConfig(write_jsonl(*rows)))
    assert (first.query.text, second.documents[0].text) == (text, text)
    rows = [{"id": "a", "text": text}, {"id": "b", "text": text}, {"id": "c", "text": "words"}]
    with pytest.raises(DataError, match=r"row 0, column 'text': .* as most texts of the column are"):
        load_documents(SourceConfig(write_jsonl(*rows)))
    assert len(load_documents(SourceConfig(write_jsonl(*rows[1:])))) == 2


def test_documents_of_a_judged_collection_are_searched_as_they_are(tmp_path: Path) -> None:
    rows = {
        "queries": {"_id": "q1", "text": "which list?"},
        "corpus": {"_id": "d1", "text": "['a', 'b']"},
        "qrels": {"query-id": "q1", "corpus-id": "d1", "score": 1},
    }
    for part, row in rows.items():
        (tmp_path / f"{part}.jsonl").write_text(json.dumps(row))
    (example,) = load_examples(SourceConfig(tmp_path))
    assert example.documents == (ModelInput("['a', 'b']"),)
    assert load_documents(SourceConfig(tmp_path)) == [("d1", example.documents[0])]
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text(json.dumps({"query": "which?", "positive": "d1"}))
    assert load_examples(SourceConfig(pairs, documents=tmp_path))[0].documents == example.documents


def test_ids_among_negatives_of_pages_are_not_texts(pages: list[Path], write_jsonl: Write) -> None:
    """As in vdr-multilingual, whose negatives are ids of other rows."""
    row = {"query": "q", "image": "pages/0.png", "negatives": ["0b1f-77", "row_8"]}
    rows = load_examples(SourceConfig(write_jsonl({"id": "row_8", **row}, {"id": "0b1f-77", **row, "negatives": []})))
    message = r"column 'negatives': '0b1f-77' looks like a name.* which the column 'image' holds .* documents: PATH"
    with pytest.raises(DataError, match=message):
        check_examples(rows)


def test_a_short_text_beside_pages_allows_for_short_negatives(pages: list[Path], write_jsonl: Write) -> None:
    rows = [
        {"query": "q", "positive": "pages/0.png", "negatives": ["H2O", "IPv6 is new"]},
        {"query": "q", "positive": {"text": "CO2"}, "negatives": ["H2O"]},
    ]
    examples = load_examples(SourceConfig(write_jsonl(*rows)))
    assert [example.documents[1] for example in examples] == [ModelInput("H2O")] * 2


def test_negatives_beside_images_of_the_library(pages: list[Path], tmp_path: Path) -> None:
    """Its column of images says what it holds, which names among the negatives are compared with."""
    images = datasets.Features({"query": datasets.Value("string"), "image": datasets.Image(),
                                "negative": datasets.Value("string")})  # fmt: skip
    columns = {"query": ["q", "r"], "image": [str(pages[0]), str(pages[1])], "negative": ["0b1f-77", "a text"]}
    datasets.Dataset.from_dict(columns, features=images).save_to_disk(tmp_path / "saved")
    message = "'0b1f-77' looks like a name.* which the column 'image' holds"
    with pytest.raises(DataError, match=message):
        load_examples(SourceConfig(tmp_path / "saved"))[0]


@pytest.mark.parametrize(
    "names",
    [
        ("d1", "d2", "d10"),
        ("MED-10", "MED-11", "MED-7"),
        tuple(f"{number}23e4567-e89b-12d3-a456-426614174000" for number in range(3)),
        ("9f86d081884c7d65", "60303ae22b998861", "1234567890123456"),
    ],
)
def test_ids_alone_are_not_documents(write_jsonl: Write, tmp_path: Path, names: tuple[str, ...]) -> None:
    path = write_jsonl(*({"query": f"q {name}", "positive": name} for name in names))
    message = "column 'positive' holds names alone, which are rather ids .* documents: PATH"
    with pytest.raises(DataError, match=message):
        load_examples(SourceConfig(path))
    corpus = write_jsonl(*({"id": name, "text": f"text {name}"} for name in names), name="corpus.jsonl")
    assert load_examples(SourceConfig(path, documents=corpus))[0].documents == (ModelInput(f"text {names[0]}"),)
    assert len(load_examples(SourceConfig(write_jsonl(*({"query": "q", "positive": {"text": n}} for n in names))))) == 3
    words = [*({"query": "q", "positive": name} for name in names), {"query": "q", "positive": "It is 4 Nm."}]
    assert len(load_examples(SourceConfig(write_jsonl(*words)))) == 4, "short answers among texts"


@pytest.mark.parametrize(
    "answers",
    [
        ("1969", "1945", "1989"),
        ("-1", "-2", "-3"),
        ("1234567890123456", "2234567890123456", "3234567890123456"),
        ("42km", "7km", "300m"),
        ("1969-07-20", "1945-05-08", "1989-11-09"),
        ("IP67", "E04", "H2O"),
        ("3.11.2", "2.7", "v1.0"),
        ("12:30", "08:15", "23:59"),
        ("user_1", "RFC-2616", "x86"),
        ("d1", "d2"),
    ],
)
def test_short_answers_are_documents(write_jsonl: Write, answers: tuple[str, ...]) -> None:
    for row in ("positive", "pos"):
        path = write_jsonl(*({"query": "q", row: answer if row == "positive" else [answer]} for answer in answers))
        read = load_examples(SourceConfig(path))
        assert [example.documents for example in read] == [(ModelInput(answer),) for answer in answers]


@pytest.mark.parametrize("column", ["positive", "image"])
def test_images_named_without_an_extension_are_not_ids(
    pages: list[Path], write_jsonl: Write, tmp_path: Path, column: str
) -> None:
    names = [f"pages/scan{number}" for number in range(3)]
    for page, name in zip(pages, names, strict=False):
        page.rename(tmp_path / name)
    rows = load_examples(SourceConfig(write_jsonl(*({"query": "q", column: name} for name in names))))
    assert [row.documents[0].images for row in rows] == [(tmp_path / name,) for name in names]
