"""In what a saved recipe differs from a given one, also when another version saved it."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import smart_train.recipe.defaults
import smart_train.run.stages
from smart_train.errors import RunError
from smart_train.recipe import Recipe, parse_recipe, run_changes
from smart_train.recipe.reader import RECIPE_FILE, merge, read_recipe
from smart_train.recipe.sections import FullSection, LoraSection
from smart_train.run import train
from smart_train.run.folder import RUN_FILE, RunFolder, Spread, check_recipe, read_record
from tests.run.test_resume import at_step, killed
from tests.runs import logged, tiny_recipe

# The folder of a run that was cut off, as version 0.1.0 wrote it: the tiny recipe of tests/runs.py.
SAVED_0_1_0 = Path(__file__).parents[1] / "fixtures" / "run-0.1.0"
MODEL_AND_ROWS = {"model": {"name_or_path": "model"}, "data": {"train": {"path": "rows.jsonl"}}}
HELD_OUT = merge(MODEL_AND_ROWS, {"data": {"evaluation": {"path": "held_out.jsonl"}}})


@pytest.fixture
def new_key(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes this package one that has another key, `SECTION.newer`."""

    def rebuild(*sections: type[BaseModel]) -> None:
        for section in (*sections, Recipe):
            section.model_rebuild(force=True)

    changed: list[type[BaseModel]] = []

    def add(section: type[BaseModel], annotation: Any, default: Any) -> None:
        fields = section.__pydantic_fields__
        monkeypatch.setitem(fields, "newer", FieldInfo(annotation=annotation, default=default))
        changed.append(section)
        rebuild(section)

    yield add
    monkeypatch.undo()
    rebuild(*changed)


@pytest.fixture
def old_run(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SAVED_0_1_0, tmp_path / "run"))


def opened(run: Path, recipe: Recipe) -> RunFolder:
    record = read_record(run)
    spread = Spread(record["world_size"], record["together"], record["strategy"])
    return RunFolder.open(run, recipe, record["data"], spread, overwrite=False)


def test_changes_are_those_of_the_fingerprint_with_both_values() -> None:
    recipe = parse_recipe({**HELD_OUT, "training": {"learning_rate": 3e-4, "output_dir": "a"}, "lora": {"r": 8}})
    assert run_changes(recipe.to_dict(), recipe) == []
    elsewhere = parse_recipe(
        {
            **HELD_OUT,
            "training": {"learning_rate": 3e-4, "logging_steps": 1},
            "lora": {"r": 8},
            "export": {"output": "b"},
        }
    )
    assert run_changes(elsewhere.to_dict(), recipe) == []
    parts = [{"path": "rows.jsonl", "split": "test"}, {"path": "more.jsonl"}]
    other = parse_recipe({**HELD_OUT, "full": {}, "data": {**HELD_OUT["data"], "train": parts}})
    lines = run_changes(other.to_dict(), recipe)
    assert "lora.r: not set there, 8 here" in lines and "full.freeze_vision: true there, not set here" in lines
    assert "training.learning_rate: 1e-05 there, 0.0003 here" in lines
    assert "data.train.0.split: 'test' there, not set here" in lines
    edited = {"training": None, "model": "x", "data": "y"}  # a file that somebody edited is still compared
    assert run_changes(edited, recipe)


def test_a_part_that_was_dropped_or_added_is_a_change_with_its_defaults() -> None:
    taught = {**HELD_OUT, "data": {**HELD_OUT["data"], "negatives_per_query": 1}}
    bare, with_part = (parse_recipe({**taught, "objective": {"distillation": part}}) for part in (None, {}))
    assert "objective.distillation.weight: 1.0 there, not set here" in run_changes(with_part.to_dict(), bare)
    assert "objective.distillation.weight: not set there, 1.0 here" in run_changes(bare.to_dict(), with_part)


def test_a_run_of_version_0_1_0_goes_on(old_run: Path) -> None:
    folder = opened(old_run, parse_recipe(read_recipe(SAVED_0_1_0 / RECIPE_FILE)))
    assert folder.state == "training"


def test_a_run_of_version_0_1_0_goes_on_when_a_key_has_been_added(old_run: Path, new_key: Callable[..., None]) -> None:
    before = read_record(old_run)["fingerprint"]
    new_key(FullSection, bool, False)
    recipe = parse_recipe(read_recipe(SAVED_0_1_0 / RECIPE_FILE))
    assert recipe.full.newer is False and recipe.fingerprint != before
    assert opened(old_run, recipe).state == "training"
    # What is saved from now on has the key.
    assert read_record(old_run)["fingerprint"] == recipe.fingerprint
    assert read_recipe(old_run / RECIPE_FILE)["full"]["newer"] is False


def test_another_value_of_an_added_key_is_refused_with_what_it_was(old_run: Path, new_key: Callable[..., None]) -> None:
    new_key(FullSection, bool, False)
    values = merge(read_recipe(SAVED_0_1_0 / RECIPE_FILE), {"full": {"newer": True}, "objective": {"temperature": 0.1}})
    with pytest.raises(RunError, match="holds the run of another recipe") as caught:
        check_recipe(old_run, parse_recipe(values), overwrite=False)
    assert str(caught.value).splitlines()[1:] == [
        "  full.newer: false by default there, true here",
        "  objective.temperature: 0.05 there, 0.1 here",
    ]


def test_all_differences_are_listed(old_run: Path) -> None:
    values = read_recipe(SAVED_0_1_0 / RECIPE_FILE)
    changed = {f"adam_beta{place}": 0.5 for place in (1, 2)} | {"weight_decay": 0.1, "max_steps": 7, "seed": 4}
    changed |= {"learning_rate": 1.0, "max_grad_norm": 2.0, "warmup_steps": 1, "neftune_noise_alpha": 1.0}
    changed |= {"eval_steps": 1}
    other = parse_recipe(merge(values, {"training": {**changed, "save_steps": 1}}))
    with pytest.raises(RunError) as caught:
        check_recipe(old_run, other, overwrite=False)
    told = {line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]}
    assert told == {f"training.{name}" for name in changed}


def test_a_key_that_this_version_does_not_know_is_named(old_run: Path) -> None:
    values = read_recipe(SAVED_0_1_0 / RECIPE_FILE)
    (old_run / RECIPE_FILE).write_text(
        json.dumps(merge(values, {"objective": {"later": 3, "unused": None}, "curriculum": {"steps": [1, 2]}}))
    )
    (old_run / RUN_FILE).write_text(json.dumps(read_record(old_run) | {"fingerprint": "of a later version"}))
    with pytest.raises(RunError) as caught:
        check_recipe(old_run, parse_recipe(values), overwrite=False)
    assert str(caught.value).splitlines()[1:] == [
        "  objective.later: 3 there, unknown to this version",
        "  curriculum.steps: [1, 2] there, unknown to this version",
    ]


def test_a_run_whose_recipe_is_gone_cannot_be_compared(old_run: Path) -> None:
    (old_run / RECIPE_FILE).unlink()
    values = read_recipe(SAVED_0_1_0 / RECIPE_FILE)
    check_recipe(old_run, parse_recipe(values), overwrite=False)
    other = parse_recipe(merge(values, {"training": {"seed": 4}}))
    with pytest.raises(RunError, match="another recipe, whose file .*recipe.yaml is missing; .* --overwrite"):
        check_recipe(old_run, other, overwrite=False)


def test_a_default_that_follows_other_keys_is_filled_in() -> None:
    recipe = parse_recipe({**HELD_OUT, "objective": {"temperature": 0.1}, "lora": {"r": 8}})
    saved = copy.deepcopy(recipe.to_dict())
    for section, key in (("objective", "late_temperature"), ("objective", "name"), ("evaluation", "during")):
        del saved[section][key]
    del saved["scoring"], saved["hub"], saved["data"]["train"]["documents"]
    assert run_changes(saved, recipe) == []
    saved["objective"]["temperature"] = 0.2
    assert run_changes(saved, recipe) == [
        "objective.temperature: 0.2 there, 0.1 here",
        "objective.late_temperature: 0.2 by default there, 0.1 here",
    ]


def test_an_argument_that_is_not_named_is_what_the_trainer_makes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what a later version of the recipe makes it: the run was trained without that."""
    saved = parse_recipe(HELD_OUT).to_dict()
    assert "adam_beta2" not in saved["training"]
    same = {"adam_beta2": 0.999, "optim": "adamw_torch_fused", "remove_unused_columns": False}
    assert run_changes(saved, parse_recipe({**HELD_OUT, "training": same})) == []
    monkeypatch.setitem(smart_train.recipe.defaults.COMMON_DEFAULTS, "adam_beta2", 0.95)
    assert run_changes(saved, parse_recipe(HELD_OUT)) == ["training.adam_beta2: 0.999 by default there, 0.95 here"]
    # ... and naming the old value goes on with the run.
    assert run_changes(saved, parse_recipe({**HELD_OUT, "training": {"adam_beta2": 0.999}})) == []


def test_an_added_section_counts_as_absent(new_key: Callable[..., None]) -> None:
    saved = parse_recipe(MODEL_AND_ROWS).to_dict()
    new_key(Recipe, LoraSection | None, None)
    assert run_changes(saved, parse_recipe(MODEL_AND_ROWS)) == []
    assert "newer.r: not set there, 4 here" in run_changes(saved, parse_recipe({**MODEL_AND_ROWS, "newer": {"r": 4}}))


def test_training_goes_on_after_a_key_was_added(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_key: Callable[..., None]
) -> None:
    monkeypatch.setattr(smart_train.run.stages, "plot_run", lambda *_, **__: None)
    sections = {"export": {"enabled": False}, "evaluation": {"before": False, "after": False}}
    with killed(*at_step(3)):
        train(tiny_recipe(tiny_data, tmp_path / "run", **sections))
    new_key(FullSection, bool, False)
    run = train(tiny_recipe(tiny_data, tmp_path / "run", **sections))
    assert read_record(run)["state"] == "finished" and set(logged(run)) == set(range(1, 7))
