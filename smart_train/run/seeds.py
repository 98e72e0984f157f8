"""One recipe under several seeds: a run for each, how far they are apart, and which one to keep.

Each run is an ordinary one in a folder of its own, OUTPUT_DIR/seed-N, so that after an interruption the same command
continues with the run that was interrupted.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from smart_train.distributed import is_main, on_main
from smart_train.errors import RunError
from smart_train.evaluation import EvaluationResult, compare
from smart_train.evaluation.compare import Comparison
from smart_train.recipe import Recipe
from smart_train.recipe.seeds import seed_recipes
from smart_train.run.folder import AFTER_FILE, BEFORE_FILE, RUN_FILE
from smart_train.run.stages import train
from smart_train.training.training_log import LOG_NAME, read_log
from smart_train.utils.atomic import write_json
from smart_train.utils.console import PlainConsole

SEEDS_FILE = "seeds.json"


def train_seeds(recipe: Recipe, seeds: Sequence[int], *, overwrite: bool = False) -> Path:
    """Runs `recipe` under each seed, or resumes, then writes and prints what they have in common. Every rank calls
    this.

    Args:
        overwrite: discard what the folders of these seeds hold.

    Returns:
        OUTPUT_DIR/seeds.json.

    Raises:
        RecipeError, RunError: as `seed_recipes` and `train`; the output folder holds a run without --seeds.
    """
    recipes = seed_recipes(recipe, seeds)
    parent = Path(recipe.training["output_dir"])
    if (parent / RUN_FILE).is_file():
        raise RunError(
            f"training.output_dir {parent}: holds a single run; --seeds needs a folder for several: choose another one"
        )
    console = PlainConsole(quiet=not is_main())
    for place, (seed, seed_recipe) in enumerate(recipes.items(), 1):
        console.print(f"Seed {seed} ({place} of {len(seeds)}), in {seed_recipe.training['output_dir']}")
        train(seed_recipe, overwrite=overwrite)
    on_main(lambda: _report(parent, recipes, console))
    return parent / SEEDS_FILE


def _report(parent: Path, recipes: Mapping[int, Recipe], console: PlainConsole) -> None:
    folders = {seed: Path(recipe.training["output_dir"]) for seed, recipe in recipes.items()}
    after = {seed: EvaluationResult.load(folder / AFTER_FILE) for seed, folder in folders.items()}
    measured_before = all((folder / BEFORE_FILE).is_file() for folder in folders.values())
    before = {seed: EvaluationResult.load(folder / BEFORE_FILE) for seed, folder in folders.items() if measured_before}
    comparison = compare(mean_of(before), mean_of(after)) if before else None
    recipe = next(iter(recipes.values()))
    metric = recipe.evaluation.metric
    chosen_on, values = _chosen_by(recipe, folders, after)
    best_seed = max(values, key=lambda seed: values[seed])
    report: dict[str, Any] = {
        "seeds": list(folders),
        "chosen": {"seed": best_seed, "metric": metric, "rows": chosen_on, "values": list(values.values())},
        "measured_on": after[best_seed].measured_on,
        "after": spread_of(after),
        **({"before": spread_of(before)} if before else {}),
        **({"comparison": comparison.to_dict()} if comparison is not None else {}),
    }
    write_json(parent / SEEDS_FILE, report)
    console.print(f"{len(folders)} seeds, {after[best_seed].title}")
    console.print(spread_table(after, comparison))
    console.print(
        f"Chosen: seed {best_seed}, {metric} {values[best_seed]:.4f} on {chosen_on}, in {folders[best_seed]}. "
        f"Expect the mean, not this one's figures, of a new seed. Everything is in {parent / SEEDS_FILE}"
    )


def _chosen_by(
    recipe: Recipe, folders: Mapping[int, Path], after: Mapping[int, EvaluationResult]
) -> tuple[str, dict[int, float]]:
    """The rows that choose among the seeds, and each seed's value there: those that steered the runs, so that the
    rows of data.test keep out of the choice; without them, the ones reported."""
    metric = recipe.evaluation.metric
    logs = {seed: read_log(folder / LOG_NAME) for seed, folder in folders.items()}
    steering = {
        seed: [record[f"eval_{metric}"] for record in log if f"eval_{metric}" in record] for seed, log in logs.items()
    }
    if all(steering.values()):
        best = recipe.training.get("load_best_model_at_end")
        return "data.evaluation", {seed: max(measured) if best else measured[-1] for seed, measured in steering.items()}
    # No run came to an evaluation while it trained: none was asked for, or the steps were too few.
    return next(iter(after.values())).measured_on, {seed: result.flat("")[metric] for seed, result in after.items()}


def mean_of(results: Mapping[int, EvaluationResult]) -> EvaluationResult:
    """Per query the mean over the seeds. A paired test of two of these asks whether training helps on these queries,
    whatever the seed.

    Raises:
        RunError: the runs were not measured on the same queries.
    """
    first, *others = results.values()
    if any(other.query_ids != first.query_ids or other.documents != first.documents for other in others):
        raise RunError(
            "--seeds: the runs were measured on different rows, so they have no common mean; start again with "
            "--overwrite"
        )
    per_query = {
        score: {
            metric: [
                statistics.fmean(values)
                for values in zip(*(r.per_query[score][metric] for r in results.values()), strict=True)
            ]
            for metric in columns
        }
        for score, columns in first.per_query.items()
    }
    return EvaluationResult(
        first.query_ids, per_query, first.documents, first.chance, first.scoring, first.measured_on, first.own
    )


def spread_of(results: Mapping[int, EvaluationResult]) -> dict[str, dict[str, dict[str, Any]]]:
    """Score -> metric -> mean, standard deviation (of a sample) and the value of each seed, in their order."""
    means = [result.metrics for result in results.values()]
    spread: dict[str, dict[str, dict[str, Any]]] = {}
    for score, columns in means[0].items():
        for metric in columns:
            values = [one_run[score][metric] for one_run in means]
            figures = {"mean": statistics.fmean(values), "sd": statistics.stdev(values), "by_seed": values}
            spread.setdefault(score, {})[metric] = figures
    return spread


def spread_table(after: Mapping[int, EvaluationResult], comparison: Comparison | None) -> Table:
    """A row per score and metric: mean before and after, spread over the seeds, p of the paired test."""
    caption = (
        "p: paired randomisation test over queries, each the mean of all seeds" if comparison is not None else None
    )
    table = Table(caption=caption, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), caption_justify="left")
    headings = ["score", "metric", *(["before"] if comparison is not None else []), "mean", "sd", "lowest", "highest"]
    for place, name in enumerate([*headings, *(["p"] if comparison is not None else [])]):
        table.add_column(name, justify="left" if place < 2 else "right", no_wrap=True)
    for score, columns in spread_of(after).items():
        for place, (metric, figures) in enumerate(columns.items()):
            cells = [score if place == 0 else "", metric]
            numbers = [figures["mean"], figures["sd"], min(figures["by_seed"]), max(figures["by_seed"])]
            if comparison is not None:
                row = comparison.row(score, metric)
                p_value = "<0.001" if row.p_value < 0.001 else f"{row.p_value:.3f}"
                cells += [f"{row.before:.3f}", *(f"{number:.3f}" for number in numbers), p_value]
            else:
                cells += [f"{number:.3f}" for number in numbers]
            table.add_row(*cells, end_section=place == len(columns) - 1)
    return table
