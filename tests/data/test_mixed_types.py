"""Columns of .json files whose rows hold values of several types are read as what they are, and not as text of JSON."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pytest

from smart_train.data import SourceConfig, check_examples, load_examples
from smart_train.errors import DataError
from smart_train.types import ModelInput


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hf"))


@pytest.mark.skipif(not hasattr(datasets, "Json"), reason="this version of datasets refuses such files")
@pytest.mark.parametrize("place", ["rows.json", "rows/train.json"])
def test_texts_beside_mappings_and_numbers(pages: list[Path], tmp_path: Path, place: str) -> None:
    file = tmp_path / place
    file.parent.mkdir(exist_ok=True)
    page = Path("..", "pages", "0.png") if "/" in place else Path("pages", "0.png")
    rows = [
        {"query": "red?", "positive": "A red one.", "document_id": 7, "negatives": ["A blue one."]},
        {"query": "page?", "positive": {"image": str(page)}, "document_id": "d8", "negatives": [{"text": "A word."}]},
    ]
    file.write_text(json.dumps(rows))
    path = file if file.parent == tmp_path else file.parent
    examples = load_examples(SourceConfig(path, image_root=tmp_path if "/" not in place else None))
    if "/" in place:  # a path may not leave the folder of the rows
        with pytest.raises(DataError, match="is outside"):
            examples[1]
        examples = load_examples(SourceConfig(path, image_root=tmp_path, max_samples=1))
    first = examples[0]
    assert first.query == ModelInput("red?")
    assert first.documents == (ModelInput("A red one."), ModelInput("A blue one."))
    assert first.document_ids[0] == "7"
    if "/" not in place:
        assert examples[1].documents == (ModelInput(images=(pages[0],)), ModelInput("A word."))
        assert examples[1].document_ids[0] == "d8"


@pytest.mark.skipif(not hasattr(datasets, "Json"), reason="this version of datasets refuses such files")
def test_an_answer_of_an_annotator_that_is_a_list_is_not_a_query(tmp_path: Path) -> None:
    """As Label Studio writes a field that was filled once in one task and twice in another."""
    path = tmp_path / "export.json"
    path.write_text(json.dumps([{"question": ["What?", "Why?"], "page": "a"}, {"question": "How?", "page": "b"}]))
    columns = {"query": "question", "positive": "page"}
    rows = load_examples(SourceConfig(path, columns=columns))
    assert rows[1].query == ModelInput("How?")
    with pytest.raises(DataError, match=r"row 0, column 'question': \['What\?', 'Why\?'\] is list; a query must be"):
        check_examples(rows)
