"""Recipes that no one wrote by hand: whatever a file holds, the answer is a recipe or a RecipeError, and soon.

`SMART_TRAIN_MUTATIONS=2000` sets how many random changes of the shipped recipes are tried.
"""

from __future__ import annotations

import copy
import math
import os
import random
from pathlib import Path
from typing import Any

import pytest

from smart_train.errors import RecipeError
from smart_train.recipe import Recipe, load_recipe
from smart_train.recipe.early_checks import check_quickly
from smart_train.recipe.reader import dump_yaml, read_overrides, read_recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))
MUTATIONS = int(os.environ.get("SMART_TRAIN_MUTATIONS", "60"))
PLAIN = "model: {name_or_path: base}\ndata: {train: {path: rows}}\n"
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training: {seed: !!int abc}", "line 3, column 18: a value that cannot be read .*'abc'"),
        ("training: {learning_rate: !!float x}", "a value that cannot be read"),
        ("training: {seed: !!timestamp x}", "a value that cannot be read"),
        ("training: {seed: !!binary YWJj}", "training.seed: b'abc'; must be a whole number"),
        ("training: {seed: !!python/object/apply:os.system [x]}", "could not determine a constructor"),
        (f"training: {{seed: {'9' * 5000}}}", "a value that cannot be read"),
        (f"x: {'[' * 3000}{']' * 3000}", "line 3, column 5[0-9]: more than 50 levels"),
        (f"x: {'{a: ' * 60}x{'}' * 60}", "more than 50 levels"),
        (BOMB, "line 7, .*: more than 50,000 values"),
        ("x: &x [*x]", r"\*x holds itself"),
        ("x: *y", "undefined alias"),
        ("run: 'a\0b'", "special characters are not allowed"),
        (r'run: "a\0b"', "a text with a NUL or half a character: 'a.x00b'"),
        (r'run: "\ud83d"', "half a character"),
        ("training: {learning_rate: .nan}", "training.learning_rate: nan; must be a finite number"),
        ("training: {learning_rate: 1e999}", "training.learning_rate: inf; must be a finite number"),
        ("training: {lr_scheduler_kwargs: {num_cycles: .inf}}", "must be a finite number"),
        ("objective: {temperature: .nan}", "objective.temperature: nan; must be"),
        ("scoring: {late_weight: .nan}", "scoring.late_weight"),
        ("scoring: {late_weight: 1e999}", "scoring.late_weight"),
    ],
    ids=range(20),
)
def test_hostile_text_is_one_message(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(PLAIN + text + "\n")
    with pytest.raises(RecipeError, match=message):
        load_recipe(tmp_path / "recipe.yaml")


def test_a_file_of_data_is_not_parsed_as_yaml(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("# " + "x" * 2**20)
    with pytest.raises(RecipeError, match="larger than 1 MiB; a recipe is one YAML file"):
        read_recipe(tmp_path / "recipe.yaml")


def test_chains_of_parents_and_odd_paths_end(tmp_path: Path) -> None:
    for number in range(1500):
        (tmp_path / f"{number}.yaml").write_text(f"extends: {number + 1}.yaml\n")
    with pytest.raises(RecipeError, match="0.yaml: extends more than 30 recipes"):
        read_recipe(tmp_path / "0.yaml")
    with pytest.raises(RecipeError, match=r"'a\\x00b': not the path of a file"):
        read_recipe(Path("a\0b"))
    (tmp_path / "circle.yaml").symlink_to(tmp_path / "circle.yaml")
    with pytest.raises(RecipeError, match="circle.yaml"):
        read_recipe(tmp_path / "circle.yaml")
    with pytest.raises(RecipeError, match="the value is not YAML.*cannot be read"):
        read_overrides(["training.seed=!!int abc"])


ODD: list[Any] = [
    None, True, 0, -1, 1, 10**30, 10**400, 1.5, 1e308, math.nan, math.inf, "", " ", "x", "\0", "\ud800", "é" * 300,
    "1e-4", "../..", "/dev/null", "a=b", [], [[]], [None], ["x", "x"], {}, {"": ""}, {"path": "x"}, {"x": {"y": [1]}},
]  # fmt: skip
SPLINTERS = (
    "!!int ",
    "&a ",
    "*a",
    "{",
    "}",
    "[",
    "]",
    ": ",
    "- ",
    "'",
    '"',
    "\t",
    "#",
    "|",
    ">",
    "%",
    "@",
    "\x00",
    "\x1b",
)


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """The path of every value below a mapping or list."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in items for place in ((*path, key), *places(item, (*path, key)))]


def changed_value(values: dict[str, Any], draw: random.Random) -> str:
    """The recipe with one or two of its values exchanged, or a key of its sections set or renamed."""
    values = copy.deepcopy(values)
    for _ in range(draw.choice((1, 1, 2))):
        found = places(values)
        if not found:
            break
        *above, key = draw.choice(found)
        holder: Any = values
        for step in above:
            holder = holder[step]
        kind = draw.randrange(4)
        if kind == 0 and isinstance(holder, dict):
            holder[draw.choice((str(key)[:-1], f"{key}s", "x", *Recipe.model_fields))] = holder.pop(key)
        elif kind == 1 and isinstance(holder, dict):
            holder[draw.choice(list(Recipe.model_fields))] = copy.deepcopy(draw.choice(ODD))
        else:
            holder[key] = copy.deepcopy(draw.choice(ODD))
    return dump_yaml(values)


def changed_text(text: str, draw: random.Random) -> str:
    """The file with a few of its characters or lines taken out, doubled, moved, or put in from elsewhere."""
    for _ in range(draw.choice((1, 2, 4))):
        at = draw.randrange(len(text) + 1)
        to = min(len(text), at + draw.choice((1, 3, 30)))
        kind = draw.randrange(5)
        if kind == 0:
            text = text[:at] + text[to:]
        elif kind == 1:
            text = text[:at] + draw.choice(SPLINTERS) + text[at:]
        elif kind == 2:
            text = text[:at] + text[at:to] * draw.choice((2, 20)) + text[to:]
        else:
            lines = text.splitlines()
            draw.shuffle(lines) if kind == 3 else lines.insert(
                draw.randrange(len(lines) + 1), draw.choice(lines or [""])
            )
            text = "\n".join(lines)
    return text


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_random_changes_of_a_shipped_recipe_are_a_recipe_or_a_message(path: Path, tmp_path: Path) -> None:
    draw = random.Random(path.stem)
    values, text = read_recipe(path), path.read_text(encoding="utf-8")
    for parent in path.parent.glob("*.yaml"):
        (tmp_path / parent.name).write_bytes(parent.read_bytes())
    target = tmp_path / "changed.yaml"
    for number in range(max(1, MUTATIONS // len(RECIPES))):
        changed = changed_value(values, draw) if number % 2 else changed_text(text, draw)
        target.write_text(changed, encoding="utf-8", errors="surrogatepass")
        for read in (load_recipe, check_quickly):
            try:
                read(target)
            except RecipeError:
                continue
            except Exception as error:
                raise AssertionError(f"{type(error).__name__}: {error}, from:\n{changed}") from error
