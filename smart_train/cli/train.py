"""`smart-train train`: one process of a run. `smart-train launch` and `accelerate launch` start it."""

from __future__ import annotations

from typing import Annotated

import typer

from smart_train.cli.arguments import Overrides, RecipePath, Seeds


def train(
    recipe: RecipePath,
    overrides: Overrides = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Discard the run of another recipe in the output folder.")
    ] = False,
    seeds: Seeds = None,
) -> None:
    """Train, evaluate and export what RECIPE describes. An interrupted run continues where it stopped."""
    from smart_train.recipe import load_recipe

    loaded = load_recipe(recipe, overrides or ())
    if seeds is not None:
        from smart_train.recipe.seeds import parse_seeds
        from smart_train.run.seeds import train_seeds

        train_seeds(loaded, parse_seeds(seeds), overwrite=overwrite, overrides=overrides or ())
        return
    from smart_train.run import train as run_training  # slow to import; a mistake in the recipe need not wait for it
    from smart_train.run.folder import check_place

    check_place(recipe, loaded, overrides or ())
    run_training(loaded, overwrite=overwrite)
