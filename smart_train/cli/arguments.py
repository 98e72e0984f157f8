"""Arguments that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from smart_train.models import SmartModel

RecipePath = Annotated[Path, typer.Argument(help="A recipe: the YAML file that defines the run.", metavar="RECIPE")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(help="Changes to the recipe, as in training.learning_rate=1e-4.", metavar="[KEY=VALUE]..."),
]
ModelPath = Annotated[
    str, typer.Argument(help="A model: an export, an adapter, a checkpoint, a base model or a Hub id.", metavar="MODEL")
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
