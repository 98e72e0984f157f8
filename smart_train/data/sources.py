"""Where rows come from: one entry for every format.

| `path` | read as |
|---|---|
| a .jsonl or .ndjson file, or a folder with `SPLIT.jsonl` | JSON lines, images relative to the file |
| a folder written by `datasets.save_to_disk` | that data set |
| a .parquet, .json or .csv file, or a folder of them | a `datasets` data set |
| `name` or `owner/name` that is no file | a data set on the Hugging Face Hub |
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smart_train.data.columns import find_columns
from smart_train.data.config import SourceConfig
from smart_train.data.jsonl import read_jsonl
from smart_train.data.rows import ExampleRows, RowReader
from smart_train.errors import DataError
from smart_train.media import IMAGE_EXTENSIONS, nearest
from smart_train.types import ModelInput

_JSON_LINES = (".jsonl", ".ndjson")
_FILES = (".parquet", ".json", ".csv")
_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


def load_examples(config: SourceConfig) -> ExampleRows:
    """The rows of a source as a sequence of Examples; nothing is decoded yet.

    Raises:
        DataError: the source or a column does not exist, or there is no row.
        ConnectionError: the Hub is out of reach.
    """
    return _load(config, query_required=True)


def load_documents(config: SourceConfig) -> list[tuple[str, ModelInput]]:
    """Id and document of every row of a source that needs no queries, or of every image below a folder (the id is then
    the path within it). For corpora: pages that are searched but answer nothing.

    Raises: as `load_examples`.
    """
    path = Path(config.path)
    if path.is_dir() and not _is_saved(path) and _json_lines_in(path, config.split) is None:
        images = sorted(file for file in path.rglob("*") if file.suffix.lower() in IMAGE_EXTENSIONS)
        if images:
            chosen = images[: config.max_samples]
            return [(file.relative_to(path).as_posix(), ModelInput(images=(file,))) for file in chosen]
    return _load(config, query_required=False).documents()


def _load(config: SourceConfig, *, query_required: bool) -> ExampleRows:
    raw, numbers, available, folder = _read(config)
    if len(raw) == 0:
        raise DataError(f"{config.path}: holds no rows")
    columns = find_columns(str(config.path), available, config.columns, query_required=query_required)
    root = Path(config.image_root) if config.image_root is not None else folder
    if not root.is_dir():
        raise DataError(f"{config.path}: image_root {root} is no folder")
    return ExampleRows(raw, RowReader(str(config.path), columns, root, config.instruction), numbers)


def _read(config: SourceConfig) -> tuple[Sequence[Any], list[int] | None, list[str], Path]:
    """Raw rows, their numbers (None: 0, 1, 2, ...), the names of all columns, and the folder images start from."""
    path = Path(config.path)
    lines = path if path.is_file() and path.suffix.lower() in _JSON_LINES else _json_lines_in(path, config.split)
    if lines is not None:
        raw, numbers = read_jsonl(lines, config.max_samples)
        names = {name: None for row in raw if isinstance(row, dict) for name in row}
        return raw, numbers, list(names), lines.parent
    # Imported here: `datasets` takes seconds to import, which JSON lines need not pay.
    from smart_train.data import huggingface

    if path.is_dir():
        reader = huggingface.read_saved if _is_saved(path) else huggingface.read_files
        dataset = reader(path, config.split)
    elif path.is_file():
        if path.suffix.lower() not in _FILES:
            raise DataError(f"{path}: rows are read from {', '.join((*_JSON_LINES, *_FILES))}, not {path.suffix!r}")
        dataset = huggingface.read_files(path, config.split)
    else:
        _check_hub_id(config)
        dataset = huggingface.read_hub(str(config.path), config.split)
    if config.max_samples is not None:
        dataset = dataset.select(range(min(config.max_samples, len(dataset))))
    folder = path if path.is_dir() else path.parent if path.is_file() else Path.cwd()
    return dataset, None, list(dataset.column_names), folder


def _json_lines_in(folder: Path, split: str | None) -> Path | None:
    """`SPLIT.jsonl` of a folder, or its only .jsonl file when no split is named."""
    if not folder.is_dir():
        return None
    files = sorted(folder.glob("*.jsonl"))
    if split is not None:
        return next((file for file in files if file.stem == split), None)
    if len(files) > 1:
        names = ", ".join(file.stem for file in files)
        raise DataError(f"{folder}: has several splits, {names}; say which, for example split: {files[0].stem}")
    return files[0] if files else None


def _is_saved(folder: Path) -> bool:
    return (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()


def _check_hub_id(config: SourceConfig) -> None:
    """Raises DataError for a path that can only have been meant as a file or folder."""
    path, text = Path(config.path), str(config.path)
    known = path.suffix.lower() in (*_JSON_LINES, *_FILES, *IMAGE_EXTENSIONS)
    if known or not _HUB_ID.fullmatch(text) or isinstance(config.path, Path):
        siblings = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = nearest(path.name, siblings) if siblings else ""
        missing = "" if path.parent.is_dir() else f"; there is no folder {path.parent} either"
        raise DataError(f"{config.path}: no such file or folder{hint}{missing}")
