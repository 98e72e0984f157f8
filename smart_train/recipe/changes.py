"""In what a run that was begun differs from the recipe that is given now, whichever version began it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smart_train.recipe.identity import of_the_run
from smart_train.recipe.parse import completed
from smart_train.recipe.recipe import Recipe
from smart_train.recipe.training_section import argument_defaults
from smart_train.utils.differences import changes, flat, lines


def run_changes(saved: Mapping[str, Any], recipe: Recipe) -> list[str]:
    """What makes `saved` another run than `recipe`: a line for every key that defines a run, with both values.

    Args:
        saved: the plain values of a resolved recipe, perhaps of another version. Keys that it lacks count as their
            defaults; a key that this version does not know makes another run, unless it is null.
    """
    return lines(changed_keys(saved, recipe))


def changed_keys(saved: Mapping[str, Any], recipe: Recipe) -> dict[str, str]:
    """As `run_changes`: dotted key -> both values."""
    defaults, given, arguments = completed(saved), recipe.to_dict(), argument_defaults()
    # Not the recipe's own defaults: an argument that the saved recipe does not name was what TrainingArguments makes
    # it, and a default that this version gives it is a change.
    defaults["training"] = arguments
    given["training"] = {**arguments, **given["training"]}
    return changes(*(flat(of_the_run(values)) for values in (saved, given, defaults)))
