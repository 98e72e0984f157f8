"""`smart-train convert-projection`: a published token projection in this package's form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from smart_train.cli.output import print_pairs


def convert_projection(
    file: Annotated[
        Path,
        typer.Argument(
            help="An adapter.pt published by the SMART authors, or the folder that holds it.", metavar="FILE"
        ),
    ],
    output: Annotated[Path, typer.Option(help="The folder to write.")],
    base: Annotated[
        str | None, typer.Option(help="The model it was trained on. With it, the folder loads without naming a base.")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a base on the Hub.")] = None,
) -> None:
    """Convert a token projection without running any code from the file, and check that it fits its base."""
    from smart_train.export import convert_projection as convert

    stored = convert(file, output, base=base, revision=revision)
    projection = stored.projection
    middle = f" over {projection.hidden_dim}" if projection.hidden_dim else ""
    layers = ", ".join(map(str, projection.layers))
    print_pairs(
        [
            ("projection", str(output)),
            ("width", f"{projection.hidden_size}{middle} to {projection.dim}"),
            ("layers", layers),
            ("trained with", stored.instruction or "the file names no instruction"),
            ("base", base or "not known: load it with SmartModel.from_pretrained(BASE, projection=...)"),
        ]
    )
