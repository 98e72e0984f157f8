"""One recipe under several seeds: a run for each, how far they are apart, and which one to keep.

Each run is an ordinary one in a folder of its own, OUTPUT_DIR/seed-N, so that after an interruption the same command
continues with the run that was interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from smart_train.distributed import is_main, on_main, world_size
from smart_train.distributed.ranks import check_launched
from smart_train.errors import DivergedError, RunError, listing
from smart_train.recipe import Recipe
from smart_train.recipe.seeds import seed_recipes
from smart_train.report import write_report
from smart_train.report.html import REPORT_FILE
from smart_train.run import build
from smart_train.run.folder import RUN_FILE, check_recipe
from smart_train.run.seeds_page import seeds_report
from smart_train.run.seeds_result import SeedRun, SeedsResult
from smart_train.run.stages import train
from smart_train.training.training_log import LOG_NAME, read_log
from smart_train.utils.atomic import write_json
from smart_train.utils.console import PlainConsole
from smart_train.utils.locks import LOCK_NAME, check_free, only_one

SEEDS_FILE = "seeds.json"


def train_seeds(
    recipe: Recipe, seeds: Sequence[int], *, overwrite: bool = False, overrides: Sequence[str] = ()
) -> Path:
    """Runs `recipe` under each seed, or resumes, then writes and prints what they have in common. Every rank calls
    this. A run that diverges does not keep the next ones from theirs.

    Args:
        overwrite: discard what the folders of these seeds hold.
        overrides: of the command line, to refuse a seed among them.

    Returns:
        OUTPUT_DIR/seeds.json; OUTPUT_DIR/report.html is beside it.

    Raises:
        RecipeError, RunError: as `seed_recipes` and `train`; the output folder holds a run without --seeds; some seeds
            diverged, which is said at the end.
    """
    recipes = seed_recipes(recipe, seeds, overrides)
    parent = Path(recipe.training["output_dir"])
    check_launched()
    build.training_arguments(recipe)  # joins the process group; before that every process takes itself for the main one
    on_main(lambda: _check_folders(parent, recipes, overwrite))
    console = PlainConsole(quiet=not is_main())
    failed: dict[int, str] = {}
    for place, (seed, seed_recipe) in enumerate(recipes.items(), 1):
        console.print(f"Seed {seed} ({place} of {len(seeds)}), in {seed_recipe.training['output_dir']}")
        try:
            train(seed_recipe, overwrite=overwrite)
        except DivergedError as error:
            if world_size() > 1 and not error.everywhere:
                raise  # the other ranks wait for this one in the middle of a step
            failed[seed] = str(error)  # not the error, whose traceback holds the model
            console.print(f"Seed {seed} failed: {error}")
    ended = [seed for seed in recipes if seed not in failed]
    if len(ended) > 1:
        on_main(lambda: _report(recipe, recipes, failed, console))
    if failed:
        raise RunError(_failure(parent, ended, failed))
    return parent / SEEDS_FILE


def _check_folders(parent: Path, recipes: Mapping[int, Recipe], overwrite: bool) -> None:
    """Before the first run, which may take hours: whether all of them have a folder."""
    if (parent / RUN_FILE).is_file():
        raise RunError(
            f"training.output_dir {parent}: holds a single run; --seeds needs a folder for several: choose another one"
        )
    for recipe in recipes.values():
        folder = Path(recipe.training["output_dir"])
        check_free(folder / LOCK_NAME)
        check_recipe(folder, recipe, overwrite=overwrite)


def _report(recipe: Recipe, recipes: Mapping[int, Recipe], failed: Mapping[int, str], console: PlainConsole) -> None:
    parent = Path(recipe.training["output_dir"])
    ended = {seed: SeedRun.read(one) for seed, one in recipes.items() if seed not in failed}
    logs = {seed: read_log(Path(recipes[seed].training["output_dir"]) / LOG_NAME) for seed in failed}
    result = SeedsResult(recipe, ended, failed, logs)
    with only_one(parent / LOCK_NAME, "writing what several seeds have in common"):
        file = write_json(parent / SEEDS_FILE, result.to_dict())
        page = write_report(seeds_report(result, parent), parent / REPORT_FILE)
    console.print(f"{len(ended)} seeds, {result.mean[1].title}")
    console.print(result.table())
    console.print(f"{result.conclusion()} Everything is in {file}, and as a page in {page}")


def _failure(parent: Path, ended: Sequence[int], failed: Mapping[int, str]) -> str:
    """What is said at the end of runs of which some failed."""
    told = listing([f"seed {seed}: {why}" for seed, why in failed.items()])
    report = (
        f"{parent / SEEDS_FILE} and {REPORT_FILE} are of the others"
        if len(ended) > 1
        else "there is no report, because a spread needs at least two seeds"
    )
    advice = "Change the recipe as is said below and start all seeds again with --overwrite"
    if ended:
        kept = ",".join(map(str, ended)) + ("" if len(ended) > 1 else ",...")
        advice += f", or leave these seeds out (--seeds {kept}): runs that have ended are kept and not made again"
    return f"{len(failed)} of {len(failed) + len(ended)} seeds failed; {report}. {advice}.\n{told}"
