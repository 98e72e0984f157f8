"""`smart-train evaluate`: retrieval metrics of a model on held-out rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from smart_train.cli.arguments import READING, ModelPath, Workers, open_model
from smart_train.cli.option_groups import grouped
from smart_train.cli.output import check_outputs, plain_console
from smart_train.cli.rows import HELD_OUT, read_rows, rows_to_measure
from smart_train.errors import DataError, RunError
from smart_train.utils.model_folders import find_model
from smart_train.utils.terms import EXACT

if TYPE_CHECKING:
    from smart_train.evaluation import EvaluationResult, EvaluationSet, RetrievalEvaluator
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
    try. The options from --columns to --corpus are those of a recipe's data section, for --data. Several processes
    (accelerate launch -m smart_train evaluate ...) share the encoding and the ranking.
    """
    from smart_train.cli.process_group import joined_processes
    from smart_train.distributed import is_main, on_main
    from smart_train.distributed.stages import on_every_rank
    from smart_train.scoring.product import check_products
    from smart_train.utils.cpu import every_core

    def prepare() -> _Asked:
        check_products(products or EXACT, "--products")
        changes, scoring = _split(overrides or [])
        changes += [] if workers is None else [f"evaluation.num_workers={workers}"]
        changes += [] if products is None else [f"evaluation.products={products}"]
        check_outputs(output, report, _check_replaceable)
        trained = _checked_model(model)
        meant = rows_to_measure(
            model, "evaluate", data=data, rows=rows, recipe=recipe, overrides=changes, reading=reading
        )
        return _Asked(meant, trained, scoring, _evaluator(meant, data))

    with joined_processes():
        asked = on_main(prepare)
        reader = on_every_rank(lambda: open_model(asked.model, reading, asked.scoring))
        if is_main():
            _tell_cut_pages(reader, asked.evaluator.evaluation_set)
        result = asked.evaluator(reader)
        if is_main():
            with every_core():
                _finish(result, reader, asked, output, report)


class _Asked(NamedTuple):
    """What is measured, checked: the rows' recipe, where the model is, scoring keys that overrule its own, and what
    measures it on the rows."""

    recipe: Recipe
    model: str
    scoring: dict[str, Any]
    evaluator: RetrievalEvaluator


def _checked_model(model: str) -> str:
    """The model that MODEL means. Raises RunError for the trained model of a run that is not whole."""
    from smart_train.run.folder import RUN_FILE, open_finished

    trained = find_model(model)
    if (Path(model) / RUN_FILE).is_file() and Path(trained) == Path(model) / "final":
        open_finished(Path(model))  # its digests; an export has a record of its own, which loading reads
    return trained


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


def _evaluator(recipe: Recipe, named: str | None) -> RetrievalEvaluator:
    """What measures a model on the rows, which are read here. `named`: what to call them; None is their key in the
    recipe."""
    from smart_train.recipe.sections import filled
    from smart_train.run import build

    rows = filled(recipe.data.reported)
    evaluator = build.evaluator(recipe, rows, read_rows(recipe, rows, None if named is None else "--data"))
    evaluator.evaluation_set.name = named or evaluator.evaluation_set.name
    return evaluator


def _tell_cut_pages(model: SmartModel, judged: EvaluationSet) -> None:
    from smart_train.retrieval.pdf_text_documents import cut_pages

    cut = cut_pages(model, dict(zip(judged.document_ids, judged.documents, strict=True)))
    if cut is not None:
        plain_console().print(cut)


def _finish(result: EvaluationResult, model: SmartModel, asked: _Asked, output: Path | None, page: Path | None) -> None:
    """Prints the result and writes the files, `page` last: it uses `model` up."""
    from smart_train.evaluation import print_report
    from smart_train.evaluation.verdict import split_metric, verdict_lines

    evaluator, recipe = asked.evaluator, asked.recipe
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
