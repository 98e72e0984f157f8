"""Rows that no one wrote by hand: whatever a file holds, the answer is rows or a DataError.

`SMART_TRAIN_ROW_MUTATIONS=5000` sets how many random changes of rows are tried.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from smart_train.data import PairCollator, SourceConfig, check_examples, load_documents, load_examples, load_held_out
from smart_train.errors import DataError
from smart_train.recipe import parse_recipe
from smart_train.run.fingerprints import Contents
from tests.data.conftest import Echo
from tests.pdf_files import make_pdf
from tests.recipe.test_hostile import ODD, changed_text, places

MUTATIONS = int(os.environ.get("SMART_TRAIN_ROW_MUTATIONS", "240"))
ROWS = 4  # of a file, each with a change of its own
NAMES = [
    "query", "positive", "image", "images", "text", "document", "negatives", "negative_0", "query_id", "document_id",
    "score", "scores", "task", "grade", "instruction", "video", "query_image", "messages", "pos", "neg",
]  # fmt: skip
ODD_CELLS: list[Any] = [
    *ODD, "no.png", "empty.png", "below", "../a.png", "a.png#page=2", "manual.pdf", "manual.pdf#page=9", "http://",
    "file:///dev/zero", "data:image/png;base64,", {"image": None}, {"bytes": None, "path": "a.png"}, {"text": ""},
    ["a.png"], [[{"role": "user", "content": [{"type": "image"}]}]], float("nan"),
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages that rows may name: PNG files, a PDF file, a file that is not an image, a folder."""
    folder = tmp_path_factory.mktemp("rows")
    for name, colour in (("a", "red"), ("b", "green"), ("c", "blue")):
        Image.new("RGB", (8, 8), colour).save(folder / f"{name}.png")
    make_pdf(folder / "manual.pdf", [["one page"], ["another page"]], [])
    (folder / "no.png").write_bytes(b"no picture")
    (folder / "empty.png").write_bytes(b"")
    (folder / "below").mkdir()
    return folder


def forms(folder: Path) -> list[dict[str, Any]]:
    """A row of each form that is read."""
    encoded = base64.b64encode((folder / "a.png").read_bytes()).decode()
    return [
        {"query": "what is red", "positive": "a red page", "negative_0": "a green page"},
        {"query": "what is red", "positive": "a.png", "negatives": ["b.png", "c.png"], "document_id": "a"},
        {"query": "which page", "positive": "manual.pdf#page=1", "query_id": "q1", "instruction": "Find it."},
        {"query": {"text": "this one", "image": "a.png"}, "positive": {"image": "b.png", "text": "below it"}},
        {"query": "two", "positive": {"images": ["a.png", "b.png"]}, "task": "several", "grade": 2},
        {"query": "data", "positive": f"data:image/png;base64,{encoded}", "negative_0": {"image": "c.png"}},
        {"anchor": "scored", "positive": "a.png", "negatives": ["b.png"], "scores": [0.9, 0.1]},
        {"query": "flag", "pos": ["a red one"], "neg": ["a blue one"], "pos_scores": [0.9], "neg_scores": [0.2]},
        {"query": "a video", "positive": {"video": ["a.png", "b.png"]}},
        {"messages": [{"role": "user", "content": "red?"}], "positive_messages": [[{"role": "user", "content": "r"}]]},
    ]


def changed(row: dict[str, Any], draw: random.Random) -> str:
    """A line with a row, one or two of whose values or names are others; or with characters of it exchanged."""
    row = copy.deepcopy(row)
    for _ in range(draw.choice((1, 1, 2))):
        found = places(row)
        if not found:
            break
        *above, key = draw.choice(found)
        holder: Any = row
        for step in above:
            holder = holder[step]
        odd = copy.deepcopy(draw.choice(ODD_CELLS))
        kind = draw.randrange(5)
        if kind == 0 and isinstance(holder, dict):
            holder[draw.choice((*NAMES, str(key)[:-1]))] = holder.pop(key)
        elif kind == 1 and isinstance(holder, dict):
            holder[draw.choice(NAMES)] = odd
        elif kind == 2 and isinstance(holder, dict):
            del holder[key]
        else:
            holder[key] = odd
    line = json.dumps(row)
    return line if draw.randrange(4) else changed_text(line, draw).replace("\n", " ")


def read(path: Path) -> None:
    """As a run reads them: rows, held-out rows and documents; checked, told apart, and put into a batch."""
    recipe = parse_recipe({"model": {"name_or_path": "m"}, "data": {"train": {"path": "r"}}})
    config = SourceConfig(path)
    for load in (load_examples, load_held_out, load_documents):
        try:
            rows = load(config)
            if load is not load_documents:
                rows, _ = check_examples(rows, "skip")
                Contents().read(recipe, {"train": rows})
                PairCollator(Echo(), negatives_per_query=0)(list(rows))
        except DataError as error:
            assert str(error).strip(), "a message"
    with contextlib.suppress(DataError):
        check_examples(load_examples(config), "fail")


@pytest.mark.parametrize("form", range(10))
def test_random_changes_of_rows_are_rows_or_a_message(form: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMART_TRAIN_CACHE", str(folder / "cache"))
    monkeypatch.setattr("smart_train.inputs.images.fetch", no_network)
    draw, row = random.Random(form), forms(folder)[form]
    for number in range(max(1, MUTATIONS // ROWS // len(forms(folder)))):
        lines = [changed(row, draw) for _ in range(ROWS)]
        path = folder / f"{form}-{number}.jsonl"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="surrogatepass")
        try:
            read(path)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}, from:\n" + "\n".join(lines)) from error
        path.unlink()


def no_network(address: str, *_: Any, **__: Any) -> bytes:
    raise DataError(f"{address}: tests have no network")


@pytest.mark.parametrize("name", ["", " ", "a\0b.png"])
def test_a_frame_or_page_without_a_name_is_a_bad_row(name: str, folder: Path) -> None:
    for number, page in enumerate(({"video": [name, "a.png"]}, {"image": "a.png", "video": [name]})):
        path = folder / f"nameless-{number}.jsonl"
        path.write_text(json.dumps({"query": "which", "positive": page}))
        with pytest.raises(DataError, match="is not the name of a file; put the right file there, or remove the row"):
            check_examples(load_examples(SourceConfig(path)))


@pytest.mark.parametrize("path", [5, ["a.png"], {"path": "a.png"}, True])
def test_a_path_that_is_not_text_is_a_bad_row(path: Any, folder: Path) -> None:
    file = folder / "paths.jsonl"
    for page in ({"bytes": None, "path": path}, {"image": {"path": path}}):
        file.write_text(json.dumps({"query": "which", "positive": page}))
        with pytest.raises(DataError, match=r"row 0, column 'positive': the path .* is \w+; it must be text"):
            check_examples(load_examples(SourceConfig(file)))


def test_a_score_of_four_hundred_digits_is_not_a_score(folder: Path) -> None:
    path = folder / "digits.jsonl"
    path.write_text(json.dumps({"query": "which", "positive": "text", "score": 10**400}))
    with pytest.raises(DataError, match=r"column 'score': 1000+\.\.\. is not a score; a score is a finite number"):
        check_examples(load_examples(SourceConfig(path)))
