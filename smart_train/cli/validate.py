"""`smart-train validate`: every check that needs no weights, and the plan of the run: sizes, steps, memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from smart_train.cli.arguments import Overrides, RecipePath
from smart_train.cli.output import print_pairs

if TYPE_CHECKING:
    from smart_train.recipe import Recipe


def validate(recipe: RecipePath, overrides: Overrides = None) -> None:
    """Check RECIPE, its files and data rows, without loading weights; print the quantities derived from it."""
    from smart_train.recipe import load_recipe

    show_plan(load_recipe(recipe, overrides or ()), source=str(recipe))


def show_plan(recipe: Recipe, *, source: str, folders: Sequence[str] = ()) -> None:
    """Prints the plan of a run as a table.

    Args:
        source: the file of the recipe, for messages.
        folders: of all runs that are begun together, where they are several; `recipe` is that of the first.

    Raises:
        RecipeError: listing every problem of the plan.
    """
    from smart_train.errors import RecipeError
    from smart_train.run.plan import make_plan

    plan = make_plan(recipe)
    several = f"{len(folders)}, one after the other, in {', '.join(folders)}; all lines below are of the first of them"
    print_pairs([*([("runs", several)] if len(folders) > 1 else []), *plan.rows()])
    if plan.problems:
        raise RecipeError("\n".join([f"{source}: cannot run", *(f"  {problem}" for problem in plan.problems)]))
