"""The outcome of a run: which step its weights are of, how that step was chosen, and the last line that is printed."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from smart_train.evaluation import (
    Comparison,
    EvaluationResult,
    Selection,
    best_step,
    compare,
    conclusion,
    print_report,
)
from smart_train.recipe import Recipe
from smart_train.run.folder import RunFolder
from smart_train.training.training_log import LOG_NAME, read_log


class Weights(NamedTuple):
    """Which step the trained weights of a run are of.

    Args:
        step: that step; None where nothing was logged.
        steps: the last one that was trained.
        selection: how it was chosen; None where it is the last, or all there was to choose from.
    """

    step: int | None
    steps: int | None
    selection: Selection | None


def weights_of(recipe: Recipe, run: Path) -> Weights:
    """Of the run in the folder `run`, by its log."""
    records, metric = read_log(run / LOG_NAME), recipe.evaluation.metric
    last = max((record["step"] for record in records), default=None)
    keeps_best = recipe.training.get("load_best_model_at_end")
    if not (keeps_best or recipe.evaluation.early_stopping_patience):
        return Weights(last, last, None)
    best = best_step(records, metric)
    # Stopped early without keeping the best: the weights are the last ones, but when to stop was a choice too.
    step = best if keeps_best and best is not None else last
    measured = {record["step"] for record in records if f"eval_{metric}" in record}
    selection = Selection("data.evaluation", metric, len(measured), step) if len(measured) > 1 else None
    return Weights(step, last, selection)


def conclude(
    recipe: Recipe,
    run: Path,
    before: EvaluationResult | None,
    after: EvaluationResult | None,
    comparison: Comparison | None,
) -> str:
    """The last line of the run in the folder `run`; see `conclusion`."""
    step, steps, selection = weights_of(recipe, run)
    return conclusion(
        before,
        after,
        recipe.evaluation.metric,
        chosen_step=step,
        steps=steps,
        selection=selection,
        comparison=comparison,
    )


def report_result(recipe: Recipe, folder: RunFolder, console: Console) -> None:
    """Prints what was measured before and after, how the weights were chosen, and the run's last line."""
    before, after = (
        EvaluationResult.load(path) if path.is_file() else None for path in (folder.before_file, folder.after_file)
    )
    comparison = compare(before, after) if before is not None and after is not None else None
    if before is not None or after is not None:
        print_report(before, after, comparison)
    selection = weights_of(recipe, folder.path).selection
    if after is not None and selection is not None:
        advice = " Set data.test to other rows." if after.measured_on == selection.rows else ""
        console.print(selection.note(after.measured_on) + advice)
    for record in read_log(folder.path / LOG_NAME)[-1:]:
        if "train_runtime" in record:
            console.print(f"Trained in {record['train_runtime']:.0f} s; everything is in {folder.path}")
    console.print(conclude(recipe, folder.path, before, after, comparison))
