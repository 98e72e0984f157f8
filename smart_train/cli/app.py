"""`smart-train`: its commands, and how a user's mistake is shown."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import getdoc
from typing import Annotated, Any

import typer

from smart_train.cli.benchmark import benchmark
from smart_train.cli.compare import compare
from smart_train.cli.convert_projection import convert_projection
from smart_train.cli.encode import encode
from smart_train.cli.evaluate import evaluate
from smart_train.cli.explain import explain
from smart_train.cli.export import export
from smart_train.cli.extras import extras
from smart_train.cli.init import init
from smart_train.cli.inspect import inspect
from smart_train.cli.launch import launch
from smart_train.cli.make_pairs import make_pairs
from smart_train.cli.mine import mine
from smart_train.cli.probe import probe
from smart_train.cli.process_group import in_one_process, tells
from smart_train.cli.push import push
from smart_train.cli.quiet import quietly
from smart_train.cli.recipes import recipes
from smart_train.cli.search import search
from smart_train.cli.train import train
from smart_train.cli.tune import tune
from smart_train.cli.validate import validate
from smart_train.cli.validate_data import validate_data
from smart_train.cli.verify import verify
from smart_train.errors import Interrupted, RecipeError, RunError, SmartTrainError, printable
from smart_train.utils.own_process import running_a_command
from smart_train.utils.versions import versions

USER_ERROR = 2


def _help(command: Callable[..., Any]) -> str:
    """The docstring of a command, a line for each paragraph: typer keeps its line ends, and the list of commands would
    break in the middle of a sentence."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in (getdoc(command) or "").split("\n\n"))


app = typer.Typer(
    help="Turn a single-vector multimodal embedding model into a SMART (pooled + late interaction) retriever.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks print every local variable, tensors included
)
for _command in (
    # In the order in which a newcomer needs them; --help lists them so.
    recipes,
    in_one_process(make_pairs),
    in_one_process(validate_data),
    quietly(init, alone=True),
    quietly(validate, runs_recipe=True),
    extras,
    quietly(train, runs_recipe=True),
    quietly(launch, runs_recipe=True),
    quietly(evaluate, reads_rows=True),
    quietly(compare, reads_rows=True),
    quietly(tune, reads_rows=True),
    quietly(benchmark),
    quietly(probe, reads_rows=True, alone=True),
    quietly(inspect, alone=True),
    quietly(mine),
    quietly(export, alone=True),
    quietly(verify, alone=True),
    quietly(push, alone=True),
    quietly(encode, alone=True),
    quietly(search, alone=True),
    quietly(explain, alone=True),
    quietly(convert_projection, alone=True),
):
    app.command(help=_help(_command))(_command)


def _print_versions(requested: bool) -> None:
    if requested:
        rows = {"python": platform.python_version(), **versions()}
        print("\n".join(f"{name} {number}" for name, number in rows.items()))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_versions,
            is_eager=True,
            help="Print the versions of this package and of the libraries it uses.",
        ),
    ] = False,
) -> None: ...


@contextmanager
def _naming_closed_places() -> Iterator[None]:
    """Turns a file or folder that this user may not use into a RunError that names it. Here, because every look at a
    place may find that, and what to do is the same everywhere."""
    try:
        yield
    except PermissionError as error:
        raise RunError(
            f"{error.filename or error}: permission denied: this user may not use it, or not look into its folder. Ask "
            "its owner, or name another place"
        ) from error


def main() -> None:
    """Runs the command line. A SmartTrainError is shown as its message alone and ends with status 2, a run
    that SIGTERM stopped with 143, by Ctrl-C with 130."""
    if sys.stdout is not None and sys.stdout.errors in ("strict", "surrogateescape"):
        # Names of files may have letters that the terminal's encoding lacks, or bytes that are not letters; names of
        # columns half of a character, which Python's choice for a machine without a language cannot write either.
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        with _naming_closed_places(), running_a_command():
            app(prog_name="smart-train")
    except SmartTrainError as error:
        rank = os.environ.get("RANK")
        if tells(error):
            told = f"smart-train{f' (rank {rank})' if rank else ''}: {error}"
            sys.stderr.write(f"{printable(told)}\n")  # in one piece: another rank may write at the same time
        if not (isinstance(error, (RecipeError, Interrupted)) or error.from_main):
            sys.last_value = (
                error  # as the interpreter does: others may wait for this rank, see distributed.leave_at_exit
            )
        sys.exit(error.status if isinstance(error, Interrupted) else USER_ERROR)
