"""`smart-train compare`: runs, models and kept results beside each other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smart_train.cli.arguments import TrustRemoteCode
from smart_train.cli.option_groups import grouped
from smart_train.cli.output import plain_console
from smart_train.cli.rows import HELD_OUT, rows_to_measure, source_values
from smart_train.errors import RunError

if TYPE_CHECKING:
    from smart_train.evaluation import SideBySide

_SHOWN_TEXT, _SHOWN_VALUE = 90, 40  # characters
_ANSWERS = 2  # of a query


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
        str, typer.Option(help="What decides, and orders the queries: a score and a metric.")
    ] = "hybrid_ndcg@5",
    queries: Annotated[int, typer.Option(min=0, help="Number of queries to show that got better, and worse.")] = 5,
    output: Annotated[Path | None, typer.Option(help="Also write all of it to this JSON file, as records.")] = None,
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
    got better and worse."""
    from smart_train.run.comparing import compare_named
    from smart_train.utils.atomic import write_json

    if data is not None and recipe is not None:
        raise RunError("--data and --recipe both name the rows to measure on; leave one of them out")
    if output is not None and output.is_dir():
        raise RunError(f"--output {output}: is a folder; name a file in it")
    if output is not None and output.exists():
        _check_replaceable(output)
    measured_now = data is not None or recipe is not None or source_values(rows)
    meant = rows_to_measure(models[0], "compare", data=data, rows=rows, recipe=recipe) if measured_now else None
    console = plain_console()
    found = compare_named(models, metric=metric, rows=meant, trust_remote_code=trust_remote_code, say=console.print)
    _print(found, queries)
    if output is not None:
        write_json(output, found.to_dict(queries))


def _check_replaceable(file: Path) -> None:
    """Raises RunError where `file` is not what an earlier call wrote."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        values = None
    if not (isinstance(values, dict) and {"metric", "tests", "changes"} <= values.keys()):
        raise RunError(f"--output {file}: exists and does not hold records of compare; name another file")


def _print(found: SideBySide, queries: int) -> None:
    from rich.table import Table

    console = plain_console()
    differing = found.differing_settings()
    names = [name for name, settings in found.settings.items() if settings]
    if len(names) > 1:
        console.print("Recipes: " + ("what differs" if differing else "no difference"))
    if differing:
        table = Table("key", *names, box=None)
        for row in differing:
            table.add_row(row["key"], *(_shown(row[name]) for name in names))
        console.print(table)
    first = found.results[found.first]
    console.print(f"Measured: {first.title}")
    table = Table("score", "metric", "chance", *found.results, box=None)
    for row in found.metrics():
        cells = [_marked(row[name], row.get(f"{name} p")) for name in found.results]
        table.add_row(row["score"], row["metric"], f"{row['chance']:.3f}", *cells)
    console.print(table)
    console.print(f"* p < 0.05 against {found.first}, paired randomisation test, each row on its own")
    for name in found.comparisons:
        _print_queries(found, name, queries)
    for line in found.lines():
        console.print(f"Verdict: {line}")


def _print_queries(found: SideBySide, name: str, count: int) -> None:
    """The queries that tell `name` from the first, those that rose most first, and what each of both ranks first."""
    console = plain_console()
    texts = {**found.results[found.first].document_texts, **found.results[name].document_texts}

    def first_of(row: dict[str, Any], key: str) -> str:
        identity = next(iter(row.get(key, ())), None)
        if identity is None:
            return "not kept"
        right = " (right)" if identity in row.get("relevant", ()) else ""
        return shorten(texts.get(identity, identity), _SHOWN_TEXT) + right

    rows = found.queries(name, count)
    for title, some in (
        ("better", [row for row in rows if row["difference"] > 0]),
        ("worse", [row for row in rows if row["difference"] < 0]),
    ):
        if some:
            console.print(f"Queries that {name} (here) answers {title} than {found.first} (there), by {found.metric}")
        for row in some:
            query = shorten(row.get("query", row["query_id"]), _SHOWN_TEXT)
            console.print(f"  {row['before']:.3f} -> {row['after']:.3f}  {query}")
            if "relevant" in row:
                answer = ", ".join(shorten(texts.get(item, item), _SHOWN_TEXT) for item in row["relevant"][:_ANSWERS])
                console.print(f"      answer       {answer}")
            console.print(f"      first there  {first_of(row, 'found_before')}")
            console.print(f"      first here   {first_of(row, 'found_after')}")


def _marked(value: float, p_value: float | None) -> str:
    return f"{value:.3f}{'*' if p_value is not None and p_value < 0.05 else ' '}"


def _shown(value: Any) -> str:
    text = "-" if value is None else str(value)
    return text if len(text) <= _SHOWN_VALUE else f"...{text[3 - _SHOWN_VALUE :]}"
