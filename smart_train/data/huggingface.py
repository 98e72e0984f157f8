"""Data sets of the Hugging Face `datasets` library: saved folders, parquet, JSON and CSV files, the Hub.

Images stay encoded: the library is told not to decode them, so that a worker decodes each once, with our limits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict, Features, Image, List, load_dataset, load_from_disk
from datasets.exceptions import DatasetNotFoundError

from smart_train.errors import DataError
from smart_train.media import nearest

BUILDERS = {".parquet": "parquet", ".json": "json", ".csv": "csv"}


def read_saved(path: Path, split: str | None) -> Dataset:
    """A folder written by `save_to_disk`."""
    return _undecoded(_one_split(load_from_disk(str(path)), str(path), split))


def read_files(path: Path, split: str | None) -> Dataset:
    """A .parquet, .json or .csv file, or a folder of them, whose names say which split they belong to."""
    try:
        if path.is_dir():
            loaded = load_dataset(str(path))
        else:
            loaded = load_dataset(BUILDERS[path.suffix.lower()], data_files=str(path))
    except (ValueError, FileNotFoundError, RuntimeError) as error:  # what `datasets` raises for files it cannot read
        cause = error.__cause__ or error
        raise DataError(f"{path}: cannot be read as a data set ({cause})") from error
    return _undecoded(_one_split(loaded, str(path), split))


def read_hub(name: str, split: str | None) -> Dataset:
    """A data set on the Hub. Raises ConnectionError when the Hub is out of reach."""
    if split is None:
        raise DataError(f"{name}: a data set on the Hub needs a split, for example split: train")
    try:
        return _undecoded(load_dataset(name, split=split))
    except DatasetNotFoundError as error:
        raise DataError(f"{name}: no such file or folder, and no data set of that name on the Hub ({error})") from error
    except ValueError as error:  # an unknown split
        raise DataError(f"{name}: {error}") from error


def _one_split(loaded: Dataset | DatasetDict, source: str, split: str | None) -> Dataset:
    if isinstance(loaded, Dataset):
        if split is not None and str(loaded.split or split) != split:
            raise DataError(f"{source}: split {split!r} asked, but it holds the split {loaded.split} alone")
        return loaded
    names = [str(name) for name in loaded]
    if split is None and len(names) == 1:
        return loaded[names[0]]
    if split is None:
        raise DataError(f"{source}: has several splits, {', '.join(names)}; say which, for example split: {names[0]}")
    if split not in names:
        raise DataError(f"{source}: no split {split!r}{nearest(split, names)}; splits: {', '.join(names)}")
    return loaded[split]


def _undecoded(dataset: Dataset) -> Dataset:
    features: dict[str, Any] = dict(dataset.features)
    for name, feature in dataset.features.items():
        if isinstance(feature, Image):
            features[name] = Image(decode=False)
        elif isinstance(feature, List) and isinstance(feature.feature, Image):
            features[name] = List(Image(decode=False))
    return dataset.cast(Features(features)) if features != dict(dataset.features) else dataset
