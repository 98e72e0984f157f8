"""Which optional dependencies of this package a recipe needs.

`launch.sh` asks before it installs anything, so nothing is imported here but PyYAML and what needs no library. The
recipe is read, not checked: a mistake in its keys is reported by the command that runs it. Nothing in a recipe asks for
the extras `kernels` and `sentence-transformers`; `ocr: all` asks for `ocr`, which `ocr: auto` does without.
"""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from smart_train.inputs.extensions import VIDEO_EXTENSIONS
from smart_train.recipe.reader import read_recipe
from smart_train.utils.text_files import GZIP, READ_ERRORS, plain_name

_DEEPSPEED = ("zero1", "zero2", "zero3")
_BITSANDBYTES_PREFIXES = ("paged_", "ademamix", "lion_", "rmsprop_bnb", "adamw_bnb")
# Rows in text, which can be searched without the libraries that read them.
TEXT_ROWS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv")
_VIDEO = "|".join(re.escape(extension) for extension in VIDEO_EXTENSIONS)
# The end of a value of JSON or CSV that names a page or a video. Text that only mentions one goes on after it.
_END = rb"""(?=["',;\t\r\n]|$)"""
_NAMES = {
    "pdf": re.compile(rb"""\.pdf[#?](?:[^"'\s#?]*&)?page=\d+(?:&[^"'\s]*)?\s*""" + _END, re.IGNORECASE),
    # A key "video" may also hold a list of frames; in CSV the quotes around it are doubled.
    "video": re.compile(rb'(?:%s)(?:[?#][^"\s]*)?%s|"video"{1,2}\s*:' % (_VIDEO.encode(), _END), re.IGNORECASE),
}
_IDS = re.compile(rb'"(?:document_id|query_id|image_filename|_?id)"\s*:\s*"[^"]*"')
# Inline script metadata (PEP 723): how a script says what it needs.
_SCRIPT_BLOCK = re.compile(r"^# /// script$\n(?P<content>(?:^#(?: .*)?$\n)+?)^# ///$", re.MULTILINE)
_SCRIPT_EXTRAS = re.compile(r"smart_train\s*\[([\w\s,-]+)\]")


def needed_extras(path: str | Path, overrides: Sequence[str] = ()) -> list[str]:
    """The extras that the recipe in `path` needs, its parents and `overrides` applied; sorted.

    What rows name is found in local files of text (JSON, CSV, TSV) and by the names of files in folders. Parquet files
    and data sets on the Hub are not read.

    Raises:
        RecipeError: as `read_recipe`.
    """
    values = read_recipe(Path(path), overrides)
    extras = _script_extras(_at(values, "data.prepare.script"))
    if _at(values, "distributed.strategy") in _DEEPSPEED or _asks_deepspeed(
        _at(values, "distributed.accelerate_config")
    ):
        extras.add("deepspeed")
    if _at(values, "model.quantization") or needs_bitsandbytes(_at(values, "training.optim")):
        extras.add("quantization")
    if any(_at(source, "ocr") == "all" for source in _sources(values)):
        extras.add("ocr")
    for place in _data_paths(values):
        extras |= _extras_of_data(place, {"pdf", "video"} - extras)
    return sorted(extras)


def needs_bitsandbytes(optimiser: Any) -> bool:
    """Whether `training.optim` names one of the optimisers that the Trainer takes from bitsandbytes."""
    name = str(optimiser or "")
    return name == "adamw_8bit" or name.startswith(_BITSANDBYTES_PREFIXES)


def _at(values: Any, dotted: str) -> Any:
    """The value of a key; None where it is not there."""
    for key in dotted.split("."):
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _asks_deepspeed(file: Any) -> bool:
    """Whether an accelerate configuration (YAML or JSON) starts DeepSpeed. A file that cannot be read does not: the run
    reports it."""
    if not isinstance(file, str):
        return False
    try:
        config = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return False
    return str(_at(config, "distributed_type")).upper() == "DEEPSPEED"


def _script_extras(file: Any) -> set[str]:
    """The extras of this package that a script asks for in its metadata block."""
    if not isinstance(file, str):
        return set()
    try:
        block = _SCRIPT_BLOCK.search(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return set()
    groups = _SCRIPT_EXTRAS.findall(block["content"]) if block else []
    return {name.strip() for group in groups for name in group.split(",")}


def _sources(values: Mapping[str, Any]) -> list[Any]:
    """The sections of `data` that say where rows come from."""
    train = _at(values, "data.train")
    return [*(train if isinstance(train, list) else [train]), _at(values, "data.evaluation"), _at(values, "data.test")]


def _data_paths(values: Mapping[str, Any]) -> Iterator[Path]:
    """Every place that the recipe names rows or documents in."""
    for source in _sources(values):
        for key in ("path", "documents", "corpus"):
            place = _at(source, key)
            if isinstance(place, str):
                yield Path(place)


def _extras_of_data(place: Path, wanted: set[str]) -> set[str]:
    """Those of `wanted` that the files at or below `place` need."""
    extras: set[str] = set()
    for file in _files(place):
        if wanted <= extras:
            break
        if file.suffix.lower() == ".pdf":
            extras.add("pdf")
        elif plain_name(file).suffix.lower() in TEXT_ROWS:
            extras |= _named_in(file, wanted - extras)
    return extras & wanted


def _files(place: Path) -> Iterator[Path]:
    """`place` itself, or every file below it; hidden ones are no data."""
    if place.is_file():
        yield place
    for folder, below, names in os.walk(place):
        below[:] = [name for name in below if not name.startswith(".")]
        yield from (Path(folder, name) for name in names if not name.startswith("."))


def _named_in(file: Path, wanted: set[str]) -> set[str]:
    """Those of `wanted` whose files a table in text names in any of its lines."""
    extras: set[str] = set()
    try:
        with (gzip.open if file.suffix.lower() == GZIP else open)(file, "rb") as table:
            for line in table:
                extras |= {name for name in wanted - extras if _names(line, _NAMES[name])}
                if wanted <= extras:
                    break
    except READ_ERRORS:
        return extras
    return extras


def _names(line: bytes, pattern: re.Pattern[bytes]) -> bool:
    # The id of a page that was rendered before names a PDF file that nobody opens. Few lines are searched twice.
    return bool(pattern.search(line) and pattern.search(_IDS.sub(b"", line)))
