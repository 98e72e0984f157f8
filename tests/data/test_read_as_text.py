"""Pictures that rows hold as bytes, in base64 or as files, for models that read no images: OCR reads them like pages
that rows name, with an engine that stands in for it."""

from __future__ import annotations

import base64
import io
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from smart_train.data import SourceConfig, check_examples, load_documents, load_examples
from smart_train.data.cells import CellReader
from smart_train.data.formats import ocr_engine
from smart_train.data.read_as_text import PageTexts
from smart_train.data.references import References
from smart_train.errors import DataError, LeftOut, Notice
from tests.data.ocr_stand_in import StandIn, engine, picture, rows

pytest.importorskip("pypdfium2")
pytestmark = pytest.mark.filterwarnings("ignore::smart_train.errors.Notice")
TEXTS = ["open the valve", "close the lid", "drain the oil"]
NOTHING = 9  # a page that the stand-in reads nothing on


@pytest.fixture(autouse=True)
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    """The stand-in as the installed engine."""
    known = engine([rows([text]) for text in TEXTS])
    monkeypatch.setattr(ocr_engine, "RapidEngine", known)
    monkeypatch.setattr(ocr_engine, "ocr_is_installed", lambda: True)
    monkeypatch.setenv("SMART_TRAIN_CACHE", str(tmp_path / "cache"))
    return known


def encoded(number: int) -> bytes:
    file = io.BytesIO()
    picture(number).save(file, format="PNG")
    return file.getvalue()


def base64_of(number: int) -> str:
    return base64.b64encode(encoded(number)).decode()


def test_pictures_of_parquet_files_are_read_once(tmp_path: Path, reader: type[StandIn]) -> None:
    datasets = pytest.importorskip("datasets")
    numbers = [0, 1, 2, 0, 1]
    table = {"query": [f"query {n}" for n in range(5)], "image": [picture(n) for n in numbers]}
    features = datasets.Features({"query": datasets.Value("string"), "image": datasets.Image()})
    datasets.Dataset.from_dict(table, features=features).to_parquet(tmp_path / "rows.parquet")
    config = SourceConfig(tmp_path / "rows.parquet", pages_as="text")
    with pytest.warns(Notice) as told:
        examples, report = check_examples(load_examples(config), reads=("text",))
    assert [example.documents[0].text for example in examples] == [TEXTS[n] for n in numbers]
    assert [str(warning.message) for warning in told][1] == "3 pages that rows name or hold are read by OCR (ocr auto)"
    assert str(told[0].message).startswith("reading 3 pages by OCR with stand-in 1: ")
    assert dict(report.details())["inputs"] == "queries: 5 text; positives: 5 text" and reader.read_count == 3
    assert examples[0].document_ids == examples[3].document_ids != examples[1].document_ids
    assert [document.text for _, document in load_documents(config)] == [TEXTS[n] for n in numbers]
    assert pickle.loads(pickle.dumps(examples))[4].documents[0].text == TEXTS[1] and reader.read_count == 3
    with pytest.raises(DataError, match="holds image .* but the model reads only text"):
        check_examples(load_examples(SourceConfig(config.path, pages_as="text", ocr="off")), reads=("text",))


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (base64_of(0), TEXTS[0]),
        (f"data:image/png;base64,{base64_of(1)}", TEXTS[1]),
        ({"bytes": base64_of(0), "path": None}, TEXTS[0]),
        ({"bytes": None, "path": "page.png"}, TEXTS[2]),
        ({"image": base64_of(1)}, TEXTS[1]),
        ({"image": {"bytes": base64_of(1), "path": None}}, TEXTS[1]),
        ({"images": [base64_of(1), "page.png"]}, f"{TEXTS[1]}\n{TEXTS[2]}"),
        ({"text": "Chapter 3", "image": "page.png"}, f"Chapter 3\n{TEXTS[2]}"),
        ([{"bytes": base64_of(0)}], TEXTS[0]),
        ("Words, and not a picture.", "Words, and not a picture."),
    ],
)
def test_each_form_of_a_picture_has_its_text(tmp_path: Path, cell: Any, text: str, reader: type[StandIn]) -> None:
    picture(2).save(tmp_path / "page.png")
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"query": "q", "positive": cell, "negatives": [cell, "other words"]}) + "\n")
    examples = load_examples(SourceConfig(path, pages_as="text"))
    read = reader.read_count
    assert read == text.count("the "), "all are read before the first row is asked for"
    (example,), _ = check_examples(examples, reads=("text",))
    assert [document.text for document in example.documents] == [text, text, "other words"]
    assert not any(document.images for document in example.documents) and reader.read_count == read


def test_pictures_in_memory_have_their_text(tmp_path: Path) -> None:
    references = References(tmp_path, 72)
    cells = CellReader(references, PageTexts(references, pages_as="text"))
    assert cells.document(picture(1), "row 0", "image").text == TEXTS[1]
    assert cells.document(encoded(0), "row 0", "image").text == TEXTS[0]
    assert CellReader(references, PageTexts(references)).document(encoded(0), "row 0", "image").images == (encoded(0),)


def test_pictures_that_cannot_be_read_and_silent_ones_are_told_by_row(tmp_path: Path) -> None:
    broken = base64.b64encode(encoded(0)[:400]).decode()
    cells = [base64_of(0), broken, base64_of(NOTHING), {"image": "missing.png"}]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"query": "q", "positive": cell}) + "\n" for cell in cells))
    kept, report = check_examples(load_examples(SourceConfig(path, pages_as="text")), on_error="skip")
    assert len(kept) == 1
    for line, told in zip(
        report.problems,
        [
            "row 1, column 'positive': image data:image;base64,",
            "row 2, column 'positive': data:image;base64,",
            "row 3",
        ],
        strict=True,
    ):
        assert told in line, line
    assert "has no legible text; OCR found nothing on them that it can read" in report.problems[1]


def test_silent_pages_of_a_corpus_are_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps({"_id": f"d{n}", "image": base64_of(n)}) + "\n" for n in (0, NOTHING, 2)))
    config = SourceConfig(path, pages_as="text")
    with pytest.warns(LeftOut, match=r"corpus.jsonl: 1 of 3 pages that rows name .* no legible text:\n.*row 1"):
        assert [(name, item.text) for name, item in load_documents(config)] == [("d0", TEXTS[0]), ("d2", TEXTS[2])]
    path.write_text(json.dumps({"_id": "d", "image": base64_of(NOTHING)}) + "\n")
    with pytest.raises(DataError, match="1 of 1 pages that rows name or hold have no legible text"):
        load_documents(config)


def test_pictures_are_not_held_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a large Parquet file hold more than fits in memory: each is fetched where it is read."""
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"query": "q", "positive": base64_of(n)}) + "\n" for n in range(3)))
    seen: list[int] = []

    def reading(pictures: Any, *_: Any, **__: Any) -> None:
        seen.append(len(pictures))
        assert not any(isinstance(place, (str, bytes, Image.Image)) for place in pictures.places)
        assert [base64.b64decode(one.partition(",")[2]) for one in pictures] == [encoded(n) for n in range(3)]

    monkeypatch.setattr("smart_train.data.read_as_text.read_pictures", reading)
    load_examples(SourceConfig(path, pages_as="text"))
    assert seen == [3]
