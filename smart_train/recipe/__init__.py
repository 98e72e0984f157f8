"""Recipes: one YAML file that defines a run, checked as a whole before anything starts.

The public names are imported on first use: `extras` is asked before torch, and most other libraries, are installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'smart_train.recipe' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
