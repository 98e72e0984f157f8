"""`smart-train evaluate`: retrieval metrics of a model on held-out rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smart_train.cli.arguments import READING, ModelPath, Workers, open_model
from smart_train.cli.option_groups import grouped
from smart_train.cli.output import check_page, check_place, plain_console
from smart_train.cli.rows import HELD_OUT, read_rows, rows_to_measure
from smart_train.errors import DataError, RunError
from smart_train.utils.model_folders import find_model
from smart_train.utils.terms import EXACT

if TYPE_CHECKING:
    from smart_train.models import SmartModel
    from smart_train.recipe import Recipe


@grouped
def evaluate(
    model: ModelPath,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            help="Changes to the recipe or to --data: keys data.*, evaluation.batch_size, evaluation.metric (of the "
            "verdict) and scoring.*, as in scoring.late_weight=0.5.",
            metavar="[KEY=VALUE]...",
        ),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            help="Evaluate on this recipe's data.test, or on its data.evaluation if it has no data.test. Default: the "
            "recipe of the run folder."
        ),
    ] = None,
    data: Annotated[str | None, typer.Option(help="Evaluate on these rows: a file, folder or Hub data set.")] = None,
    rows: Mapping[str, Any] = HELD_OUT,
    output: Annotated[
        Path | None, typer.Option(help="Also write the metrics to this JSON file: averages, and values per query.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Also write an HTML page: the metrics, and the worst and best queries with heat maps."),
    ] = None,
    products: Annotated[
        str | None,
        typer.Option(
            metavar="<exact|bfloat16|float16>",
            help="Find what may be among the first by products of rounded tokens, several times as fast on a GPU, and "
            "score that again exactly. The ranking is the same. Default: evaluation.products of the recipe.",
        ),
    ] = None,
    workers: Workers = None,
    reading: Mapping[str, Any] = READING,
) -> None:
    """Measure a model, or the model that a run trained: nDCG, recall and MRR of the pooled, late and hybrid score.

    Ends in a verdict: whether hybrid is better than pooled on these rows, what that many queries can show, and what to
    try. The options from --columns to --corpus are those of a recipe's data section, for --data.
    """
    from smart_train.run.folder import RUN_FILE, open_finished

    overrides, scoring = _split(overrides or [])
    overrides += [] if workers is None else [f"evaluation.num_workers={workers}"]
    overrides += [] if products is None else [f"evaluation.products={products}"]
    if output is not None and output.is_dir():
        raise RunError(f"--output {output}: is a folder; name a file in it")
    if output is not None and output.exists():
        _check_replaceable(output)
    if output is not None:
        check_place("--output", output)
    if report is not None:
        check_page("--report", report)
    trained = find_model(model)
    if (Path(model) / RUN_FILE).is_file() and Path(trained) == Path(model) / "final":
        open_finished(Path(model))  # its digests; an export has a record of its own, which loading reads
    meant = rows_to_measure(
        model, "evaluate", data=data, rows=rows, recipe=recipe, overrides=overrides, reading=reading
    )
    reader = partial(open_model, trained, reading, scoring)
    _evaluate(reader, meant, data, output, report)


def _check_replaceable(file: Path) -> None:
    """Raises RunError where `file` is not what an earlier call wrote."""
    from smart_train.evaluation import EvaluationResult

    try:
        EvaluationResult.load(file)
    except DataError as error:
        raise RunError(f"--output {file}: exists and does not hold metrics of evaluate; name another file") from error


def _split(overrides: list[str]) -> tuple[list[str], dict[str, Any]]:
    """The overrides of which rows are measured, and the scoring keys that others give. Raises RunError for one that
    would change nothing."""
    from smart_train.recipe.reader import read_overrides

    for text in overrides:
        if not text.startswith(("data.", "evaluation.batch_size=", "evaluation.metric=", "scoring.")):
            raise RunError(
                f"{text}: has no effect on what is measured; evaluate accepts data.*, evaluation.batch_size, "
                "evaluation.metric and scoring.*"
            )
    # Not through a recipe, whose objective may need a weight that is to be left out here.
    scoring = read_overrides([text for text in overrides if text.startswith("scoring.")])
    return [text for text in overrides if not text.startswith("scoring.")], scoring.get("scoring", {})


def _evaluate(
    reader: Callable[[], SmartModel], recipe: Recipe, named: str | None, output: Path | None, page: Path | None
) -> None:
    """`reader`: loads the model, once the rows are known to be usable. `named`: what to call them; None is their key in
    the recipe."""
    from smart_train.evaluation import print_report
    from smart_train.evaluation.verdict import split_metric, verdict_lines
    from smart_train.recipe.sections import filled
    from smart_train.retrieval.text_pages import cut_pages
    from smart_train.run import build

    rows = filled(recipe.data.reported)
    held_out = read_rows(recipe, rows, None if named is None else "--data")
    evaluator = build.evaluator(recipe, rows, held_out)
    evaluator.evaluation_set.name = named or evaluator.evaluation_set.name
    model = reader()
    judged = evaluator.evaluation_set
    cut = cut_pages(model, dict(zip(judged.document_ids, judged.documents, strict=True)))
    if cut is not None:
        plain_console().print(cut)
    result = evaluator(model)
    print_report(result)
    if evaluator.products != EXACT and evaluator.rescored.told:  # not what exact products choose by themselves
        plain_console().print(f"scored again by exact products: {evaluator.rescored.told}")
    for line in verdict_lines(result, split_metric(recipe.evaluation.metric)[1]):
        plain_console().print(line)
    if output is not None:
        result.save(output)
    if page is not None:
        from smart_train.run.report import write_evaluation_report

        name = model.base or recipe.model.name_or_path
        written = write_evaluation_report(model, name, result, evaluator.evaluation_set, page)
        plain_console().print(f"Written: {written}")
