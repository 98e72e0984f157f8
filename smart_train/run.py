"""One run, from recipe to export, in stages that each finish whole or leave nothing.

Killed at any instant and started again, a run continues where its files say it was: base weights, the evaluation before
training, checkpoints, the trained model, the evaluation after, the export. Every stage writes under a temporary name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from transformers import TrainingArguments

from smart_train import build
from smart_train.data import CheckReport, check_examples
from smart_train.distributed import gather_objects, is_main
from smart_train.errors import DataError, SmartTrainError
from smart_train.evaluation import EvaluationResult, RetrievalEvaluator, print_report, save_report
from smart_train.evaluation.plots import plot_run
from smart_train.export import export_model
from smart_train.models import SmartModel
from smart_train.prepare import prepare_data
from smart_train.recipe import Recipe
from smart_train.recipe.sections import SourceSection
from smart_train.run_folder import RunFolder, data_fingerprint
from smart_train.training import SmartTrainer, TrainingModule, find_checkpoint
from smart_train.training.callbacks import LOG_NAME, read_log
from smart_train.training.launch import check_distribution
from smart_train.types import Example

T = TypeVar("T")


def train(recipe: Recipe, *, overwrite: bool = False) -> Path:
    """Runs `recipe` to its end, or resumes it. Every rank calls this; the main one prints and writes.

    Args:
        overwrite: discard what the output folder holds of another (or an earlier) run.

    Returns:
        The run folder.

    Raises:
        SmartTrainError: data, model, folder or launch do not fit the recipe; nothing was trained yet in that case.
    """
    args = build.training_arguments(recipe)
    check_distribution(args, recipe.distributed.strategy, recipe.distributed.num_processes)
    console = Console(quiet=not is_main())
    on_main(lambda: prepare_data(recipe.data.prepare, console))
    training, held_out = _load_data(recipe, console)
    folder = on_main(
        lambda: RunFolder.open(
            build.run_folder(recipe), recipe, data_fingerprint(training, held_out), args.world_size, overwrite=overwrite
        )
    )
    if folder.state == "finished":
        console.print(f"{folder.path} is finished already; --overwrite starts it anew")
        _report(folder, console)
        return folder.path
    evaluator = build.evaluator(recipe, held_out) if held_out else None
    model = _base_model(recipe, folder)
    before = _evaluate(evaluator if recipe.evaluation.before else None, model, folder.before_file, console, "before")
    if folder.state == "training":
        model = _train(recipe, args, folder, model, training, evaluator, console)
    else:
        model = SmartModel.from_pretrained(folder.final, device=model.device)
    after = _evaluate(evaluator if recipe.evaluation.after else None, model, folder.after_file, console, "after")
    on_main(lambda: _finish(recipe, folder, before, after, held_out, console))
    return folder.path


def on_main(function: Callable[[], T]) -> T:
    """`function` run by the main rank alone, its result (or its user error) on every rank.

    Without the error's copy the other ranks would wait for a main rank that has left.
    """
    outcome: tuple[Any, SmartTrainError | None] = (None, None)
    if is_main():
        try:
            outcome = (function(), None)
        except SmartTrainError as error:
            outcome = (None, error)
    value, error = gather_objects(outcome)[0]
    if error is not None:
        raise error
    return value


def _load_data(recipe: Recipe, console: Console) -> tuple[list[Example], list[Example]]:
    parts = []
    for name, section in (("train", recipe.data.train), ("evaluation", recipe.data.evaluation)):
        if section is None:
            parts.append([])
            continue
        examples = _read(name, section)
        kept, report = on_main(lambda rows=examples: _check(rows, recipe))
        _tell(report, name, console)
        parts.append(kept)
    return parts[0], parts[1]


def _read(name: str, section: SourceSection) -> Sequence[Example]:
    try:
        return build.examples(section)
    except ConnectionError as error:
        raise DataError(f"data.{name}: {error}") from error


def _check(examples: Sequence[Example], recipe: Recipe) -> tuple[Sequence[Example], CheckReport]:
    return check_examples(
        examples, on_error=recipe.data.on_error, negatives_per_query=recipe.data.negatives_per_query
    )


def _tell(report: CheckReport, name: str, console: Console) -> None:
    console.print(f"data.{name}: {report.summary()}")


def _base_model(recipe: Recipe, folder: RunFolder) -> SmartModel:
    """The model before training. Random weights are drawn once and kept in the run, so that an adapter has a base to
    name and a resumed run the same start."""
    if recipe.model.from_config is None:
        return build.base_model(recipe)
    on_main(lambda: folder.write_whole(folder.base, lambda path: build.base_model(recipe).save_pretrained(path)))
    return build.base_model(recipe, str(folder.base))


def _evaluate(
    evaluator: RetrievalEvaluator | None, model: SmartModel, saved: Path, console: Console, when: str
) -> EvaluationResult | None:
    if evaluator is None:
        return None
    if on_main(saved.is_file):
        return on_main(lambda: EvaluationResult.load(saved))
    console.print(f"Evaluating {when} training ...")
    result = evaluator(model)
    on_main(lambda: result.save(saved) and None)
    return result


def _train(
    recipe: Recipe,
    args: TrainingArguments,
    folder: RunFolder,
    model: SmartModel,
    training: Sequence[Example],
    evaluator: RetrievalEvaluator | None,
    console: Console,
) -> SmartModel:
    module = TrainingModule(build.prepare_for_training(model, recipe), build.objective(recipe))
    trainer = SmartTrainer(
        module,
        args,
        examples=training,
        collator=build.collator(recipe, model),
        evaluator=evaluator if recipe.evaluation.during else None,
        early_stopping_patience=recipe.evaluation.early_stopping_patience,
    )
    found = on_main(lambda: find_checkpoint(folder.path))
    for path, reason in found.broken.items():
        console.print(f"Checkpoint {path} is not used: {reason}")
    if found.newest is not None:
        console.print(f"Resuming from {found.newest}")
    elif found.broken:
        console.print("No whole checkpoint is left: training starts over")
    trainer.train(resume_from_checkpoint=str(found.newest) if found.newest else None)
    trained = trainer.module.model
    on_main(lambda: folder.write_whole(folder.final, trainer.module.save))
    on_main(lambda: folder.advance("trained"))
    return trained


def _finish(
    recipe: Recipe,
    folder: RunFolder,
    before: EvaluationResult | None,
    after: EvaluationResult | None,
    held_out: Sequence[Example],
    console: Console,
) -> None:
    """Reports, plots, export and Hub: the main rank's work."""
    if before is not None or after is not None:
        save_report(folder.path, before, after)
    plot_run(read_log(folder.path / LOG_NAME), folder.path / "plots", before=before, after=after)
    if recipe.export.enabled:
        output = Path(recipe.export.output) if recipe.export.output else folder.export
        report = export_model(
            folder.final, output, dtype=recipe.export.dtype, examples=held_out, overwrite=True
        )
        console.print(f"Exported to {output}; largest score difference to the trained model {report.largest:.1e}")
    folder.advance("finished")
    _report(folder, console)


def _report(folder: RunFolder, console: Console) -> None:
    results = [
        EvaluationResult.load(path) if path.is_file() else None for path in (folder.before_file, folder.after_file)
    ]
    if any(results):
        print_report(*results, console=console)
    for record in read_log(folder.path / LOG_NAME)[-1:]:
        if "train_runtime" in record:
            console.print(f"Trained in {record['train_runtime']:.0f} s; everything is in {folder.path}")
