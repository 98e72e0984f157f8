"""A run that has ended and is trained on, because `training.num_train_epochs` or `training.max_steps` was raised.

It goes on from its last checkpoint, with the optimiser's state, as if it had been asked for that many steps from the
start, but for the learning rate: its schedule is spread over all steps, so what was trained by the shorter one stays as
it was and the rest follows the longer one. A schedule that begins anew was rejected: a warm-up in the middle would be a
third one, which no recipe says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smart_train.errors import RunError
from smart_train.recipe import Recipe
from smart_train.recipe.changes import changed_keys
from smart_train.recipe.reader import RECIPE_FILE, read_recipe
from smart_train.recipe.training_section import argument_defaults
from smart_train.training.checkpoint_search import find_checkpoint, has_ended, planned_steps, step_of
from smart_train.training.learning_rate import rate_at, warmup_steps
from smart_train.training.training_log import LOG_NAME, read_log

_EPOCHS, _STEPS = "training.num_train_epochs", "training.max_steps"


@dataclass(frozen=True)
class Extension:
    """How much longer a run becomes.

    Args:
        step: the last one that was trained. steps: of the whole run from now on.
        message: for the user, the learning rate's change included.
    """

    step: int
    steps: int
    message: str


def is_longer_or_shorter(path: Path, recipe: Recipe) -> bool:
    """Whether `recipe` differs from that of the run in `path` in how long it trains, and in nothing else."""
    file = path / RECIPE_FILE
    changed = changed_keys(read_recipe(file), recipe) if file.is_file() else {}
    return bool(changed) and set(changed) <= {_EPOCHS, _STEPS}


def check_extendable(path: Path, recipe: Recipe) -> None:
    """Raises RunError unless the run in `path`, which has ended, has something to go on from, and `recipe` asks for no
    less than it was trained. It needs no rows."""
    saved = {**argument_defaults(), **read_recipe(path / RECIPE_FILE).get("training", {})}
    (key, before), (now_by, now) = _length(saved), _length(recipe.training)
    if key == now_by and now < before:
        raise RunError(
            f"{key}: {now:g}; the run in {path} was trained with {before:g}, and a run that has ended can be made "
            f"longer, not shorter; raise it, choose another training.output_dir, or pass --overwrite to start over"
        )
    last = max((record["step"] for record in read_log(path / LOG_NAME)), default=0)
    newest = find_checkpoint(path, contents=False).newest
    if newest is None or not has_ended(newest):
        there = "there is none" if newest is None else f"the newest is {newest.name}"
        raise RunError(
            f"training.output_dir {path}: its training ended at step {last}, and it can be made longer only from a "
            f"checkpoint of that step ({there}); training.save_total_limit: 1 keeps the best one alone, "
            f"training.save_strategy: no keeps none. {_instead(path, recipe)}"
        )
    if step_of(newest) < planned_steps(newest):
        raise RunError(
            f"training.output_dir {path}: its training stopped early, at step {step_of(newest)} of "
            f"{planned_steps(newest)} (evaluation.early_stopping_patience "
            f"{recipe.evaluation.early_stopping_patience}), so that a larger {now_by} changes nothing. "
            f"{_instead(path, recipe)}"
        )


def extension(path: Path, recipe: Recipe, steps: int) -> Extension:
    """How the run in `path`, for which `check_extendable` passed, goes on.

    Args:
        steps: of `recipe`, on the rows that are there.

    Raises:
        RunError: these are no more steps than it was trained.
    """
    newest = find_checkpoint(path, contents=False).newest
    assert newest is not None, "check_extendable saw it"
    done = step_of(newest)
    key, value = _length(recipe.training)
    if steps <= done:
        raise RunError(
            f"{key}: {value:g}; comes to {steps} steps, and the run in {path} was trained for {done}; a run that has "
            "ended can be made longer, not shorter; raise it, choose another training.output_dir, or pass --overwrite "
            "to start over"
        )
    saved = {**argument_defaults(), **read_recipe(path / RECIPE_FILE).get("training", {})}
    message = (
        f"{path} had ended at step {done}. {key} {value:g} makes it {steps} steps: training goes on from "
        f"{newest.name}, and what it was measured and exported as stays until the new result is whole. "
        + _rate_told(saved, {**argument_defaults(), **recipe.training}, done, steps)
    )
    return Extension(done, steps, message)


def _length(training: Mapping[str, Any]) -> tuple[str, float]:
    """The key that decides how long a run trains, and its value."""
    steps = training.get("max_steps", -1)
    return (_STEPS, steps) if steps > 0 else (_EPOCHS, training["num_train_epochs"])


def _instead(path: Path, recipe: Recipe) -> str:
    if recipe.mode == "lora":
        return f"To train its result on, begin another run with lora.init_from: {path}"
    if recipe.mode == "full":
        return f"To train its result on, begin another run with model.name_or_path: {path / 'final'}"
    return "Choose another training.output_dir, or pass --overwrite to start over"


def _rate_told(before: Mapping[str, Any], now: Mapping[str, Any], done: int, steps: int) -> str:
    kind = now["lr_scheduler_type"]
    old, new = rate_at(before, done, done), rate_at(now, steps, done)
    if old is None or new is None:
        return f"The learning rate goes on as it was: {kind} follows the evaluations"
    if old == new:
        return f"The learning rate stays {new:.2e} ({kind})"
    warmup = warmup_steps(now, steps)
    within = f", still within the warm-up, which is {warmup} steps long now" if done < warmup else ""
    return (
        f"The learning rate's schedule ({kind}) is now spread over {steps} steps: it had come to {old:.2e}, and step "
        f"{done + 1} takes {new:.2e}{within}"
    )
