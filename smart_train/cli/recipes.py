"""`smart-train recipes`: the recipes that come with the package, for users without a checkout."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer


def recipes(
    name: Annotated[
        str | None, typer.Argument(help="The recipe to copy; all are listed if it is not given.", metavar="[NAME]")
    ] = None,
    to: Annotated[Path, typer.Option(help="The folder to copy it to.", metavar="FOLDER")] = Path("."),
) -> None:
    """List the shipped recipes, or copy the one called NAME and the recipes it extends. Never overwrites a file."""
    from smart_train.recipe.shipped import copy_recipe

    if name is None:
        _list()
        return
    copies = copy_recipe(name, to)
    for path in copies:
        print(path)
    print(f"Next: smart-train validate {shlex.quote(str(copies[0]))}")


def _list() -> None:
    from smart_train.cli.output import print_pairs
    from smart_train.recipe.shipped import shipped_folder, shipped_recipes

    every = shipped_recipes()
    print_pairs((recipe.name, recipe.summary + (" [needs a checkout]" if recipe.needs else "")) for recipe in every)
    print()
    print("[needs a checkout]: the recipe names scripts or a model below data/, which the package does not carry.")
    print("Copy one:  smart-train recipes NAME --to FOLDER")
    print(f"Files:     {shipped_folder()}")
