"""`smart-train tune`: which scoring settings a model should have, on the user's own queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from smart_train.cli.arguments import READING, BatchSize, ModelPath, open_model
from smart_train.cli.option_groups import grouped
from smart_train.cli.output import check_folder, check_page, plain_console
from smart_train.cli.rows import HELD_OUT, read_rows, rows_to_measure
from smart_train.cli.typed_options import naming_options
from smart_train.errors import RunError
from smart_train.utils.defaults import BATCH_SIZE
from smart_train.utils.terms import HEADLINE

if TYPE_CHECKING:
    from smart_train.evaluation import EvaluationSet, TuningGrid, TuningResult
    from smart_train.models import SmartModel
    from smart_train.recipe import Recipe

_CHOICES = "Comma-separated choices"
# That messages name as a recipe does.
_OPTIONS = (
    "weights",
    "layers",
    "query_tokens",
    "document_tokens",
    "pooled_token",
    "widths",
    "pool_factors",
    "stored_as",
    "metric",
    "max_bytes",
)


@grouped
def tune(
    model: ModelPath,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            help="Changes to the recipe's data, or to --data: keys data.*, as in data.evaluation.max_samples=500.",
            metavar="[KEY=VALUE]...",
        ),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            help="Choose on this recipe's data.evaluation, and decide on its data.test (without one: on the other half "
            "of the queries). Default: the recipe of the run folder."
        ),
    ] = None,
    data: Annotated[str | None, typer.Option(help="Choose on these rows: a file, folder or Hub data set.")] = None,
    rows: Mapping[str, Any] = HELD_OUT,
    test: Annotated[
        str | None, typer.Option(help="Decide on these rows. Default: on the half of --data that did not choose.")
    ] = None,
    metric: Annotated[str, typer.Option(help="Of the hybrid score: ndcg@K, recall@K or mrr@10.")] = HEADLINE,
    max_bytes: Annotated[
        int | None,
        typer.Option(min=1, help="The most bytes that a document may take in the index. Default: stored as now."),
    ] = None,
    weights: Annotated[str | None, typer.Option(help=f"{_CHOICES} of POOLED:LATE, such as 1:1,1:4.")] = None,
    layers: Annotated[str | None, typer.Option(help=f"{_CHOICES} of layers; -1 is the last.")] = None,
    query_tokens: Annotated[str | None, typer.Option(help=f"{_CHOICES} of content, text, visual, all.")] = None,
    document_tokens: Annotated[str | None, typer.Option(help=f"{_CHOICES} of content, text, visual, all.")] = None,
    pooled_token: Annotated[str | None, typer.Option(help=f"{_CHOICES} of keep, drop.")] = None,
    widths: Annotated[str | None, typer.Option(help=f"{_CHOICES} of dimensions kept of each vector.")] = None,
    pool_factors: Annotated[
        str | None, typer.Option(help=f"{_CHOICES} of factors by which documents get fewer tokens.")
    ] = None,
    stored_as: Annotated[
        str | None, typer.Option(help=f"{_CHOICES} of float32, bfloat16, float16, int8: number formats of tokens.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the two halves of the queries.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option(help="Write tune.json (every setting), tune.png and report.html to this folder."),
    ] = None,
    write: Annotated[
        bool,
        typer.Option(
            "--write",
            help="Put the chosen settings into MODEL's smart_config.json. Of a run, into its trained model, whose "
            "export is made again. Of an export, its golden vectors, layout, card and record are made again, too.",
        ),
    ] = False,
    batch_size: BatchSize = BATCH_SIZE,
    reading: Mapping[str, Any] = READING,
) -> None:
    """Choose weights, layer, token filters and storage for a model, or for the model that a run trained.

    Everything is encoded once. Settings are chosen on some queries and replace those in force only if they are better
    on others. Several processes (accelerate launch -m smart_train tune ...) share the encoding.
    """
    from smart_train.cli.process_group import joined_processes
    from smart_train.distributed import is_main, on_main
    from smart_train.distributed.stages import on_every_rank
    from smart_train.evaluation import tune as measure
    from smart_train.utils.console import bars
    from smart_train.utils.cpu import every_core

    def prepare() -> _Asked:
        lists: dict[str, Any] = {
            "weights": _names(weights),
            "layers": _numbers("--layers", layers),
            "query_tokens": _names(query_tokens),
            "document_tokens": _names(document_tokens),
            "pooled_token": _names(pooled_token),
            "widths": _numbers("--widths", widths),
            "pool_factors": _numbers("--pool-factors", pool_factors),
            "stored_as": _names(stored_as),
        }
        run, run_recipe, grid = _checked(model, metric, lists, overrides or (), output, write)
        meant = rows_to_measure(
            model, "tune", data=data, rows=rows, recipe=recipe, test=test, overrides=overrides or (), reading=reading
        )
        return _Asked(run, run_recipe, grid, *_sets(meant, data is not None, seed))

    with joined_processes(), naming_options(*_OPTIONS):
        asked = on_main(prepare)
        source = model if asked.run is None else str(asked.run / "final")
        reader = on_every_rank(lambda: open_model(source, reading))
        result = measure(
            reader,
            asked.choosing,
            test=asked.deciding,
            grid=asked.grid,
            metric=metric,
            max_bytes=max_bytes,
            seed=seed,
            batch_size=batch_size,
            show_progress_bar=bars(),
            across_ranks=True,
        )
        if is_main():
            with every_core():
                _finish(result, reader, model, asked, output, write, reading)


class _Asked(NamedTuple):
    """What is tuned, checked: the run whose model it is, its recipe, the choices, the rows that choose and those that
    decide."""

    run: Path | None
    run_recipe: Recipe | None
    grid: TuningGrid
    choosing: EvaluationSet
    deciding: EvaluationSet | None


def _checked(
    model: str, metric: str, lists: Mapping[str, Any], overrides: Sequence[str], output: Path | None, write: bool
) -> tuple[Path | None, Recipe | None, TuningGrid]:
    """The run, its recipe and the choices. Raises what is wrong with the options, before any row is read."""
    from smart_train.evaluation.tuning_grid import check_metric
    from smart_train.recipe.sections import TuneSection
    from smart_train.report.html import REPORT_FILE
    from smart_train.run import tuning
    from smart_train.run.folder import RUN_FILE, open_finished

    check_metric(metric)
    run = Path(model) if (Path(model) / RUN_FILE).is_file() else None
    run_recipe = open_finished(run) if run is not None else None
    grid = tuning.grid_of(TuneSection.model_construct(**lists))
    if output is not None:
        if (output / RUN_FILE).is_file():
            raise RunError(f"--output {output}: is a run, which has a report of its own; name another folder")
        check_folder("--output", output)
        check_page("--output", output / REPORT_FILE)
    if write:
        tuning.check_writable(model, run)
    for text in overrides:
        if not text.startswith("data."):
            raise RunError(f"{text}: has no effect on what is measured; tune accepts data.*")
    return run, run_recipe, grid


def _sets(recipe: Recipe, as_options: bool, seed: int) -> tuple[EvaluationSet, EvaluationSet | None]:
    """The rows that choose and those that decide. `as_options`: options named them, and not a recipe."""
    from smart_train.run import tuning

    named = {"evaluation": "--data", "test": "--test"} if as_options else {}
    parts = {name: read_rows(recipe, name, named.get(name)) for name in recipe.data.held_out}
    choosing, deciding = tuning.sets_of(recipe, parts, seed)
    for name, rows_of in zip(recipe.data.held_out, (choosing, deciding), strict=False):
        if rows_of is not None:
            rows_of.name = named.get(name, rows_of.name)
    return choosing, deciding


def _finish(
    result: TuningResult,
    reader: SmartModel,
    model: str,
    asked: _Asked,
    output: Path | None,
    write: bool,
    reading: Mapping[str, Any],
) -> None:
    from smart_train.evaluation.tuning_page import tuned_queries, tuning_report
    from smart_train.report.html import REPORT_FILE, write_report
    from smart_train.run import tuning

    console = plain_console()
    _show(result)
    if output is not None:
        console.print(f"Every setting: {result.save(output)}")
        queries = tuned_queries(result, reader, asked.deciding or asked.choosing)
        page = write_report(tuning_report(result, model, queries), output / REPORT_FILE)
        console.print(f"Written: {page}")
    if write:
        options = {name: reading[name] for name in ("trust_remote_code", "base")}
        tuning.write_result(result, reader, model, asked.run, asked.run_recipe, console, **options)
    elif result.changes:
        console.print("Nothing was written; --write puts these settings into the model's smart_config.json")


def _show(result: TuningResult) -> None:
    from rich.console import Console

    console = plain_console()
    console.print(
        f"{len(result.settings)} settings; chosen on {result.queries} queries, decided on "
        f"{result.comparison.queries} others; {result.documents} documents; {result.metric} of the hybrid score"
    )
    Console().print(result.table())
    console.print(result.conclusion())


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _numbers(option: str, text: str | None) -> list[int] | None:
    parts = _names(text)
    try:
        return None if parts is None else [int(part) for part in parts]
    except ValueError as error:
        raise RunError(f"{option} {text}: must be whole numbers, separated by commas") from error
