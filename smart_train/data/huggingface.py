"""Data sets of the Hugging Face `datasets` library: saved folders, parquet, JSON and CSV files, the Hub.

Images stay encoded: the library is told not to decode them, so that a worker decodes each once, with our limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datasets import (
    Dataset,
    DatasetDict,
    Features,
    Image,
    List,
    get_dataset_config_names,
    load_dataset,
    load_from_disk,
)
from datasets.exceptions import DatasetNotFoundError

from smart_train.errors import DataError, did_you_mean

BUILDERS = {".parquet": "parquet", ".json": "json"}


def read_saved(path: Path, split: str | None) -> Dataset:
    """A folder written by `save_to_disk`."""
    return _undecoded(_one_split(load_from_disk(str(path)), str(path), split))


def read_files(paths: Sequence[Path]) -> Dataset:
    """Parquet or JSON files of one data set."""
    with _readable(", ".join(map(str, paths))):
        loaded = load_dataset(BUILDERS[paths[0].suffix.lower()], data_files=[str(path) for path in paths])
    return _undecoded(loaded["train"])


def read_folder(path: Path, subset: str | None, split: str | None) -> Dataset:
    """A folder of files whose names, or whose card, say which split and configuration they belong to."""
    with _readable(str(path)):
        loaded = load_dataset(str(path), subset)
    return _undecoded(_one_split(loaded, str(path), split))


def read_hub(name: str, subset: str | None, split: str | None) -> Dataset:
    """A data set on the Hub. Raises ConnectionError when the Hub is out of reach."""
    _check_split(name, split)
    with _on_hub(name):
        return _undecoded(load_dataset(name, subset, split=split))


def stream_hub(name: str, subset: str | None, split: str | None, max_samples: int) -> Dataset:
    """The first rows of a data set on the Hub, of which no more is downloaded. They are kept on disk, not in memory.

    Raises: ConnectionError when the Hub is out of reach.
    """
    _check_split(name, split)
    with _on_hub(name):
        stream = load_dataset(name, subset, split=split, streaming=True)
        features = stream.features
        if features is not None:
            stream = stream.cast(_encoded(features))
        rows = stream.take(max_samples)
        return _undecoded(Dataset.from_generator(_iterate, gen_kwargs={"rows": rows}, features=rows.features))


def judged_parts(name: str, split: str | None, *, local: bool) -> dict[str, Dataset] | None:
    """The data sets of queries, corpus and qrels, where `name` has configurations of these names (the judgements may be
    the default one); None where it has not.

    Args:
        local: whether `name` is a folder rather than an id on the Hub.
    """
    if not local:
        _check_split(name, split)
    with _readable(name) if local else _on_hub(name):
        names = get_dataset_config_names(name)
        if not {"queries", "corpus"} <= {*names}:
            return None
        judgements = "qrels" if "qrels" in names else "default"
        if judgements not in names:
            return None
        configurations = {"queries": "queries", "corpus": "corpus", "qrels": judgements}
        loaded = {part: load_dataset(name, configuration) for part, configuration in configurations.items()}
    return {part: _undecoded(_likely_split(splits, f"{name}, {part}", split)) for part, splits in loaded.items()}


def _iterate(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield from rows


def _check_split(name: str, split: str | None) -> None:
    if split is None:
        raise DataError(f"{name}: a data set on the Hub needs a split, for example split: train")


@contextmanager
def _readable(source: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, FileNotFoundError, RuntimeError) as error:  # what `datasets` raises for files it cannot read
        cause = error.__cause__ or error
        raise DataError(f"{source}: cannot be read as a data set ({cause})") from error


@contextmanager
def _on_hub(name: str) -> Iterator[None]:
    try:
        yield
    except DatasetNotFoundError as error:
        raise DataError(f"{name}: no such file or folder, and no data set of that name on the Hub ({error})") from error
    except ValueError as error:  # an unknown split or configuration
        raise DataError(f"{name}: {error}") from error


def _likely_split(loaded: DatasetDict, source: str, split: str | None) -> Dataset:
    """The split asked for; of a part that has one alone (a corpus often has) that one."""
    return loaded[next(iter(loaded))] if len(loaded) == 1 else _one_split(loaded, source, split)


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
        raise DataError(f"{source}: no split {split!r}{did_you_mean(split, names)}; splits: {', '.join(names)}")
    return loaded[split]


def _undecoded(dataset: Dataset) -> Dataset:
    features = _encoded(dataset.features)
    return dataset.cast(features) if features != dataset.features else dataset


def _encoded(features: Features) -> Features:
    """The same columns, images left as they were written."""
    changed: dict[str, Any] = dict(features)
    for name, feature in features.items():
        if isinstance(feature, Image):
            changed[name] = Image(decode=False)
        elif isinstance(feature, List) and isinstance(feature.feature, Image):
            changed[name] = List(Image(decode=False))
    return Features(changed)
