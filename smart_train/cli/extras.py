"""`smart-train extras`: what to install for a recipe. `launch.sh` asks it before torch is there."""

from __future__ import annotations

from smart_train.cli.arguments import Overrides, RecipePath


def extras(recipe: RecipePath, overrides: Overrides = None) -> None:
    """Print the extras that RECIPE needs, separated by commas, as in pip install 'smart_train[...]'."""
    from smart_train.recipe.extras import needed_extras

    print(",".join(needed_extras(recipe, overrides or ())))
