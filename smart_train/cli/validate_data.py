"""`smart-train validate-data`: read every row and page, and say what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from smart_train.cli.arguments import Overrides
from smart_train.cli.option_groups import grouped
from smart_train.cli.output import plain_console
from smart_train.cli.quiet import quiet_libraries
from smart_train.cli.rows import ROWS, as_options, source_values
from smart_train.errors import DataError
from smart_train.utils.defaults import REPORT_SAMPLES

FAILED = 1
_RECIPES = (".yaml", ".yml")


@grouped
def validate_data(
    source: Annotated[
        str, typer.Argument(help="A recipe, or rows: a file, a folder or a Hub data set.", metavar="RECIPE|PATH")
    ],
    overrides: Overrides = None,
    rows: Mapping[str, Any] = ROWS,
    against: Annotated[str | None, typer.Option(help="Held-out rows to compare PATH with.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Folder for report.json and report.html. Default: data_report, or data_report-2 and so on where that "
            "holds the report of another set."
        ),
    ] = None,
    samples: Annotated[int, typer.Option(min=0, help="Pairs of each part to show in report.html.")] = REPORT_SAMPLES,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Number of threads that decode. Default: one per core.")
    ] = None,
) -> None:
    """Check every row and page of RECIPE's data, or of PATH: unreadable and extreme images, empty and repeated queries,
    leakage, languages; for a recipe also token counts, truncation and memory. Exits with status 1 on errors.

    The options from --columns to --streaming are those of a recipe's data section, for PATH and --against.
    """
    reading = source_values(rows)
    split = reading.pop("split", None)
    if Path(source).suffix.lower() in _RECIPES and split is None and against is None and not reading:
        from smart_train.recipe.early_checks import check_quickly

        check_quickly(source, overrides or ())
    from smart_train.validation import print_validation, validate, write_page
    from smart_train.validation.report import report_folder

    folder = report_folder(output, source)
    if Path(source).suffix.lower() in _RECIPES:
        if split is not None or against is not None:
            raise DataError("--split and --against need a PATH; a recipe names its own held-out rows")
        if reading:
            raise DataError(
                f"--{next(iter(reading)).replace('_', '-')} needs a PATH; a recipe says how its rows are read"
            )
        quiet_libraries()  # before the first of them is imported
        from smart_train.recipe import load_recipe
        from smart_train.run.data_check import validate_recipe
        from smart_train.run.prepare import prepare_data

        recipe = load_recipe(Path(source), overrides or ())
        prepare_data(recipe.data.prepare, plain_console())
        report, parts = validate_recipe(recipe, source=source, workers=workers)
    else:
        if overrides:
            raise DataError(
                f"{overrides[0]}: changes a recipe, but {source} is not a recipe (not a {' or '.join(_RECIPES)} file)"
            )
        from smart_train.validation.split_files import read_path

        try:
            parts = read_path(source, split=split, against=against, workers=workers, reading=reading)
        except DataError as error:
            raise type(error)(as_options(str(error))) from error
        report = validate(parts, source=source)
    console = plain_console()
    print_validation(report, console)
    report.save(folder)
    console.print(f"Written: {folder / 'report.json'}, {write_page(report, parts, folder, samples=samples)}")
    if not report.passed:
        raise typer.Exit(FAILED)
