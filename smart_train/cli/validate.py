"""`smart-train validate`: every check that needs no weights, and the plan of the run: sizes, steps, memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smart_train.cli.arguments import Overrides, RecipePath
from smart_train.cli.output import print_pairs

if TYPE_CHECKING:
    from smart_train.recipe import Recipe


def validate(recipe: RecipePath, overrides: Overrides = None) -> None:
    """Check RECIPE, its files and data rows, without loading weights; print the quantities derived from it."""
    from smart_train.recipe import load_recipe

    show_plan(load_recipe(recipe, overrides or ()), source=str(recipe))


def show_plan(recipe: Recipe, *, source: str) -> None:
    """Prints the plan of a run as a table.

    Raises:
        RecipeError: listing every problem of the plan.
    """
    from smart_train.errors import RecipeError
    from smart_train.run.plan import make_plan

    plan = make_plan(recipe)
    print_pairs(plan.rows())
    if plan.problems:
        raise RecipeError("\n".join([f"{source}: cannot run", *(f"  {problem}" for problem in plan.problems)]))
