"""What Python or Label Studio printed is not taken for a text, and ids beside pages are not taken for documents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from smart_train.data import SourceConfig, check_examples, load_examples
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
    message = f"row 0, column '{column}': .* is {kind}, printed as text; write what it was"
    with pytest.raises(DataError, match="(?s)" + message):
        load_examples(SourceConfig(write_jsonl(row)))[0]
    (example,) = load_examples(SourceConfig(write_jsonl({**row, column: {"text": text}})))
    assert ModelInput(text) in (example.query, *example.documents)


@pytest.mark.parametrize(
    "text",
    [
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


def test_ids_among_negatives_of_pages_are_not_texts(pages: list[Path], write_jsonl: Write) -> None:
    """As in vdr-multilingual, whose negatives are ids of other rows."""
    row = {"query": "q", "image": "pages/0.png", "negatives": ["0b1f-77", "row_8"]}
    rows = load_examples(SourceConfig(write_jsonl({"id": "row_8", **row}, {"id": "0b1f-77", **row, "negatives": []})))
    message = r"column 'negatives': '0b1f-77' looks like a name.* which the column 'image' holds .* documents: PATH"
    with pytest.raises(DataError, match=message):
        check_examples(rows)


@pytest.mark.parametrize("names", [("d1", "d2", "d10"), ("17", "4", "256"), ("MED-10", "MED-11", "doc_7")])
def test_ids_alone_are_not_documents(write_jsonl: Write, tmp_path: Path, names: tuple[str, ...]) -> None:
    path = write_jsonl(*({"query": f"q {name}", "positive": name} for name in names))
    message = "column 'positive' holds names or numbers alone, which are rather ids .* documents: PATH"
    with pytest.raises(DataError, match=message):
        load_examples(SourceConfig(path))
    corpus = write_jsonl(*({"id": name, "text": f"text {name}"} for name in names), name="corpus.jsonl")
    assert load_examples(SourceConfig(path, documents=corpus))[0].documents == (ModelInput(f"text {names[0]}"),)
    assert len(load_examples(SourceConfig(write_jsonl(*({"query": "q", "positive": {"text": n}} for n in names))))) == 3
    words = [*({"query": "q", "positive": name} for name in names), {"query": "q", "positive": "It is 4 Nm."}]
    assert len(load_examples(SourceConfig(write_jsonl(*words)))) == 4, "short answers among texts"
