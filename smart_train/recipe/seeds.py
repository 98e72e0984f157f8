"""One recipe under several seeds: which, and the recipe of each. The seed draws the order of the rows and every new
weight: an adapter's, a projection's, and those of `model.from_config`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from smart_train.errors import RecipeError
from smart_train.recipe.recipe import Recipe
from smart_train.utils.terms import HIGHEST_SEED


def parse_seeds(text: str) -> list[int]:
    """The seeds of "0,1,2". Raises RecipeError for anything but at least two different whole numbers."""
    seeds = []
    for part in text.split(","):
        if not part.strip().isdecimal() or int(part) > HIGHEST_SEED:
            raise RecipeError(
                f"--seeds {text}: {part.strip()!r} is not a seed; give whole numbers from 0 to {HIGHEST_SEED}, as in "
                "--seeds 0,1,2"
            )
        seeds.append(int(part))
    repeated = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    if repeated:
        raise RecipeError(f"--seeds {text}: {repeated[0]} is named twice; a seed gives the same run every time")
    if len(seeds) < 2:
        raise RecipeError(f"--seeds {text}: a spread needs at least two seeds; for one, set training.seed={seeds[0]}")
    return seeds


def seed_recipes(recipe: Recipe, seeds: Sequence[int], overrides: Sequence[str] = ()) -> dict[int, Recipe]:
    """`recipe` under each seed, with its own output folder.

    Args:
        overrides: of the command line. A seed in the recipe is what a run without --seeds takes; one that is given
            beside --seeds would mean nothing.

    Raises:
        RecipeError: a key that several runs cannot share, or no measurement to compare them by.
    """
    problems = [
        f"{override}: --seeds gives each run its own seed; remove one of the two"
        for override in overrides
        if override.partition("=")[0] in ("training.seed", "model.from_config.seed")
    ]
    if recipe.export.output is not None:
        problems.append(
            f"export.output: {recipe.export.output!r}; the runs of --seeds would overwrite each other's export; remove "
            "it, and each exports into its own folder"
        )
    if recipe.hub.repo_id is not None:
        problems.append(
            f"hub.repo_id: {recipe.hub.repo_id!r}; --seeds publishes nothing; remove it, and push the chosen run with "
            "smart-train push"
        )
    if not recipe.evaluation.after:
        problems.append(
            "evaluation.after: false; --seeds compares the runs by what is measured after training; set "
            "data.evaluation or data.test, and leave this out"
        )
    if problems:
        raise RecipeError("\n".join(problems))
    return {seed: _with_seed(recipe, seed) for seed in seeds}


def _with_seed(recipe: Recipe, seed: int) -> Recipe:
    folder = Path(recipe.training["output_dir"]) / f"seed-{seed}"
    model, drawn = recipe.model, recipe.model.from_config
    if drawn is not None:
        model = model.model_copy(update={"from_config": drawn.model_copy(update={"seed": seed})})
    training = {**recipe.training, "seed": seed, "output_dir": str(folder)}
    return recipe.model_copy(update={"model": model, "training": training})
