"""Recipes: one YAML file that defines a run, checked as a whole before anything starts.

The public names are imported on first use: `extras` is asked before torch, and most other libraries, are installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smart_train.utils.lazy import names_on_first_use

if TYPE_CHECKING:
    from smart_train.recipe.changes import run_changes
    from smart_train.recipe.parse import load_recipe, parse_recipe
    from smart_train.recipe.recipe import Mode, Recipe

_HOMES = {
    "Mode": "smart_train.recipe.recipe",
    "Recipe": "smart_train.recipe.recipe",
    "load_recipe": "smart_train.recipe.parse",
    "parse_recipe": "smart_train.recipe.parse",
    "run_changes": "smart_train.recipe.changes",
}

__all__ = ["Mode", "Recipe", "load_recipe", "parse_recipe", "run_changes"]

__getattr__ = names_on_first_use(__name__, _HOMES)
