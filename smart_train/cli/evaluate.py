"""`smart-train evaluate`: retrieval metrics of a model on held-out rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smart_train.cli.arguments import BatchSize, ModelPath, Overrides
from smart_train.cli.output import plain_console
from smart_train.errors import RunError

if TYPE_CHECKING:
    from smart_train.recipe import Recipe


def evaluate(
    model: ModelPath,
    overrides: Overrides = None,
    recipe: Annotated[
        Path | None, typer.Option(help="Evaluate on this recipe's data.evaluation. A run folder has its own recipe.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Evaluate on these rows: a file, folder or Hub data set.")] = None,
    split: Annotated[str | None, typer.Option(help="Split of --data.")] = None,
    corpus: Annotated[str | None, typer.Option(help="More documents, which answer no query of --data.")] = None,
    batch_size: BatchSize = 32,
    output: Annotated[Path | None, typer.Option(help="Also write the metrics to this JSON file.")] = None,
) -> None:
    """nDCG, recall and MRR of MODEL (or of a run's trained model), for the pooled, late and hybrid score."""
    from smart_train import build
    from smart_train.data import check_examples
    from smart_train.evaluation import print_report
    from smart_train.models import SmartModel
    from smart_train.run_folder import RECIPE_FILE, RUN_FILE, open_finished

    run = Path(model) if (Path(model) / RUN_FILE).is_file() else None
    if run is not None:
        open_finished(run)
        recipe = recipe or run / RECIPE_FILE
    source = _source(model, recipe, data, split, corpus, overrides or [])
    if source.data.evaluation is None:
        raise RunError(f"{recipe or model}: its recipe has no data.evaluation; name rows with --data")
    held_out, report = check_examples(build.examples(source.data.evaluation), on_error=source.data.on_error)
    plain_console().print(f"data.evaluation: {report.summary()}")
    evaluator = build.evaluator(source, held_out)
    evaluator.batch_size = batch_size
    result = evaluator(SmartModel.from_pretrained(str(run / "final") if run else model))
    print_report(result)
    if output is not None:
        result.save(output)


def _source(
    model: str, recipe: Path | None, data: str | None, split: str | None, corpus: str | None, overrides: list[str]
) -> Recipe:
    """The recipe whose `data.evaluation` is meant: one that exists, or one that says only that."""
    from smart_train.recipe import load_recipe, parse_recipe

    if data is not None:
        if overrides:
            raise RunError(f"{overrides[0]}: changes a recipe, but --data names the rows; use one of the two")
        rows = {"path": data, "split": split}
        values = {"model": {"name_or_path": model}, "data": {"train": rows, "evaluation": {**rows, "corpus": corpus}}}
        return parse_recipe(values, source="--data")
    if split is not None or corpus is not None:
        raise RunError("--split and --corpus belong to --data; set data.evaluation.split=... on a recipe")
    if recipe is None:
        raise RunError(f"{model}: no run folder, so the rows to evaluate on are unknown; name --data or --recipe")
    return load_recipe(recipe, overrides)
