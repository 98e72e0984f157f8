"""Mistakes in a recipe that can be told at once: keys that are unknown or missing, files that are not there, columns
that rows lack.

Commands ask this before they import torch and transformers, which takes longer than to correct a typing error. It is
not the check of a recipe: values are looked at by `load_recipe`, and the same keys again.
"""

from __future__ import annotations

import ast
import csv
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from smart_train.errors import DataError, RecipeError, did_you_mean, option_of
from smart_train.recipe.reader import read_recipe
from smart_train.recipe.recipe import Recipe, mode_problems
from smart_train.recipe.sections import section_classes
from smart_train.recipe.training_section import unknown_argument
from smart_train.recipe.wording import bad_value, missing_key, section_rule, unknown_key
from smart_train.utils.counts import counted
from smart_train.utils.model_folders import is_path, missing_folder
from smart_train.utils.text_files import open_text

_ROWS = (".jsonl", ".ndjson")
_DELIMITED = {".csv": ",", ".tsv": "\t"}
# Endings that no name on the Hub has.
_FILES = (*_ROWS, *_DELIMITED, ".json", ".parquet", ".pdf", ".png", ".jpg")
_LARGEST = 20 * 2**20  # bytes of a file whose columns are looked at


def check_quickly(recipe: str | Path, overrides: Sequence[str] = ()) -> None:
    """Raises RecipeError, with a line for every mistake that is seen without a library, before any is imported."""
    path = Path(recipe)
    values = read_recipe(path, overrides)
    problems = [
        *mode_problems(values),
        *_keys(Recipe, values),
        *_missing_models(values),
        *_missing(values, path.parent),
        *_columns(values),
        *_occupied(values),
    ]
    if problems:
        raise RecipeError(
            "\n".join([f"{path}: {counted(len(problems), 'mistake')}", *(f"  {line}" for line in problems)])
        )


def check_rows_quickly(rows: Mapping[str, Any]) -> None:
    """The same for rows that options of a command name: `rows` are the keys of a source in a recipe. Raises DataError,
    with a line for every mistake."""
    values, path = {"data": {"evaluation": rows}}, rows["path"]
    # The rest of each line stays as it is: a path may read like a key.
    files = [
        re.sub(r"^data\.evaluation(?:\.(\w+))?:", lambda key: f"{option_of(key[1] or 'data')}:", line)
        for line in _missing(values, Path())
    ]
    columns = [
        line.replace(f"data.evaluation: {path}: columns.", f"--data: {path}: --columns ", 1)
        for line in _columns(values)
    ]
    if files or columns:
        raise DataError("\n".join([*files, *columns]))


def _keys(section: type[BaseModel], values: Any, at: str = "") -> Iterator[str]:
    """A line for every key that a section does not have, or needs and lacks, and for what should be a section."""
    if isinstance(values, list) and at == "data.train.":  # the one section of which there may be several
        for place, item in enumerate(values):
            yield from _keys(section, item, f"{at}{place}.")
    elif values is not None and not isinstance(values, Mapping):
        dotted = at.rstrip(".")
        yield bad_value(dotted, values, section_rule(dotted, values))
    if not isinstance(values, Mapping):
        return
    lacking = [key for key, field in section.model_fields.items() if field.is_required() and key not in values]
    yield from (missing_key(f"{at}{key}") for key in lacking)
    for key, value in values.items():
        dotted = f"{at}{key}"
        if key not in section.model_fields:
            yield unknown_key(dotted, section.model_fields, _all_keys())
        elif dotted == "training":
            names = argument_names()
            yield from (unknown_argument(name, names) for name in _other(value, names) if names)
        elif dotted == "scoring":
            yield from (unknown_key(f"scoring.{name}", scoring_names()) for name in _other(value, scoring_names()))
        else:
            for below in list(section_classes(section.model_fields[key].annotation))[:1]:
                yield from _keys(below, value, f"{dotted}.")


def _other(values: Any, names: Sequence[str]) -> list[str]:
    return [name for name in values if name not in names] if isinstance(values, Mapping) else []


def argument_names() -> tuple[str, ...]:
    """The arguments of the installed TrainingArguments, read from its source: to import it takes seconds. Empty
    where the source is not where it was."""
    spec = find_spec("transformers")
    folders = spec.submodule_search_locations if spec is not None else None
    return _fields_of(Path(next(iter(folders or [""])), "training_args.py"), "TrainingArguments")


def scoring_names() -> tuple[str, ...]:
    """The keys of `ScoringConfig`, read from its source."""
    return _fields_of(Path(__file__).parents[1] / "scoring" / "hybrid.py", "ScoringConfig")


@cache
def _fields_of(file: Path, name: str) -> tuple[str, ...]:
    """The annotated names in the body of a class, read without running it; () where it is not found."""
    if not file.is_file():
        return ()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            lines = [line for line in node.body if isinstance(line, ast.AnnAssign)]
            return tuple(line.target.id for line in lines if isinstance(line.target, ast.Name))
    return ()


@cache
def _all_keys() -> tuple[str, ...]:
    """`section.key` of every section, where a key in the wrong place may belong."""
    keys = [f"training.{name}" for name in argument_names()] + [f"scoring.{name}" for name in scoring_names()]
    for name, field in Recipe.model_fields.items():
        for section in section_classes(field.annotation):
            keys += [f"{name}.{key}" for key in section.model_fields]
    return tuple(keys)


def _sources(values: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(dotted key, section) of every source of rows."""
    data = values.get("data")
    given = data if isinstance(data, Mapping) else {}
    for name in ("train", "evaluation", "test"):
        section = given.get(name)
        several = section if isinstance(section, list) else [section]
        for place, source in enumerate(several):
            if isinstance(source, Mapping):
                yield f"data.{name}" + (f".{place}" if len(several) > 1 else ""), source


def _missing(values: Mapping[str, Any], beside: Path) -> Iterator[str]:
    """A line for every file or folder that is named and is not there, and that nothing will make."""
    made = _made(values)
    for name, source in _sources(values):
        for key in ("path", "documents", "corpus", "image_root"):
            text = source.get(key)
            if not isinstance(text, str) or not text or _exists(Path(text)):
                continue
            if made is not None and (Path(text) == made or made in Path(text).parents):
                continue
            near = _exists(beside / text) and not Path(text).is_absolute()
            if near or _is_path(text) or key == "image_root":
                where = name if key == "path" else f"{name}.{key}"
                yield f"{where}: {text}: no such file or folder{_hint(Path(text), beside if near else None)}"


def _missing_models(values: Mapping[str, Any]) -> Iterator[str]:
    """A line for every model that is named by a path and is not there, and that nothing will make."""
    made = _made(values)
    for section, key in (("model", "name_or_path"), ("lora", "init_from")):
        given = values.get(section)
        name = given.get(key) if isinstance(given, Mapping) else None
        if not isinstance(name, str) or not is_path(name) or _exists(Path(name)):
            continue
        if made is None or made not in (Path(name), *Path(name).parents):
            yield f"{section}.{key}: {missing_folder(name)}"


def _occupied(values: Mapping[str, Any]) -> Iterator[str]:
    """A line where the run folder cannot be one, because a file is in its place or above it."""
    given = values.get("training")
    text = given.get("output_dir") if isinstance(given, Mapping) else None
    if isinstance(text, str) and text:
        # os.path's functions, because Path's raise where a folder may not be searched.
        there = next((place for place in (Path(text), *Path(text).parents) if os.path.exists(place)), Path())
        if not os.path.isdir(there):
            yield f"training.output_dir: {text}: {'is' if there == Path(text) else f'{there} is'} a file; name a folder"


def _made(values: Mapping[str, Any]) -> Path | None:
    """What the script of `data.prepare` will make; None where there is none."""
    data = values.get("data")
    prepare = data.get("prepare") if isinstance(data, Mapping) else None
    return Path(str(prepare.get("output"))) if isinstance(prepare, Mapping) else None


def _exists(path: Path) -> bool:
    """False only where it is certain: what lies in a folder that may not be searched, the run says."""
    try:
        path.stat()
    except PermissionError:
        return True
    except (OSError, ValueError):  # also a name longer than any file's
        return False
    return True


def _is_path(text: str) -> bool:
    """Whether `text` cannot be the name of a data set on the Hub."""
    return text.startswith((".", "/", "~")) or text.count("/") > 1 or Path(text).suffix.lower() in _FILES


def _hint(path: Path, beside: Path | None) -> str:
    """What to do about a path that leads nowhere."""
    if path.is_absolute():
        folder = "" if _exists(path.parent) else f"; there is no folder {path.parent} either"
    else:
        folder = f"; paths are meant from the current folder, {Path.cwd()}"
    if beside is not None:
        return f"{folder}; it lies beside the recipe: write {beside / path}, or start in {beside.resolve()}"
    return f"{did_you_mean(path.name, _siblings(path))}{folder}"


def _siblings(path: Path) -> list[str]:
    try:
        return [file.name for file in path.parent.iterdir()]
    except OSError:  # there is no such folder, or it may not be read
        return []


def _columns(values: Mapping[str, Any]) -> Iterator[str]:
    """A line for every column that `columns` names and no row of a small file has."""
    for name, source in _sources(values):
        columns, text = source.get("columns"), source.get("path")
        if not isinstance(columns, Mapping) or not isinstance(text, str):
            continue
        header = _columns_of(Path(text))
        if not header:
            continue
        for ours, theirs in columns.items():
            for column in theirs if isinstance(theirs, list) else [theirs]:
                if isinstance(column, str) and column not in header:
                    yield (
                        f"{name}: {text}: columns.{ours}: there is no column {column!r}{did_you_mean(column, header)}; "
                        f"columns: {', '.join(sorted(header))}"
                    )


def _columns_of(file: Path) -> set[str]:
    """The columns of a small file of rows in text; empty where it is none, or cannot be read: the run says why."""
    suffix = file.suffix.lower()
    try:
        if not file.is_file() or file.stat().st_size > _LARGEST:
            return set()
        with open_text(file, newline="") as lines:
            if suffix in _DELIMITED:
                return set(next(csv.reader(lines, delimiter=_DELIMITED[suffix]), []))
            rows = [json.loads(line) for line in lines if line.strip()] if suffix in _ROWS else []
    except (OSError, ValueError, csv.Error, RecursionError):
        return set()
    return {name for row in rows if isinstance(row, dict) for name in row}
