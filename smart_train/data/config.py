"""What a recipe may say about where rows come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from smart_train.data.columns import check_column_map
from smart_train.errors import DataError


@dataclass(frozen=True)
class SourceConfig:
    """One source of rows.

    Args:
        path: a .jsonl, .json, .csv or .parquet file; a folder that holds such files, a data set written by
            `datasets.save_to_disk`, or `SPLIT.jsonl`; or the id of a data set on the Hugging Face Hub.
        split: which split, where the source has several. A Hub data set needs it.
        columns: our column name -> the source's, for names that are not found by themselves (see `columns.py`).
            `negatives` may name one column or a list of columns.
        image_root: folder that relative image paths start from; default: the folder of the file. No path may leave it.
        max_samples: use the first so many rows.
        instruction: the queries' instruction, where a row has none of its own.
    """

    path: str | Path
    split: str | None = None
    columns: Mapping[str, str | Sequence[str]] | None = None
    image_root: str | Path | None = None
    max_samples: int | None = None
    instruction: str | None = None

    def __post_init__(self) -> None:
        if not str(self.path):
            raise DataError("data source: path is empty; name a file, a folder or a data set on the Hub")
        if self.max_samples is not None and self.max_samples < 1:
            raise DataError(f"data source {self.path}: max_samples is {self.max_samples}; it must be at least 1")
        check_column_map(str(self.path), self.columns or {})
