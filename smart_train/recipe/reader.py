"""From a file and command-line overrides to one plain mapping: YAML, `extends`, `key.sub=value`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import yaml

from smart_train.errors import RecipeError, closest, first_line
from smart_train.utils.terms import RECIPE_FILE as RECIPE_FILE

# The plain rules of YAML 1.2. PyYAML follows version 1.1, where `eval_strategy: no` is False and `learning_rate: 1e-4`
# is a string.
_PLAIN_SCALARS = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan", "-+.0123456789"),
)


# Keys, of whichever section, whose text is a path, or may be one.
_PATHS = frozenset(
    ["accelerate_config", "cache_dir", "corpus", "documents", "image_root", "init_from", "name_or_path", "output"]
    + ["output_dir", "path", "script", "state_cache"]
)
# Far beyond any recipe, and far below what makes a parser, or whoever walks over its result, run for ever.
_MOST_BYTES = 2**20
_MOST_DEPTH = 50
_MOST_VALUES = 50_000  # with what aliases stand for
_MOST_PARENTS = 30
_DATA = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[Any]] = {}

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """As PyYAML's, but what a value breaks of its tag (`!!int abc`) has a place."""
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            problem = f"a value that cannot be read ({first_line(error)})"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error


class _Dumper(yaml.SafeDumper):
    """Quotes text that either version would read as something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _kind, _pattern, _first in _PLAIN_SCALARS:
    for _side in (_Loader, _Dumper):
        _side.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(rf"(?:{_pattern})\Z"), list(_first))


def _decimal(loader: _Loader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))  # PyYAML's own reads 010 as eight


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    """A mapping with text keys, each at most once; YAML itself would keep the last and say nothing."""
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is not text", key_node.start_mark)
        if key in result:
            raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key!r}", key_node.start_mark)
        result[key] = loader.construct_object(value_node, deep=True)
    return result


_Loader.add_constructor("tag:yaml.org,2002:int", _decimal)
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def read_recipe(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The mapping that `path` describes: its parents (`extends`) first, the file over them, the overrides over both.

    Args:
        path: a YAML file. Its `extends: OTHER` is resolved against the folder of the file that says it.
        overrides: `key.sub=value`, the value in YAML; later ones win.

    Raises:
        RecipeError: a file that is missing, unreadable, empty or no mapping; a key given twice; a circle of `extends`;
            a malformed override.
    """
    values = _with_parents(path, [])
    _apply_all(values, overrides)
    return from_home(values)


def recipe_files(path: Path) -> list[Path]:
    """The files that the recipe in `path` is made of: itself, the one that it extends, and so on, as absolute paths.
    Raises RecipeError as `read_recipe`."""
    files: list[Path] = []
    _with_parents(path, files)
    return files


def read_overrides(overrides: Sequence[str]) -> dict[str, Any]:
    """The mapping that `key.sub=value` arguments describe by themselves. Raises RecipeError for malformed ones."""
    values: dict[str, Any] = {}
    _apply_all(values, overrides)
    return from_home(values)


def dump_yaml(values: Mapping[str, Any]) -> str:
    """`values` as YAML that `read_recipe` reads back equal, keys in their order."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`: mappings merge key by key, anything else replaces (lists too)."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def from_home(values: Any, key: str = "") -> Any:
    """`values` with the user's home folder in place of a leading `~` in every path. No shell does so after
    `training.output_dir=`, and transformers does so with that key alone: a run would be kept in two folders."""
    if isinstance(values, dict):
        return {name: from_home(value, name) for name, value in values.items()}
    if isinstance(values, list):
        return [from_home(value, key) for value in values]
    return os.path.expanduser(values) if isinstance(values, str) and key in _PATHS else values


def _with_parents(path: Path, children: list[Path]) -> dict[str, Any]:
    """The values of `path` laid on those of its parents. `children` are the files read before, each extending the next;
    those read here are added."""
    try:
        resolved = path.resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a circle of links, a NUL in the name
        raise RecipeError(f"{str(path)!r}: not the path of a file ({error})") from error
    if resolved in children:
        circle = " -> ".join(item.name for item in [*children[children.index(resolved) :], resolved])
        raise RecipeError(f"{path}: extends forms a cycle: {circle}")
    if len(children) > _MOST_PARENTS:
        raise RecipeError(f"{children[0]}: extends more than {_MOST_PARENTS} recipes, one after another; merge some")
    values = _read_file(path, extended_by=children[-1] if children else None)
    children.append(resolved)
    if "extends" not in values:
        return values
    parent = values.pop("extends")
    if not isinstance(parent, str) or not parent:
        raise RecipeError(f"{path}: extends: {parent!r}; must be the path of one recipe, relative to this file")
    return merge(_with_parents(path.parent / os.path.expanduser(parent), children), values)


def _near(path: Path) -> str:
    """The file of the folder that is spelt most like `path`, as a question."""
    try:
        names = [file.name for file in path.parent.iterdir() if file.is_file()]
    except OSError:  # the folder is missing too, or may not be read
        names = []
    return "".join(f", did you mean {path.parent / near}?" for near in closest(path.name, names))


def _read_file(path: Path, extended_by: Path | None) -> dict[str, Any]:
    said_by = f" (extended by {extended_by})" if extended_by else ""
    if path.suffix.lower() in _DATA:
        raise RecipeError(
            f"{path}: is a file of rows, not a recipe; name it in one, as data: {{train: {{path: {path}}}}} "
            "(`smart-train recipes` lists some to start from), or look at its rows with: smart-train validate-data "
            f"{path}"
        )
    try:
        if path.is_fifo():
            raise RecipeError(f"{path}: is a pipe, and a recipe is read more than once; write it to a file{said_by}")
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        text = content.decode("utf-8")
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such recipe file{said_by}{_near(path)}") from None
    except IsADirectoryError:
        raise RecipeError(f"{path}: is a folder; a recipe is one YAML file{said_by}") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: is not UTF-8 text (byte {error.start}); a recipe is one YAML file") from None
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > _MOST_BYTES:
        raise RecipeError(f"{path}: is larger than {_MOST_BYTES // 2**20} MiB; a recipe is one YAML file")
    try:
        values = _parse(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}{_describe(error)}") from None
    if values is None:
        raise RecipeError(f"{path}: is empty; a recipe needs at least model.name_or_path and data.train")
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: holds a {type(values).__name__}; a recipe is a mapping of sections (model: ...)")
    return values


def _parse(text: str) -> Any:
    """The value that `text` holds. Its size is measured first: a parser recurses, and an alias of aliases of aliases
    is a few lines that whoever copies them turns into millions of values."""
    _check_size(text)
    values = yaml.load(text, Loader=_Loader)  # a SafeLoader
    for word in _words(values):
        if "\0" in word or any("\ud800" <= letter <= "\udfff" for letter in word):
            raise yaml.YAMLError(f"a text with a NUL or half a character: {word[:40]!a}")
    return values


def _check_size(text: str) -> None:
    """Raises YAMLError where the value is nested too deeply, too large once aliases are expanded, or holds itself."""
    sizes: dict[str, int | None] = {}  # anchor -> values below it; None while it is open
    above: list[tuple[str | None, int]] = []  # the open collections: anchor, values up to now
    count = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            above.append((event.anchor, count))
            count += 1
            if event.anchor is not None:
                sizes[event.anchor] = None
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = above.pop()
            if anchor is not None:
                sizes[anchor] = count - before
        elif isinstance(event, yaml.ScalarEvent):
            count += 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.AliasEvent):
            size = sizes.get(event.anchor or "", 1)  # PyYAML names one that is not defined
            if size is None:
                raise _refused(event, f"*{event.anchor} holds itself")
            count += size
        if len(above) > _MOST_DEPTH or count > _MOST_VALUES:
            rule = f"{_MOST_DEPTH} levels" if len(above) > _MOST_DEPTH else f"{_MOST_VALUES:,} values"
            raise _refused(event, f"more than {rule}; no recipe needs so many")


def _refused(event: yaml.Event, problem: str) -> yaml.YAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=cast(Any, event.start_mark))


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _words(item)
    elif isinstance(value, list):
        for item in value:
            yield from _words(item)


def _describe(error: yaml.YAMLError) -> str:
    """`, line L, column C: what is wrong`, from PyYAML's exception."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or first_line(error)
    if "'\\t'" in problem:
        problem = "a tab; indent with spaces"
    elif problem.startswith("mapping values are not allowed"):
        problem = "a second colon with a blank after it; put the text into quotes"
    return f", line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else f": {problem}"


def _apply_all(values: dict[str, Any], overrides: Sequence[str]) -> None:
    problems = []
    for override in overrides:
        try:
            _apply(values, override)
        except RecipeError as error:
            problems.append(str(error))
    if problems:
        raise RecipeError("\n".join(problems))


def _apply(values: dict[str, Any], override: str) -> None:
    """Sets one `key.sub=value` in `values`, making the sections on the way."""
    dotted, equals, text = override.partition("=")
    keys = dotted.split(".")
    if not equals or not all(keys) or dotted != dotted.strip():
        raise RecipeError(f"override {override!r}: must read key.sub=value, as in training.learning_rate=1e-4")
    if keys[0] == "extends":
        raise RecipeError(f"override {override!r}: extends belongs in a file; name that recipe instead")
    try:
        value = _parse(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"override {override!r}: the value is not YAML{_describe(error)}") from None
    section = values
    for depth, key in enumerate(keys[:-1], start=1):
        below = section.get(key)
        if below is not None and not isinstance(below, dict):
            raise RecipeError(f"override {override!r}: {'.'.join(keys[:depth])} is {below!r}, which has no keys")
        # Copied on the way down: a YAML alias may have put the same mapping in two places.
        section[key] = dict(below or {})
        section = section[key]
    section[keys[-1]] = value
