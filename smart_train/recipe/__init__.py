"""Recipes: one YAML file that defines a run, checked as a whole before anything starts."""

from smart_train.recipe.changes import run_changes
from smart_train.recipe.parse import load_recipe, parse_recipe
from smart_train.recipe.recipe import Mode, Recipe

__all__ = ["Mode", "Recipe", "load_recipe", "parse_recipe", "run_changes"]
