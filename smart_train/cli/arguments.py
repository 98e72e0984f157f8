"""Arguments that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RecipePath = Annotated[Path, typer.Argument(help="A recipe: the YAML file that defines the run.", metavar="RECIPE")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(help="Changes to the recipe, as in training.learning_rate=1e-4.", metavar="[KEY=VALUE]..."),
]
ModelPath = Annotated[
    str, typer.Argument(help="A model: an export, an adapter, a checkpoint, a base model or a Hub id.", metavar="MODEL")
]
BatchSize = Annotated[int, typer.Option(min=1, help="Items encoded at once.")]
Documents = Annotated[Path, typer.Option(help="A folder of page images, all levels.")]
