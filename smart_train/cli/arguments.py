"""Arguments that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smart_train.cli.option_groups import OptionGroup
from smart_train.cli.typed_options import as_reading_options, rewritten

if TYPE_CHECKING:
    from smart_train.models import SmartModel

RecipePath = Annotated[Path, typer.Argument(help="A recipe: the YAML file that defines the run.", metavar="RECIPE")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(help="Changes to the recipe, as in training.learning_rate=1e-4.", metavar="[KEY=VALUE]..."),
]


def _checked_seeds(text: str | None) -> str | None:
    """Checks the seeds at once, before anything that takes seconds to import."""
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
_documents = typer.Option(
    exists=True,
    help="A folder of page images and PDF files (subfolders included), or a collection in a format of "
    "docs/data.md, such as JSON lines with id and text.",
)
Documents = Annotated[Path, _documents]
SearchedDocuments = Annotated[Path | None, _documents]
# How a model's inputs are read, where its folder does not say so or is to be overruled; `open_model` takes the group.
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


READING_DOCUMENTS = OptionGroup(
    family=FamilyName,
    document_instruction=DocumentInstruction,
    trust_remote_code=TrustRemoteCode,
    base=BasePath,
)
READING = OptionGroup(
    family=FamilyName,
    query_instruction=QueryInstruction,
    document_instruction=DocumentInstruction,
    trust_remote_code=TrustRemoteCode,
    base=BasePath,
)


def open_model(model: str, reading: Mapping[str, Any], scoring: Mapping[str, Any] | None = None) -> SmartModel:
    """The model that MODEL names, read as the options of the group `READING` say; `scoring` overrules keys of its own.
    Raises ModelError."""
    from smart_train.models import SmartModel

    prompts = {name: reading.get(name) for name in ("query_instruction", "document_instruction")}
    with rewritten(as_reading_options):
        return SmartModel.from_pretrained(
            model,
            family=reading["family"],
            prompts={name: value for name, value in prompts.items() if value is not None},
            trust_remote_code=reading["trust_remote_code"],
            scoring=scoring,
            base=reading["base"],
        )
