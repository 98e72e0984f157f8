"""`smart-train push`: an export or an adapter to the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from smart_train.cli.output import plain_console
from smart_train.errors import RunError


def push(
    folder: Annotated[Path, typer.Argument(help="A run folder, an export, or an adapter.", metavar="DIR")],
    repo: Annotated[str, typer.Option(help="The repository on the Hub, as OWNER/NAME; created if it does not exist.")],
    private: Annotated[
        bool, typer.Option("--private/--public", help="Visibility of the repository, if it is created.")
    ] = True,
    revision: Annotated[
        str | None, typer.Option(help="The branch; created if it does not exist. Default: the main branch.")
    ] = None,
    adapter_only: Annotated[
        bool,
        typer.Option("--adapter-only", help="For a run folder: push only the trained weights, not those of the base."),
    ] = False,
) -> None:
    """Publish DIR. It must be verified, and the repository may only hold files that smart_train wrote."""
    from smart_train.export import push_folder
    from smart_train.run.folder import RUN_FILE, open_finished

    if (folder / RUN_FILE).is_file():
        recipe = open_finished(folder)
        export = Path(recipe.export.output) if recipe.export.output else folder / "export"
        folder = folder / "final" if adapter_only else export
    elif adapter_only:
        raise RunError(
            f"{folder}: --adapter-only needs a run folder, and this is not one (no {RUN_FILE}); leave the option out"
        )
    url = push_folder(folder, repo, private=private, revision=revision)
    plain_console().print(f"Pushed {folder} to {url}")
