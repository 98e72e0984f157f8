"""Folders of CSV files: cells are text there too, and files that are not read are named."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import datasets
import pytest

from smart_train.data import SourceConfig, load_examples
from smart_train.errors import DataError, LeftOut
from smart_train.types import Example


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hf"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rows").mkdir()
    return tmp_path / "rows"


def load(folder: Path, **options: Any) -> list[Example]:
    return list(load_examples(SourceConfig(folder, **options)))


ROWS = "query,positive,document_id\n01,NA,007\n1.0,null,010\n"


@pytest.mark.parametrize("files", [("rows.csv",), ("part-0.csv", "part-1.csv"), ("train.csv", "test.csv")])
def test_cells_are_text_in_a_folder_too(folder: Path, files: tuple[str, ...]) -> None:
    for name in files:
        (folder / name).write_text(ROWS)
    with warnings.catch_warnings():
        warnings.simplefilter("error", LeftOut)
        rows = load(folder, split="train" if "train.csv" in files else None)
    assert [row.query.text for row in rows[:2]] == ["01", "1.0"]
    assert [row.documents[0].text for row in rows[:2]] == ["NA", "null"]
    assert [row.document_ids[0] for row in rows[:2]] == ["007", "010"]
    assert len(rows) == (4 if "part-1.csv" in files else 2)


def test_lists_in_the_only_file_of_a_folder(folder: Path) -> None:
    (folder / "train.csv").write_text('query,positive,negatives\nq,p,"[""x"", ""y""]"\n')
    (row,) = load(folder, split="train")
    assert [document.text for document in row.documents] == ["p", "x", "y"]


@pytest.mark.parametrize(
    ("others", "message"),
    [
        (
            {"b.json": '[{"query": "c", "positive": "d"}]'},
            "rows: read b.json, but not rows.csv; name such a file itself",
        ),
        ({"train.csv": ROWS}, "rows: read train.csv, but not rows.csv; name such a file itself"),
    ],
)
def test_files_that_the_library_passes_over_are_named(folder: Path, others: dict[str, str], message: str) -> None:
    (folder / "rows.csv").write_text(ROWS)
    for name, content in others.items():
        (folder / name).write_text(content)
    with pytest.warns(LeftOut, match=message):
        load(folder)


@pytest.mark.parametrize("files", [("rows.csv",), ("train.csv", "test.csv")])
def test_the_index_that_pandas_writes_is_left_out(folder: Path, files: tuple[str, ...]) -> None:
    for name in files:
        (folder / name).write_text(",query,positive\n0,01,NA\n1,1.0,b\n")
    for path in (folder, folder / files[0]):
        split = "train" if len(files) > 1 and path == folder else None
        for columns in (None, "positional") if len(files) == 1 else (None,):
            rows = load(path, split=split, columns=columns)
            assert [(row.query.text, row.documents[0].text) for row in rows] == [("01", "NA"), ("1.0", "b")]


@pytest.mark.parametrize(
    ("text", "answer", "message"),
    [
        ("query,positive,note,note\na,b,c,d\n", "b", "names 2 columns 'note'"),
        ("query,,positive\na,c,b\n", "b", "names 1 columns ''"),
        ('query,positive\na,"doc" two\n', "doc two", "quote cells that contain quotes"),
        ("query,positive,negatives\nq,x,y\na,b\n", "b", "row 1: has 2 cells, the header has 3"),
    ],
)
def test_loose_tables_are_read_as_the_library_does(folder: Path, text: str, answer: str, message: str) -> None:
    (folder / "rows.csv").write_text(text)
    row = load(folder)[-1]
    assert (row.query.text, row.documents[0].text) == ("a", answer)
    with pytest.raises(DataError, match=message):
        load(folder / "rows.csv")


def test_cells_without_a_name_are_not_left_to_the_library(folder: Path) -> None:
    """It would take the first column for an index, and the query for the answer."""
    (folder / "rows.csv").write_text("query,positive\na,b,\nc,d,\n")
    with pytest.raises(DataError, match="row 0: has 3 cells, the header has 2"):
        load(folder)
