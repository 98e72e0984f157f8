"""Arguments that several commands share, so that they read the same everywhere."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from smart_train.errors import DataError

if TYPE_CHECKING:
    from smart_train.data import SourceConfig
    from smart_train.models import SmartModel
    from smart_train.recipe import Recipe

RecipePath = Annotated[Path, typer.Argument(help="A recipe: the YAML file that defines the run.", metavar="RECIPE")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(help="Changes to the recipe, as in training.learning_rate=1e-4.", metavar="[KEY=VALUE]..."),
]


def _checked_seeds(text: str | None) -> str | None:
    """A wrong seed is told at once, before anything that takes seconds to import."""
    if text is not None:
        from smart_train.recipe.seeds import parse_seeds

        parse_seeds(text)
    return text


Seeds = Annotated[
    str | None,
    typer.Option(
        callback=_checked_seeds,
        help="Several seeds, as in 0,1,2: a run for each in OUTPUT_DIR/seed-N, then mean, spread and the best of them.",
        show_default=False,
    ),
]
ModelPath = Annotated[
    str,
    typer.Argument(
        help="A model: a run folder (its export, or its final model), an export, an adapter, a checkpoint, a base "
        "model, a Hub id, or an installed Python package with a model in it.",
        metavar="MODEL",
    ),
]
BatchSize = Annotated[int, typer.Option(min=1, help="Number of items encoded at a time.")]
Workers = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Number of processes that decode pages while the model runs. Default: up to 8 on a GPU, none on a CPU.",
        show_default=False,
    ),
]
Documents = Annotated[
    Path,
    typer.Option(
        exists=True,
        help="A folder of page images and PDF files (subfolders included), or a collection in a format of "
        "docs/data.md, such as JSON lines with id and text.",
    ),
]
# Where rows come from, one option for each key of a recipe's data section; `source_values` takes them.
Split = Annotated[str | None, typer.Option(help="The split to use, if there are several.", show_default=False)]
Subset = Annotated[
    str | None, typer.Option(help="The configuration to use, if a Hub data set has several.", show_default=False)
]
ColumnMap = Annotated[
    str | None,
    typer.Option(
        "--columns",
        help="Names of the columns, as in query=question,positive=page, if they are not found by themselves; or "
        "positional: by their order.",
        metavar="OURS=THEIRS,...",
        show_default=False,
    ),
]
ImageRoot = Annotated[
    str | None,
    typer.Option(help="Folder where relative image paths start. Default: the folder of the file.", show_default=False),
]
RowDocuments = Annotated[
    str | None,
    typer.Option("--documents", help="File or folder of the documents that rows name by id.", show_default=False),
]
MaxSamples = Annotated[
    int | None, typer.Option(min=1, help="Use so many rows: the first, or a sample.", show_default=False)
]
SampleSeed = Annotated[
    int | None, typer.Option(help="Draw the --max-samples rows at random, by this number.", show_default=False)
]
Instruction = Annotated[
    str | None,
    typer.Option(help="Instruction of the queries, for rows that have none of their own.", show_default=False),
]
Streaming = Annotated[bool, typer.Option("--streaming", help="Of a Hub data set, fetch only what --max-samples needs.")]
Dpi = Annotated[int | None, typer.Option(min=1, help="Resolution of PDF pages. Default: 144.", show_default=False)]
OnError = Annotated[
    Literal["fail", "skip"] | None,
    typer.Option(
        help="A row that cannot be used: stop and name it (fail), or leave it out (skip). Default: fail.",
        show_default=False,
    ),
]
# How a model's inputs are read, where its folder does not say so or is to be overruled; `open_model` takes them.
FamilyName = Annotated[
    str | None,
    typer.Option(
        "--family", help="The model's family. Needed only if the model's files do not show it.", show_default=False
    ),
]
QueryInstruction = Annotated[str | None, typer.Option(help="Instruction or prefix for queries.", show_default=False)]
DocumentInstruction = Annotated[
    str | None, typer.Option(help="Instruction or prefix for documents.", show_default=False)
]
BasePath = Annotated[
    str | None,
    typer.Option(
        "--base",
        help="Folder or Hub id of the base of an adapter or projection. Needed only if the base was moved.",
        show_default=False,
    ),
]
TrustRemoteCode = Annotated[
    bool,
    typer.Option("--trust-remote-code", help="Run the Python code in the model's repository. Read that code first."),
]


def source_values(*, columns: str | None = None, **given: Any) -> dict[str, Any]:
    """The keys of a recipe's data section that the options above set. Raises DataError for a --columns that cannot be
    read."""
    values = {"columns": parse_columns(columns), **given}
    return {name: value for name, value in values.items() if value is not None and value is not False}


def rows_recipe(model: str, rows: dict[str, Any], common: dict[str, Any], overrides: Sequence[str] = ()) -> Recipe:
    """A recipe that says nothing but which rows are held out, where there is none.

    Args:
        rows: keys of data.evaluation. common: keys of data. overrides: as behind a recipe on the command line.
    """
    from smart_train.recipe import parse_recipe
    from smart_train.recipe.reader import merge, read_overrides

    # A recipe needs rows to train on, which nothing reads here.
    data = {"train": {"path": rows["path"]}, "evaluation": rows, **common}
    values = {"model": {"name_or_path": model}, "data": data}
    return parse_recipe(merge(values, read_overrides(overrides)), source="--data")


def document_source(documents: Path, *, columns: str | None, **given: Any) -> SourceConfig:
    """Where the documents of a search lie, and how they are read. Raises DataError for options that do not fit."""
    from smart_train.data import SourceConfig

    return SourceConfig(documents, **source_values(columns=columns, **given))


def parse_columns(given: str | None) -> dict[str, str | list[str]] | str | None:
    """`OURS=THEIRS,...` as a mapping, `positional` as it is. A name that comes twice has several columns.

    Raises:
        DataError: a pair without a name on either side.
    """
    if given is None or given == "positional":
        return given
    named: dict[str, list[str]] = {}
    for pair in given.split(","):
        ours, _, theirs = (part.strip() for part in pair.partition("="))
        if not ours or not theirs:
            raise DataError(f"--columns {given!r}: {pair!r} must read OURS=THEIRS, as in query=question")
        named.setdefault(ours, []).append(theirs)
    return {ours: theirs[0] if len(theirs) == 1 else theirs for ours, theirs in named.items()}


def as_options(text: str) -> str:
    """A message about rows, where it tells what to write in a recipe, with the options instead."""
    text = re.sub(
        r"Name it in the recipe: columns: \{([^}]*)\}",
        lambda found: f"Name it: --columns {found[1].replace(': ', '=').replace(', ', ',')}",
        text,
    )
    text = text.replace("data.on_error: skip", "--on-error skip")
    text = re.sub(r"or columns: positional", "or --columns positional", text)
    text = re.sub(r"for example split: (\S+)", r"for example --split \1", text)
    return re.sub(r": documents: PATH", ": --documents PATH", text)


def open_model(
    model: str,
    family: str | None,
    query_instruction: str | None,
    document_instruction: str | None,
    trust_remote_code: bool,
    scoring: Mapping[str, Any] | None = None,
    base: str | None = None,
) -> SmartModel:
    """The model that MODEL and the options above name; `scoring` overrules keys of its own. Raises ModelError."""
    from smart_train.models import SmartModel

    given = {"query_instruction": query_instruction, "document_instruction": document_instruction}
    return SmartModel.from_pretrained(
        model,
        family=family,
        prompts={name: value for name, value in given.items() if value is not None},
        trust_remote_code=trust_remote_code,
        scoring=scoring,
        base=base,
    )
