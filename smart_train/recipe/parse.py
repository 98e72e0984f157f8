"""From a plain mapping to a Recipe, or to the list of everything that is wrong with it."""

from __future__ import annotations

import copy
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from smart_train.errors import RecipeError, ScoreError
from smart_train.recipe.against_model import config_problems
from smart_train.recipe.defaults import fill_defaults
from smart_train.recipe.reader import from_home, read_recipe
from smart_train.recipe.recipe import MODES, Recipe, mode_problems
from smart_train.recipe.rules import caching_problems, cross_problems
from smart_train.recipe.sections import ONE, SEVERAL, section_classes
from smart_train.recipe.training_section import check_training, known_names
from smart_train.recipe.wording import bad_value, missing_key, one_of, section_rule, unknown_key
from smart_train.scoring import ScoringConfig
from smart_train.utils.counts import counted

Loc = tuple[str | int, ...]

_OUTPUT_DIR = "runs/recipe"  # of a recipe that is not a file


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in `path`, its parents and `overrides` applied, checked, every default filled in.

    Args:
        path: a YAML file; relative paths inside it are meant from the current folder, `extends` from the file's.
        overrides: `key.sub=value` with the value in YAML.

    Raises:
        RecipeError: with a line for every mistake: dotted key, value, rule, nearest valid name.
    """
    path = Path(path)
    return parse_recipe(read_recipe(path, overrides), source=str(path), output_dir=f"runs/{path.stem}")


def parse_recipe(values: Mapping[str, Any], *, source: str = "recipe", output_dir: str = _OUTPUT_DIR) -> Recipe:
    """As `load_recipe`, from a mapping. `source` heads the message; `output_dir` is the default run folder."""
    raw = from_home(copy.deepcopy(dict(values)))
    problems = mode_problems(raw) + caching_problems(raw)
    recipe, mistakes = _check_keys(raw)  # takes mistakes out of `raw`
    problems += mistakes
    if recipe is not None and not mode_problems(raw):
        filled = fill_defaults(recipe, output_dir)
        problems += cross_problems(recipe, filled)
        if problems:
            problems += config_problems(filled)
    if problems:
        raise RecipeError(
            "\n".join([f"{source}: {counted(len(problems), 'mistake')}", *(f"  {line}" for line in problems)])
        )
    return filled


def completed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The plain values of a recipe of any version as this version reads them: keys that it lacks at their defaults,
    keys and values that this version does not know left out. {} where nothing usable is left."""
    recipe, _ = _check_keys(copy.deepcopy(dict(values)))
    return {} if recipe is None else fill_defaults(recipe, _OUTPUT_DIR).to_dict()


def _check_keys(values: dict[str, Any]) -> tuple[Recipe | None, list[str]]:
    """As `_check_sections`, with the two sections whose keys are listed elsewhere."""
    scoring, scoring_problems = _check_scoring(values.get("scoring"))
    training, training_problems = _check_training(values.get("training"))
    recipe, problems = _check_sections({**values, "scoring": scoring, "training": training})
    return recipe, problems + scoring_problems + training_problems


def _check_scoring(section: Any) -> tuple[dict[str, Any], list[str]]:
    """The section with null for every key that is not given. ScoringConfig owns its rules; asking it key by key reports
    every mistake, not the first."""
    checked: dict[str, Any] = {item.name: None for item in fields(ScoringConfig)}
    if section is None:
        return checked, []
    if not isinstance(section, Mapping):
        return checked, [bad_value("scoring", section, section_rule("scoring", section))]
    good, problems = {}, []
    for key, value in section.items():
        if value is None and key in checked:
            continue
        # A weight of 0 alone is fine; the two together are judged below.
        partner = {"late_weight": 1.0} if key == "pooled_weight" else {"pooled_weight": 1.0}
        try:
            good[key] = getattr(ScoringConfig.from_dict({**partner, key: value}), key)
        except ScoreError as error:
            problems.append(str(error))
    try:
        ScoringConfig.from_dict(good)
    except ScoreError as error:
        return checked, [*problems, str(error)]
    return {**checked, **good}, problems


def _check_training(section: Any) -> tuple[dict[str, Any], list[str]]:
    if section is None:
        return {}, []
    if not isinstance(section, Mapping):
        return {}, [bad_value("training", section, section_rule("training", section))]
    return check_training(section)


def _check_sections(values: dict[str, Any]) -> tuple[Recipe | None, list[str]]:
    """The typed recipe and the mistakes in it; with mistakes, a recipe without them if that is one, else None.

    The rules between keys can so be checked in the same pass, and the user is told everything at once.
    """
    values = _with_a_mode(values)
    try:
        return Recipe.model_validate(values), []
    except ValidationError as error:
        mistakes = _grouped(error, values)
    for loc in mistakes:
        _remove(values, loc)
    try:
        return Recipe.model_validate(_with_a_mode(values)), list(mistakes.values())
    except ValidationError:
        return None, list(mistakes.values())


def _with_a_mode(values: dict[str, Any]) -> dict[str, Any]:
    """Without the sections that are null (all their lines commented out), and with LoRA where no way is named."""
    optional = {name for name, field in Recipe.model_fields.items() if not field.is_required()}
    values = {key: value for key, value in values.items() if value is not None or key not in optional}
    return values if any(name in values for name in MODES) else {**values, "lora": {}}


def _grouped(error: ValidationError, values: dict[str, Any]) -> dict[Loc, str]:
    """One line per place. pydantic reports a value that fits no member of a union once per member."""
    by_place: dict[Loc, list[ErrorDetails]] = {}
    for item in error.errors(include_url=False):
        loc = tuple(part for part in item["loc"] if part not in (ONE, SEVERAL))
        place = loc if item["type"] == "missing" else _existing(loc, values)
        by_place.setdefault(place, []).append(item)
    return {place: _line(place, items) for place, items in by_place.items()}


def _existing(loc: Loc, values: Any) -> Loc:
    """The part of a pydantic location that exists in the user's mapping (the rest names members of unions)."""
    for depth, key in enumerate(loc):
        inside = isinstance(values, dict) and key in values
        inside = inside or (isinstance(values, list) and isinstance(key, int) and key < len(values))
        if not inside:
            return loc[:depth]
        values = values[key]
    return loc


def _line(loc: Loc, items: list[ErrorDetails]) -> str:
    dotted = ".".join(str(part) for part in loc)
    kind, value = items[0]["type"], items[0]["input"]
    if kind == "missing":
        return missing_key(dotted)
    if kind == "extra_forbidden":
        return unknown_key(dotted, _section(Recipe, loc[:-1]).model_fields, _all_keys())
    first, *others = dict.fromkeys(_rule(loc, item) for item in items)
    rule = " or ".join([first, *(rule.removeprefix("must be ") for rule in others)])
    if rule == "must be text" and isinstance(value, int | float | dict):  # a number, a word of YAML, or "key: value"
        rule += "; put it into quotes"
    return bad_value(dotted, value, rule)


def _rule(loc: Loc, item: ErrorDetails) -> str:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "literal_error":
        field = _section(Recipe, loc[:-1]).model_fields[str(loc[-1])]
        return one_of(item["input"], _literals(field.annotation))
    if kind == "string_too_short":
        return "must not be empty"
    if kind.startswith("model_"):
        return section_rule(".".join(map(str, loc)), item["input"])
    for start, words in (
        ("greater_than_equal", f"must be at least {context.get('ge')}"),
        ("greater_than", f"must be greater than {context.get('gt')}"),
        ("less_than_equal", f"must be at most {context.get('le')}"),
        ("less_than", f"must be less than {context.get('lt')}"),
        ("finite", "must be a finite number"),
        ("int_", "must be a whole number"),
        ("float_", "must be a number"),
        ("bool_", "must be true or false"),
        ("string_", "must be text"),
        ("list_", "must be a list"),
        ("dict_", "must be a mapping"),
        ("too_short", "must not be empty"),
    ):
        if kind.startswith(start):
            return words
    return item["msg"]


def _section(model: type[BaseModel], loc: Loc) -> type[BaseModel]:
    """The section class at a location, optional ones unwrapped."""
    for key in loc:
        if not isinstance(key, int):  # the place in a list, all of whose items are of one class
            model = next(iter(section_classes(model.model_fields[key].annotation)))
    return model


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _literals(annotation: Any) -> list[str]:
    members = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
    return [value for item in members if typing.get_origin(item) is typing.Literal for value in typing.get_args(item)]


@cache
def _all_keys() -> tuple[str, ...]:
    """`section.key` of every section: where a key that stands in the wrong section may belong."""
    keys = [f"training.{name}" for name in known_names()] + [f"scoring.{item.name}" for item in fields(ScoringConfig)]
    for section in Recipe.model_fields:
        if section not in ("training", "scoring"):
            keys += [f"{section}.{key}" for key in _section(Recipe, (section,)).model_fields]
    return tuple(keys)


def _remove(values: Any, loc: Loc) -> None:
    for key in loc[:-1]:
        inside = isinstance(values, dict) and key in values
        if not inside and not (isinstance(values, list) and isinstance(key, int) and key < len(values)):
            return
        values = values[key]
    if isinstance(values, dict):
        values.pop(loc[-1], None)
