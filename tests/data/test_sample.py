"""`max_samples` with `sample_seed` is a sample of all rows, whatever the format; without it, the first rows."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import pyarrow
import pytest
from pyarrow import parquet

from smart_train.data import SourceConfig, load_documents, load_examples

ROWS, SOURCES = 400, 4


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hf"))


def sorted_by_source() -> list[dict[str, str]]:
    return [{"query": f"{row * SOURCES // ROWS} {row}", "positive": f"document {row}"} for row in range(ROWS)]


def drawn(path: Any, **options: Any) -> list[int]:
    """The numbers of the rows that a source gives."""
    return [int(example.query.text.split()[1]) for example in load_examples(SourceConfig(path, **options))]


def test_a_sample_is_of_all_rows_and_follows_from_its_seed(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in sorted_by_source()))
    assert drawn(path, max_samples=40) == list(range(40))
    sample = drawn(path, max_samples=40, sample_seed=0)
    assert sample == sorted(set(sample)) and len(sample) == 40
    assert min(Counter(row * SOURCES // ROWS for row in sample).values()) >= 5, "every source has its share"
    assert drawn(path, max_samples=40, sample_seed=0) == sample != drawn(path, max_samples=40, sample_seed=1)
    assert drawn(path, max_samples=2 * ROWS, sample_seed=0) == list(range(ROWS))
    rows = load_examples(SourceConfig(path, max_samples=40, sample_seed=0))
    assert [example.row for example in rows] == sample, "messages name rows by their place in the file"

    datasets.Dataset.from_list(sorted_by_source()).save_to_disk(str(tmp_path / "saved"))
    assert drawn(tmp_path / "saved", max_samples=40, sample_seed=0) == sample, "whatever the format"
    documents = load_documents(SourceConfig(path, max_samples=3, sample_seed=0))
    assert [document.text for _, document in documents] == [
        f"document {row}" for row in drawn(path, max_samples=3, sample_seed=0)
    ]


def test_a_streamed_sample_reads_all_over_the_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two Parquet files of four row groups each stand in for the Hub; 40 rows make a pool of 160, 32 from one place."""
    hub = tmp_path / "hub"
    hub.mkdir()
    table = pyarrow.Table.from_pylist(sorted_by_source())
    for file in range(2):
        half = table.slice(file * ROWS // 2, ROWS // 2)
        parquet.write_table(half, hub / f"train-0000{file}-of-00002.parquet", row_group_size=ROWS // 8)
    original = datasets.load_dataset
    monkeypatch.setattr(
        "smart_train.data.formats.parquet_and_hub.load_dataset", lambda _, *a, **k: original(str(hub), *a, **k)
    )
    options = {"split": "train", "streaming": True, "max_samples": 40}
    assert drawn("owner/name", **options) == list(range(40))
    sample = drawn("owner/name", **options, sample_seed=0)
    assert len(set(sample)) == 40 and len({row * 8 // ROWS for row in sample}) >= 4, "as many row groups as it takes"
    assert drawn("owner/name", **options, sample_seed=0) == sample
    everything = drawn("owner/name", **{**options, "max_samples": ROWS}, sample_seed=0)
    assert sorted(everything) == list(range(ROWS)), "no row twice, none left out"
