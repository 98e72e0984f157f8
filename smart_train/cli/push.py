"""`smart-train push`: an export or an adapter to the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from smart_train.cli.output import plain_console
from smart_train.errors import RunError


def push(
    folder: Annotated[Path, typer.Argument(help="A run folder, an export, or an adapter.", metavar="DIR")],
    repo: Annotated[str, typer.Option(help="Where to, as OWNER/NAME; created if it is not there.")],
    private: Annotated[
        bool, typer.Option("--private/--public", help="Who may see the repository, if it is created.")
    ] = True,
    revision: Annotated[
        str | None, typer.Option(help="The branch, created if it is not there; the main one if not given.")
    ] = None,
    adapter_only: Annotated[
        bool, typer.Option("--adapter-only", help="Of a run folder: what it trained, without the base's weights.")
    ] = False,
) -> None:
    """Publish DIR, if it was verified and the repository holds nothing that is somebody else's."""
    from smart_train.export import push_folder
    from smart_train.run.folder import RUN_FILE, open_finished

    if (folder / RUN_FILE).is_file():
        recipe = open_finished(folder)
        export = Path(recipe.export.output) if recipe.export.output else folder / "export"
        folder = folder / "final" if adapter_only else export
    elif adapter_only:
        raise RunError(f"{folder}: --adapter-only chooses within a run folder, and this is none (no {RUN_FILE})")
    url = push_folder(folder, repo, private=private, revision=revision)
    plain_console().print(f"Pushed {folder} to {url}")
