"""The evaluations before and after training: made once, kept in the run's folder, taken from there by later starts."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from smart_train.distributed import on_main
from smart_train.errors import DataError
from smart_train.evaluation import EvaluationResult, RetrievalEvaluator
from smart_train.models import SmartModel
from smart_train.run.folder import RunFolder
from smart_train.scoring.rounding_bounds import EXACT
from smart_train.training.measured import measured_result
from smart_train.training.resources import evaluation_knobs, memory_advice


def evaluated(
    evaluator: RetrievalEvaluator | None, model: SmartModel, saved: Path, console: Console, when: str
) -> EvaluationResult | None:
    """The evaluation that is kept in the file `saved`: of an earlier start where it is there, else made now. None
    without an evaluator. To be called by every process.

    Args:
        when: "before" or "after" training, for messages.
    """
    if evaluator is None:
        return None
    earlier = on_main(lambda: _kept_evaluation(saved, console))
    if earlier is not None:
        return earlier
    console.print(f"Evaluating {when} training, on {evaluator.evaluation_set.name} ...")
    with memory_advice(f"evaluation {when} training", partial(evaluation_knobs, evaluator.batch_size)):
        result = evaluator(model)
    if evaluator.products != EXACT and evaluator.rescored.told:  # not what exact products choose by themselves
        console.print(f"  scored again by exact products: {evaluator.rescored.told}")
    on_main(lambda: result.save(saved) and None)
    return result


def take_measured(folder: RunFolder, way: dict[str, Any], console: Console) -> None:
    """Makes the evaluation of the best checkpoint that of the trained model, where both have the same weights and it
    would be made in the same `way`."""
    found = None if folder.after_file.is_file() else measured_result(folder.path, folder.final, way)
    if found is not None:
        checkpoint, result = found
        console.print(f"The evaluation after training is that of {checkpoint.name}, which has the same weights")
        result.save(folder.after_file)


def _kept_evaluation(saved: Path, console: Console) -> EvaluationResult | None:
    """What an earlier start measured; None where there is nothing, or where it cannot be read, which is printed."""
    try:
        return EvaluationResult.load(saved) if saved.is_file() else None
    except DataError as error:
        console.print(f"{error}; it is made again")
        return None
