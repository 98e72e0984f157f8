"""Data sets of the Hugging Face `datasets` library: saved folders, parquet, JSON and CSV files, the Hub.

Images stay encoded: the library is told not to decode them, so that a worker decodes each once, with our limits.
"""

from __future__ import annotations

import dataclasses
import random
import tarfile
import warnings
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
from datasets import (
    Dataset,
    DatasetDict,
    Features,
    List,
    Value,
    get_dataset_config_names,
    load_dataset,
    load_dataset_builder,
    load_from_disk,
)
from datasets.exceptions import DatasetNotFoundError, DatasetsError

from smart_train.data.formats import judged
from smart_train.data.formats.delimited import DELIMITERS, read_delimited
from smart_train.data.row_files import is_rows_file
from smart_train.errors import DataError, LeftOut, Unreachable, did_you_mean
from smart_train.utils.text_files import READ_ERRORS, plain_name

Json = getattr(datasets, "Json", None)  # older versions have no such type, and refuse these files
BUILDERS = {".parquet": "parquet", ".json": "json", ".arrow": "arrow", ".feather": "arrow", ".tar": "webdataset"}
_DESCRIPTIONS = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "config.json")
_NAMED = 5  # files in a message
_OF_WEBDATASET = "__key__"  # a column that no other files have
_POOL = 4  # rows fetched for each that a streamed sample keeps
_TOGETHER = 32  # rows of a pool that lie together: a row group comes whole, so one row of it costs as much as many


def read_saved(path: Path, split: str | None) -> Dataset:
    """A folder written by `save_to_disk`."""
    with _readable(str(path)):
        loaded = load_from_disk(str(path))
    return _undecoded(_one_split(loaded, str(path), split))


def read_files(paths: Sequence[Path]) -> Dataset:
    """Files of one data set, all of one of the `BUILDERS`. Of the samples of a WebDataset (.tar), what lies in their
    JSON files becomes columns of its own."""
    builder = BUILDERS[plain_name(paths[0]).suffix.lower()]
    with _readable(", ".join(map(str, paths))):
        loaded = load_dataset(builder, data_files=[str(path) for path in paths])["train"]
    return _undecoded(_lifted(loaded))


def read_folder(path: Path, subset: str | None, split: str | None) -> Dataset:
    """A folder of files whose names, or whose card, say which split and configuration they belong to. Cells of CSV and
    TSV files are text, as where such a file is read alone. A warning (`LeftOut`) names files of rows that are in no
    split."""
    with _readable(str(path)):
        splits = load_dataset_builder(str(path), subset).config.data_files or {}
        files = [Path(file) for several in splits.values() for file in several]
    options = _as_text(files)
    with _readable(str(path)):
        loaded = load_dataset(str(path), subset, **options)
    if not (path / "README.md").is_file():
        _tell_left_out(path, files)
    return _undecoded(_lifted(_one_split(loaded, str(path), split)))


def _as_text(files: Sequence[Path]) -> dict[str, Any]:
    """What to tell the library so that it guesses no types from cells: nothing where the files are of another kind, or
    have columns that it has to name itself."""
    if not files or any(plain_name(file).suffix.lower() not in DELIMITERS for file in files):
        return {}
    try:
        headers = [read_delimited(file, 1)[1] for file in files]
    except DataError:
        return {}
    if any(header != headers[0] for header in headers):
        return {}
    text = Features(dict.fromkeys(headers[0], Value("string")))
    return {"features": text, "keep_default_na": False, "na_values": [""]}


def _tell_left_out(folder: Path, files: Sequence[Path]) -> None:
    """Warns of files of rows in `folder`, or one level below, that are not among `files`: the library takes one kind of
    files, and where a name says a split, no other files for this split."""
    read = {file.resolve() for file in files}
    below = (file for pattern in ("*", "*/*") for file in sorted(folder.glob(pattern)))
    left = [file for file in below if is_rows_file(file) and file.resolve() not in read]
    names = [file.relative_to(folder).as_posix() for file in left if file.name not in _DESCRIPTIONS]
    if names and read:
        some = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
        told = f"{folder}: read {', '.join(sorted(file.name for file in files)[:_NAMED])}, but not {some}"
        warnings.warn(f"{told}; name such a file itself, or put it into a folder of its own", LeftOut, stacklevel=4)


def read_hub(name: str, subset: str | None, split: str | None) -> Dataset:
    """A data set on the Hub. Raises Unreachable when the Hub is out of reach."""
    _check_split(name, split)
    with _on_hub(name):
        return _undecoded(load_dataset(name, subset, split=split))


def stream_hub(
    name: str, subset: str | None, split: str | None, max_samples: int, sample_seed: int | None = None
) -> Dataset:
    """Rows of a data set on the Hub, of which little more is downloaded. They are kept on disk, not in memory.

    Args:
        max_samples: without a seed, the first so many rows.
        sample_seed: gives `_POOL` times as many, read in pieces of `_TOGETHER` from places all over the data set: the
            row groups of Parquet files, else its files. A data set sorted by source then shows all its sources.

    Raises: Unreachable when the Hub is out of reach.
    """
    _check_split(name, split)
    with _on_hub(name):
        stream = load_dataset(name, subset, split=split, streaming=True)
        features = None if stream.features is None else _encoded(stream.features)
        if sample_seed is not None and hasattr(stream, "reshard"):  # before datasets 4.6 a place is a whole file
            stream = stream.reshard()
        count = 1 if sample_seed is None else stream.num_shards
        places = [stream] if count == 1 else [stream.shard(count, place) for place in range(count)]
        places = [place if features is None else place.cast(features) for place in places]
        wanted = {"limit": max_samples if sample_seed is None else _POOL * max_samples, "seed": sample_seed}
        return _undecoded(Dataset.from_generator(_iterate, gen_kwargs={"places": places, **wanted}, features=features))


def judged_parts(name: str, subset: str | None, split: str | None, *, local: bool) -> dict[str, Dataset] | None:
    """The data sets of queries, corpus and qrels, where `name` has configurations of these names (the judgements may be
    the default one), and of instructions, if it has them; None where it has not. mteb's sets of several languages have
    a configuration of each for every language, `english-queries` and so on, of which `subset` is the first part.

    Args:
        local: whether `name` is a folder rather than an id on the Hub.

    Raises:
        DataError: there are such sets of several languages, and no `subset` says which one is meant.
    """
    if not local:
        _check_split(name, split)
    with _readable(name) if local else _on_hub(name):
        names = get_dataset_config_names(name)
    beginnings = [named.removesuffix("-queries") for named in names if named.endswith("-queries")]
    languages = [language for language in beginnings if _configurations(names, language)]
    if subset is None and languages and not _configurations(names, None):
        raise DataError(
            f"{name}: holds the sets {', '.join(languages)}; choose one, for example subset: {languages[0]}"
        )
    configurations = _configurations(names, subset)
    if not configurations:
        return None
    if configurations.pop(judged.CANDIDATES, None):
        judged.tell_candidates(name)
    with _readable(name) if local else _on_hub(name):
        loaded = {part: load_dataset(name, configuration) for part, configuration in configurations.items()}
    return {part: _undecoded(_likely_split(splits, f"{name}, {part}", split)) for part, splits in loaded.items()}


def _configurations(names: Collection[str], subset: str | None) -> dict[str, str]:
    """Part of a judged set -> its configuration; empty where a part that is needed has none."""
    before = "" if subset is None else f"{subset}-"
    found = {part: f"{before}{part}" for part in (*judged.PARTS, judged.INSTRUCTIONS, judged.CANDIDATES)}
    if found["qrels"] not in names and subset is None:
        found["qrels"] = "default"
    found = {part: configuration for part, configuration in found.items() if configuration in names}
    return found if {*judged.PARTS} <= {*found} else {}


def _iterate(places: list[Iterable[dict[str, Any]]], limit: int, seed: int | None) -> Iterator[dict[str, Any]]:
    """Up to `limit` rows: of a single place the first ones; of several, in an order drawn under `seed`, `_TOGETHER`
    from each in turn, or as many as it takes to reach the limit in one round."""
    together = max(_TOGETHER, -(-limit // len(places)))
    streams = [iter(places[index]) for index in random.Random(seed).sample(range(len(places)), len(places))]
    while streams and limit > 0:
        going_on = []
        for stream in streams:
            wanted, taken = min(together, limit), 0
            for row in islice(stream, wanted):
                yield row
                taken += 1
            limit -= taken
            if taken == wanted:
                going_on.append(stream)
        streams = going_on


def _check_split(name: str, split: str | None) -> None:
    if split is None:
        raise DataError(
            f"{name}: no such file or folder here; as a data set on the Hub it needs a split, for example split: train"
        )


@contextmanager
def _readable(source: str) -> Iterator[None]:
    try:
        yield
    # What `datasets` raises for files it cannot read; a LookupError or TypeError where a file is JSON of another kind.
    except (
        *(ValueError, RuntimeError, LookupError, TypeError, DatasetsError),
        *(tarfile.TarError, zipfile.BadZipFile, *READ_ERRORS),
    ) as error:
        cause = error.__cause__ or error
        raise DataError(f"{source}: cannot be read as a data set ({cause})") from error


@contextmanager
def _on_hub(name: str) -> Iterator[None]:
    try:
        yield
    except DatasetNotFoundError as error:
        raise DataError(f"{name}: no such file or folder, and no data set of that name on the Hub ({error})") from error
    except (ValueError, DatasetsError) as error:  # an unknown split or configuration; files that cannot be read
        raise DataError(f"{name}: {error.__cause__ or error}") from error
    except ConnectionError as error:
        raise Unreachable(f"{name}: no such file or folder here, and the Hub is out of reach ({error})") from error


def _likely_split(loaded: DatasetDict, source: str, split: str | None) -> Dataset:
    """The split asked for; of a part that has one alone (a corpus often has) that one."""
    return loaded[next(iter(loaded))] if len(loaded) == 1 else _one_split(loaded, source, split)


def _one_split(loaded: Dataset | DatasetDict, source: str, split: str | None) -> Dataset:
    if isinstance(loaded, Dataset):
        if split is not None and str(loaded.split or split) != split:
            raise DataError(f"{source}: split {split!r} was asked for, but it has only the split {loaded.split}")
        return loaded
    names = [str(name) for name in loaded]
    if split is None and len(names) == 1:
        return loaded[names[0]]
    if split is None:
        raise DataError(f"{source}: has several splits, {', '.join(names)}; choose one, for example split: {names[0]}")
    if split not in names:
        raise DataError(f"{source}: no split {split!r}{did_you_mean(split, names)}; splits: {', '.join(names)}")
    return loaded[split]


def _lifted(dataset: Dataset) -> Dataset:
    """The columns `json.NAME` of a flattened WebDataset under NAME, where no other column is called so; other data sets
    as they are."""
    if _OF_WEBDATASET not in dataset.column_names:
        return dataset
    flat = dataset.flatten()
    names = {name: name.removeprefix("json.") for name in flat.column_names if name.startswith("json.")}
    return flat.rename_columns({name: short for name, short in names.items() if short not in flat.column_names})


def _undecoded(dataset: Dataset) -> Dataset:
    features = _encoded(dataset.features)
    return dataset.cast(features) if features != dataset.features else dataset


def _encoded(features: Features) -> Features:
    """The same columns, images and the like left as they were written."""
    return Features({name: _encoded_feature(feature) for name, feature in features.items()})


def _encoded_feature(feature: Any) -> Any:
    """The same, also of lists and mappings that hold images. Of sound, videos and PDF files too: the library decodes
    every column of a row that is looked at, with libraries of its own that need not be there. Columns with values of
    several types stay decoded: the library keeps these as JSON, which would be read as their text."""
    if getattr(feature, "decode", None) is True and not _is_json(feature):
        return dataclasses.replace(feature, decode=False)
    if isinstance(feature, Mapping):
        return {name: _encoded_feature(part) for name, part in feature.items()}
    if isinstance(feature, List):
        return List(_encoded_feature(feature.feature), length=feature.length)
    return feature


def _is_json(feature: Any) -> bool:
    return Json is not None and isinstance(feature, Json)
