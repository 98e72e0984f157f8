"""What a user means by the name of a model: the same in every command, in recipes and from Python.

Here, and not in `models`, so that a wrong name is reported before torch is imported.
"""

from __future__ import annotations

import contextlib
import os
from importlib.util import find_spec
from pathlib import Path

from smart_train.errors import BusyError, ModelError, WriteError, closest
from smart_train.utils.atomic import aside, settle
from smart_train.utils.locks import beside, only_one
from smart_train.utils.terms import RUN_FILE

_PATIENCE = 10.0  # seconds; an exchange is two renames
# One of these is in every folder that is a model.
OF_MODELS = ("config.json", "adapter_config.json", "smart_config.json", "modules.json", "projection_config.json")


def find_model(name_or_path: str | Path) -> str:
    """What is meant by a model's name: the folder that holds it, or a Hub id as it was given.

    A run folder means its export, or its final model where it has no export yet. The name of an installed Python
    package that carries a model (a folder `model` in it) means that folder. No file is read and nothing is fetched.

    Raises:
        ModelError: a run that has no trained model yet, a file, a folder that holds models but is not one, or a path
            that does not exist. The message names what is there instead.
    """
    name, folder = str(name_or_path), Path(name_or_path)
    if folder.is_dir():
        return str(_in_folder(folder))
    if folder.is_file():
        raise ModelError(f"{name}: is a file; a model is a folder, or an id on the Hub. Name the folder")
    if is_path(name):
        raise missing_folder(name)
    packaged = _in_package(name)
    return name if packaged is None else str(packaged)


def bring_back(folder: Path) -> None:
    """Ends an exchange of `folder` for a new one that was cut off: what was there before comes back, where the new one
    is not there yet, and else is deleted. The folders of a run are left to the run, which does so when it goes on.

    Raises:
        BusyError: another process is at it. WriteError: the file system refuses it.
    """
    if not aside(folder).is_dir() or (folder.parent / RUN_FILE).is_file():
        return
    # What is left of the old one does no harm, where nothing may be written or another process is about to delete it.
    is_there = folder.exists()
    refused = (BusyError, WriteError) if is_there else ()
    # All processes of a launch may come here at once: the first one ends the exchange, the others find it ended.
    patience = 0.0 if is_there else _PATIENCE
    with contextlib.suppress(*refused), only_one(beside(folder), "bringing back a folder", patience=patience):
        settle(folder)


def missing_folder(name: str | Path) -> ModelError:
    """The error of a path that leads to no folder. Names the one that is spelt most like it."""
    if Path(name).is_file():
        return ModelError(f"{name}: is a file; name a folder")
    near = nearest_folder(Path(name))
    hint = f", did you mean {near}?" if near is not None else ""
    return ModelError(f"{name}: no such folder{hint} (current directory: {os.getcwd()})")


def nearest_folder(path: Path) -> Path | None:
    """The existing folder whose path is spelt most like `path`; None where none is like it."""
    here = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        if (here / part).is_dir():
            here /= part
            continue
        near = closest(part, [folder.name for folder in _folders_in(here)])
        if not near:
            return None
        here /= near[0]
    return here


def is_path(name: str) -> bool:
    """Whether `name` can only be a path: absolute, with a leading dot, or of more parts than a Hub id has."""
    return Path(name).is_absolute() or name.startswith((".", "~")) or name.count("/") > 1


def _in_folder(folder: Path) -> Path:
    """The model that the folder `folder`, which a user named, stands for."""
    if (folder / RUN_FILE).is_file():
        for trained in (folder / "export", folder / "final"):
            if trained.is_dir():
                return trained
        saved = [path for path in _folders_in(folder) if path.name.startswith("checkpoint-")]
        newest = max(saved, key=lambda path: (len(path.name), path.name), default=None)
        checkpoint = f", or name a checkpoint: {newest}" if newest is not None else ""
        raise ModelError(f"{folder}: this run has no trained model yet; run its recipe to the end first{checkpoint}")
    if not _is_model(folder):
        inside = [path for path in _folders_in(folder) if _is_model(path) or (path / RUN_FILE).is_file()]
        if inside:
            named = ", ".join(map(str, inside[:5])) + (", ..." if len(inside) > 5 else "")
            raise ModelError(f"{folder}: is not a model, but holds some; name one of them: {named}")
    return folder


def _is_model(folder: Path) -> bool:
    return any((folder / name).is_file() for name in OF_MODELS)


def _in_package(name: str) -> Path | None:
    """The model folder in the installed Python package `name`; None where there is none. The package is not run."""
    module = name.replace("-", "_")
    if not module.isidentifier():
        return None
    try:
        spec = find_spec(module)
    except ValueError:  # a module that runs as a script has none
        return None
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        if _is_model(Path(place) / "model"):
            return Path(place) / "model"
    return None


def _folders_in(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:  # it may not be read
        return []
