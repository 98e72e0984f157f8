"""The export and the Hub repository of a run: checked before the training, filled after it."""

from __future__ import annotations

import shlex

from rich.console import Console

from smart_train.errors import ExportError
from smart_train.export import check_destination, check_output, push_folder
from smart_train.export.parity_record import check_record
from smart_train.recipe import Recipe
from smart_train.run import build
from smart_train.run.folder import RunFolder


def check_outlets(recipe: Recipe, folder: RunFolder) -> None:
    """Raises ExportError where the result could not be exported or pushed: now rather than after hours of training."""
    if recipe.export.enabled and folder.state != "exported":
        check_output(build.export_folder(recipe), overwrite=True)
    if recipe.hub.repo_id is not None:
        build.check_publishable(recipe)
        check_destination(recipe.hub.repo_id, private=recipe.hub.private)


def is_exported(recipe: Recipe, folder: RunFolder, console: Console) -> bool:
    """Whether the run is exported, so that only the push is left. An export that has changed since it was verified is
    made again: False, after a line that says why."""
    if folder.state != "exported" or recipe.hub.repo_id is None or recipe.hub.what == "adapter":
        return folder.state == "exported"
    try:
        check_record(build.export_folder(recipe))
    except ExportError as error:
        console.print(f"{error}; it is exported again")
        return False
    return True


def publish(recipe: Recipe, folder: RunFolder, console: Console) -> None:
    """Pushes the result, if the recipe asks for it, and marks the run as finished."""
    hub = recipe.hub
    if hub.repo_id is not None:
        source = folder.final if hub.what == "adapter" else build.export_folder(recipe)
        try:
            url = push_folder(source, hub.repo_id, private=hub.private, revision=hub.revision)
        except ExportError as error:
            options = f"{'' if hub.private else ' --public'}{' --adapter-only' if hub.what == 'adapter' else ''}"
            options += f" --revision {hub.revision}" if hub.revision else ""
            raise ExportError(
                f"{error}\nEverything else is done, in {folder.path}. Start the run again, which only pushes, or: "
                f"smart-train push {shlex.quote(str(folder.path))} --repo {hub.repo_id}{options}"
            ) from error
        console.print(f"Pushed {source} to {url}")
    folder.advance("finished")
