"""`smart-train compare`: runs, models and kept results beside each other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smart_train.cli.arguments import TrustRemoteCode
from smart_train.cli.option_groups import grouped
from smart_train.cli.output import check_outputs, plain_console
from smart_train.cli.rows import HELD_OUT, pages_of, rows_to_measure, source_values
from smart_train.cli.typed_options import naming_options
from smart_train.errors import RunError

if TYPE_CHECKING:
    from smart_train.evaluation import SideBySide
    from smart_train.recipe import Recipe


@grouped
def compare(
    models: Annotated[
        list[str],
        typer.Argument(
            help="Run folders, models, or files that `smart-train evaluate --output` wrote. The others are compared "
            "with the first.",
            metavar="RUN|MODEL|FILE...",
        ),
    ],
    metric: Annotated[
        str,
        typer.Option(
            help="What decides, and orders the queries: a score and a metric. The score own is the one that each ranks "
            "by: hybrid, or late of a model that has no other."
        ),
    ] = "own_ndcg@5",
    queries: Annotated[int, typer.Option(min=0, help="Number of queries to show that got better, and worse.")] = 5,
    output: Annotated[Path | None, typer.Option(help="Also write all of it to this JSON file, as records.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="Also write an HTML page: what differs, the metrics and those queries.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="Measure all of them now, on the rows that this recipe reports.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Measure all of them now, on these rows: a file, folder or Hub data set. Default: runs and files by "
            "what they keep; models on the rows of the first run that is named."
        ),
    ] = None,
    rows: Mapping[str, Any] = HELD_OUT,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Compare runs and models: what their recipes say differently, their metrics, paired tests, and the queries that
    got better and worse. Where models are measured, several processes
    (accelerate launch -m smart_train compare ...) share the work."""
    from smart_train.cli.process_group import joined_processes
    from smart_train.distributed import is_main, on_main
    from smart_train.run.comparing import compare_named

    def prepare() -> Recipe | None:
        """The recipe of the rows to measure on now, if any."""
        if data is not None and recipe is not None:
            raise RunError("--data and --recipe both name the rows to measure on; leave one of them out")
        check_outputs(output, report, _check_replaceable)
        options = source_values(rows)
        if data is None and recipe is None and not options:
            return None
        as_text = data is not None and "pages_as" not in options and _all_read_text(models)
        read = {**rows, "pages_as": "text"} if as_text else rows
        return rows_to_measure(models[0], "compare", data=data, rows=read, recipe=recipe)

    with joined_processes(), naming_options("metric"):
        side_by_side = compare_named(
            models,
            metric=metric,
            rows=on_main(prepare),
            trust_remote_code=trust_remote_code,
            say=plain_console().print,
        )
        if is_main():
            _finish(side_by_side, queries, output, report)


def _finish(side_by_side: SideBySide, queries: int, output: Path | None, report: Path | None) -> None:
    from smart_train.utils.atomic import write_json

    _print(side_by_side, queries)
    if output is not None:
        write_json(output, side_by_side.to_dict(queries))
    if report is not None:
        from smart_train.evaluation.compare_tables import side_by_side_report
        from smart_train.report import write_report

        written = write_report(side_by_side_report(side_by_side, queries), report)
        plain_console().print(f"Written: {written}")


def _all_read_text(models: Sequence[str]) -> bool:
    """Whether none of the models reads images, so that pages of PDF files are read as text for all of them."""
    return all(pages_of(model, {}) == "text" for model in models)


def _check_replaceable(file: Path) -> None:
    """Raises RunError where `file` is not what an earlier call wrote."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        values = None
    if not (isinstance(values, dict) and {"metric", "tests", "changes"} <= values.keys()):
        raise RunError(f"--output {file}: exists and does not hold records of compare; name another file")


def _print(side_by_side: SideBySide, queries: int) -> None:
    from smart_train.evaluation.compare_tables import metrics_note, metrics_table, runs_of, settings_table

    console = plain_console()
    settings = settings_table(side_by_side)
    if len(runs_of(side_by_side)) > 1:
        console.print("Recipes: " + ("no difference" if settings is None else "what differs"))
    if settings is not None:
        console.print(settings)
    console.print(f"Measured: {side_by_side.results[side_by_side.first].title}")
    console.print(metrics_table(side_by_side))
    console.print(metrics_note(side_by_side))
    for name in side_by_side.comparisons:
        _print_queries(side_by_side, name, queries)
    for line in side_by_side.lines():
        console.print(f"Verdict: {line}")


def _print_queries(side_by_side: SideBySide, name: str, count: int) -> None:
    """The queries that tell `name` from the first, those that rose most first, and what each of both ranks first."""
    from smart_train.evaluation.compare_tables import changed_queries

    console = plain_console()
    for kind, rows in changed_queries(side_by_side, name, count).items():
        if rows:
            console.print(
                f"Queries that {name} (here) answers {kind} than {side_by_side.first} (there), by "
                f"{side_by_side.decided_by(name)}"
            )
        for row in rows:
            console.print(f"  {row['before']} -> {row['after']}  {row['query']}")
            for label in ("answer", "first there", "first here"):
                if label in row:
                    console.print(f"      {label:<12} {row[label]}")
