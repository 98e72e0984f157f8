"""Options that say where rows come from and how they are read, as a recipe's data section does."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from smart_train.cli.option_groups import OptionGroup
from smart_train.cli.output import plain_console
from smart_train.cli.typed_options import alone, as_flags, as_reading_options, begun_with_option, rewritten
from smart_train.errors import DataError, RunError, option_of
from smart_train.utils.defaults import DPI
from smart_train.utils.folder_kinds import what_is
from smart_train.utils.model_folders import nearest_folder

if TYPE_CHECKING:
    from smart_train.data import SourceConfig
    from smart_train.recipe import Recipe
    from smart_train.types import Example

# Where rows come from, one option for each key of a recipe's data section.
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
Dpi = Annotated[int | None, typer.Option(min=1, help=f"Resolution of PDF pages. Default: {DPI}.", show_default=False)]
PagesAs = Annotated[
    Literal["image", "text"] | None,
    typer.Option(
        help="Read pages of PDF files as their image or as their text. Default: what the model reads.",
        show_default=False,
    ),
]
Ocr = Annotated[
    Literal["auto", "all", "off"] | None,
    typer.Option(
        help="Pages as text: those to read by OCR, as in make-pairs: pictures and pages without a legible text layer, "
        "if rapidocr is installed (auto); all of them, without their text layers (all); none (off). Default: auto.",
        show_default=False,
    ),
]
OnError = Annotated[
    Literal["fail", "skip"] | None,
    typer.Option(
        help="A row that cannot be used: stop and name it (fail), or leave it out (skip). Default: fail.",
        show_default=False,
    ),
]
Corpus = Annotated[
    str | None,
    typer.Option(help="More documents to search, which answer no query of --data.", show_default=False),
]
DOCUMENT_ROWS = OptionGroup(
    columns=ColumnMap,
    split=Split,
    subset=Subset,
    image_root=ImageRoot,
    dpi=Dpi,
    pages_as=PagesAs,
    ocr=Ocr,
    max_samples=MaxSamples,
    sample_seed=SampleSeed,
)
ROWS = OptionGroup(**DOCUMENT_ROWS, documents=RowDocuments, instruction=Instruction, streaming=Streaming)
HELD_OUT = OptionGroup(**ROWS, on_error=OnError, corpus=Corpus)
# Names of these options in messages. Those of two words are in no sentence, and some of the others are in many.
_LONG_KEYS = "max_samples|sample_seed|image_root|pages_as|on_error"
_SHORT_KEYS = "split|subset|streaming|dpi|ocr"
_KEYS = f"instruction|documents|corpus|{_SHORT_KEYS}|{_LONG_KEYS}"
_OPTION_OF = {"evaluation": "--data", "test": "--test"}


def source_values(rows: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a recipe's data section that options of the groups above set. Raises DataError for a --columns that
    cannot be read."""
    values = {**rows, "columns": parse_columns(rows.get("columns"))}
    return {name: value for name, value in values.items() if value is not None and value is not False}


def rows_to_measure(
    model: str,
    purpose: str,
    *,
    data: str | None,
    rows: Mapping[str, Any],
    recipe: Path | None = None,
    test: str | None = None,
    overrides: Sequence[str] = (),
    reading: Mapping[str, Any] | None = None,
) -> Recipe:
    """The recipe that names the held-out rows: one that says nothing else where there is --data, else --recipe, else
    that of the run folder `model`.

    Args:
        purpose: what is done with the rows, for messages: "evaluate".
        rows: of the group `HELD_OUT`. test: more rows, for data.test, with the columns of `data`.
        reading: of the group `READING`; pages of PDF files in `data` are read as the model that it describes does.

    Raises:
        RunError: no rows are named, or an option of rows without --data. RecipeError: as `load_recipe`.
    """
    from smart_train.recipe import load_recipe, parse_recipe
    from smart_train.recipe.reader import RECIPE_FILE, merge, read_overrides
    from smart_train.run.folder import RUN_FILE

    options = source_values(rows)
    common = {name: options.pop(name) for name in ("on_error",) if name in options}
    if data is not None:
        if reading is not None and "pages_as" not in options:
            as_read = pages_of(model, reading, needed="ocr" in options)
            options |= {"pages_as": as_read} if as_read is not None else {}
        held_out = {"evaluation": {"path": data, **options}}
        if test is not None:
            held_out["test"] = {
                "path": test,
                **{name: options[name] for name in options if name in ("columns", "pages_as", "ocr")},
            }
        # A recipe needs rows to train on, which nothing reads here.
        values = {"model": {"name_or_path": model}, "data": {"train": {"path": data}, **held_out, **common}}
        with rewritten(as_options):
            return parse_recipe(merge(values, read_overrides(overrides)), source="--data")
    keys = [f"data.{name}" for name in common] + [f"data.evaluation.{name}" for name in options]
    keys += ["data.test"] if test is not None else []
    if keys:
        option = option_of(keys[0].rpartition(".")[2])
        raise RunError(f"{option} needs --data; with a recipe, set {keys[0]}=...")
    if recipe is None and not (Path(model) / RUN_FILE).is_file():
        # What is not here may be the id of a model on the Hub, or the name of a package.
        found, near = f"{what_is(model)}, " if Path(model).exists() else "", nearest_folder(Path(model))
        hint = f", did you mean {near}?" if near is not None and not found else ""
        raise RunError(
            f"{model}: {found}not a run folder{hint}, so the rows to {purpose} on are unknown; pass --data or --recipe"
        )
    named = recipe or Path(model) / RECIPE_FILE
    meant = load_recipe(named, overrides)
    if meant.data.reported is None:
        raise RunError(f"{named}: has neither data.test nor data.evaluation; pass the rows with --data")
    return meant


def read_rows(recipe: Recipe, part: str, option: str | None) -> Sequence[Example]:
    """The usable rows of `data.{part}`; prints what was read and left out.

    Args:
        option: by which the user gave the rows, such as --data: messages name options then. None: a recipe names them.

    Raises:
        DataError: the rows cannot be read, or not be used.
    """
    from smart_train.run import build

    with contextlib.nullcontext() if option is None else rewritten(as_options):
        rows, report = build.usable_rows(recipe, part)
        build.check_more_documents(recipe, part)
    path = recipe.data.held_out[part].path
    plain_console().print(f"{f'data.{part}' if option is None else path}: {report.summary()}")
    for label, value in report.details():
        plain_console().print(f"  {label}: {value}")
    return rows


def naming_documents(documents: Path | None, index: Path | None) -> AbstractContextManager[None]:
    """Within, an error about --documents, how they are read, or --index names the option, and not a key of a recipe."""
    starts = {f"documents {documents}": f"--documents {documents}", f"document index {index}": f"--index {index}"}
    return rewritten(lambda message: as_options(begun_with_option(message, starts)))


def document_source(documents: Path, rows: Mapping[str, Any], model: str, reading: Mapping[str, Any]) -> SourceConfig:
    """Where the documents of a search lie, and how they are read. Pages of PDF files, and pictures where OCR reads, are
    read as `model` reads them. Raises DataError for options that do not fit.

    Args:
        rows: of the group `DOCUMENT_ROWS`. reading: of the group `READING`.
    """
    from smart_train.data import SourceConfig
    from smart_train.data.formats.folders import holds_texts

    source = SourceConfig(documents, **source_values(rows))
    if source.pages_as is None and holds_texts(documents, source.ocr):
        return replace(source, pages_as=pages_of(model, reading, needed=source.ocr is not None))
    return source


def pages_of(model: str, reading: Mapping[str, Any], *, needed: bool = False) -> Literal["text"] | None:
    """As what `model` reads pages of PDF files: "text" where it reads no images; else None, their usual form. None of a
    model that cannot be opened, too: opening it, which comes next, says why.

    Args:
        reading: of the group `READING`.
        needed: raise what is wrong with the model, because None would be refused first.

    Raises: ModelError, where it is `needed`.
    """
    from smart_train.errors import ModelError
    from smart_train.models.loading import family_of

    try:
        with rewritten(as_reading_options):
            family = family_of(model, family=reading.get("family"), base=reading.get("base"))
    except ModelError:
        if needed:
            raise
        return None
    return None if "image" in family.modalities else "text"


def parse_columns(columns: str | None) -> dict[str, str | list[str]] | str | None:
    """`OURS=THEIRS,...` as a mapping, `positional` as it is. A name that comes twice has several columns.

    Raises:
        DataError: a pair without a name on either side.
    """
    if columns is None or columns == "positional":
        return columns
    named: dict[str, list[str]] = {}
    for pair in columns.split(","):
        ours, _, theirs = (part.strip() for part in pair.partition("="))
        if not ours or not theirs:
            raise DataError(f"--columns {columns!r}: {pair!r} must read OURS=THEIRS, as in query=question")
        named.setdefault(ours, []).append(theirs)
    return {ours: theirs[0] if len(theirs) == 1 else theirs for ours, theirs in named.items()}


def columns_as_options(text: str) -> str:
    """A message about columns or a split, with --columns and --split instead of what a recipe says. Names of files stay
    as they are, also those that read like keys (`columns.csv`)."""
    from smart_train.data.columns import KNOWN_NAMES

    text = re.sub(
        r"Name it in the recipe: columns: \{([^}]*)\}",
        lambda match: f"Name it: --columns {match[1].replace(': ', '=').replace(', ', ',')}",
        text,
    )
    text = re.sub(r"or columns: positional", "or --columns positional", text)
    text = re.sub(r"for example split: (\S+)", r"for example --split \1", text)
    # Of the recipe that is made of the options.
    column = rf"(?:(?:{'|'.join(KNOWN_NAMES)})(?=[: ])|\w+(?=: unknown(?: key|[,;] )))"
    return re.sub(rf"(?<![\w./-])(?:data\.\w+\.)?columns\.({column})", r"--columns \1", text)


def as_options(text: str) -> str:
    """A message about rows, where it names keys of a recipe or tells what to write there, with the options instead."""
    text = columns_as_options(text)
    text = text.replace("data.on_error: skip", "--on-error skip").replace("pages_as: text; --pages-as", "--pages-as")
    text = text.replace("pages_as: text in a recipe, --pages-as text on the command line", "--pages-as text")
    text = text.replace("ocr: auto in a recipe, --ocr auto", "--ocr auto")
    text = re.sub(r": documents: PATH", ": --documents PATH", text)
    text = re.sub(alone(r"data\.(evaluation|test)(?:\.path)?"), lambda held: _OPTION_OF[held[1]], text)
    text = re.sub(alone(rf"data\.(?:evaluation\.)?({_KEYS})"), lambda key: option_of(key[1]), text)
    # A key where it stands alone, and not as a word of a sentence: "split 'test'", "leave split out", "dpi is 0".
    text = as_flags(text, rf"(?:{_SHORT_KEYS})(?= needs| out\b| is | ')")
    text = as_flags(text, _LONG_KEYS)
    return re.sub(r"(--max-samples): (\d)", r"\1 \2", text)
