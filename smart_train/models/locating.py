"""Where model folders lie: those that a user names, and the bases that folders name."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

from smart_train.errors import ModelError, first_line
from smart_train.models.bases import PICKLED, Base, is_path, weights_digest
from smart_train.models.saving import WEIGHT_SUFFIXES, weights_dtype
from smart_train.models.smart_config import SmartConfig
from smart_train.utils.hub_retries import persist
from smart_train.utils.model_folders import find_model, missing_folder, nearest_folder

_SAY = "say where it lies: base= of SmartModel.from_pretrained, --base on the command line"


def locate(name_or_path: str, revision: str | None = None, *, weights: bool = True) -> Path:
    """The local folder of a model, whatever `find_model` takes; of a Hub repository a snapshot, of its configuration
    and processor alone where `weights` is False.

    Raises:
        ModelError: as `find_model`; or a repository that cannot be reached; or a folder, with a `revision`.
    """
    place = find_model(name_or_path)
    if Path(place).is_dir():
        if revision is not None:
            raise ModelError(
                f"{name_or_path}: is a folder here, and only a Hub repository has a revision ({revision!r}); leave the "
                "revision out, or rename the folder if you mean the repository"
            )
        return Path(place)
    try:
        return fetch(place, revision, weights=weights)
    except ModelError as error:
        # Only now: an id on the Hub may well resemble a folder that is here.
        if nearest_folder(Path(place)) is None:
            raise
        raise ModelError(f"{missing_folder(place)}; nor could it be fetched from the Hub") from error


def fetch(repository: str, revision: str | None = None, *, weights: bool = True) -> Path:
    """A snapshot of a Hub repository, whatever folders are here; see `locate`."""
    try:
        # Weights in other formats are left on the Hub, where those in safetensors are there.
        ignore = [f"*{suffix}" for suffix in WEIGHT_SUFFIXES if not weights or suffix != ".safetensors"]
        folder = Path(persist(lambda: snapshot_download(repository, revision=revision, ignore_patterns=ignore)))
        if weights and (folder / "config.json").is_file() and not any(folder.glob("*.safetensors")):
            # Of the same commit: the branch may have moved on.
            only: dict[str, Any] = {"revision": folder.name, "allow_patterns": [f"{PICKLED}*.bin"]}
            persist(lambda: snapshot_download(repository, **only))
        return folder
    except RepositoryNotFoundError as error:
        raise ModelError(f"{repository}: neither a local folder nor a Hub repository you can read") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        reason = first_line(error)
        raise ModelError(
            f"{repository}: not a local folder, and it could not be fetched from the Hub ({reason})"
        ) from error


def locate_base(base: Base, folder: Path, given: str | Path | None = None, *, weights: bool = True) -> Path:
    """Where the weights lie that `base`, read in `folder`, names.

    Args:
        given: where they are said to lie instead, a folder or Hub id.
        weights: False: nothing but the configuration is needed, and the weights are not compared.

    Raises:
        ModelError: they cannot be found, several folders may be meant, or other weights lie there.
    """
    if given is not None:
        given_folder = locate(str(given), weights=weights)
        if weights and _replaced(base, given_folder):
            raise ModelError(f"{given}: holds other weights than {base.name}, from which {folder} was trained")
        return given_folder
    if base.local is False:
        try:
            return fetch(base.name, base.revision, weights=weights)
        except ModelError as error:
            raise ModelError(f"{folder}: its base model cannot be found. {error}") from error
    found_here = list(dict.fromkeys(path for path in _places(base, folder) if path.is_dir()))
    fitting = [path for path in found_here if not (weights and _replaced(base, path))]
    if base.local is None:
        return _unsaid(base, folder, found_here, weights)
    if not found_here:
        raise ModelError(f"{folder}: its base {base.name} is not there (current directory: {os.getcwd()}); {_SAY}")
    if not fitting:
        raise ModelError(
            f"{folder}: its base {found_here[0]} holds other weights than it was trained from; put those back, or, if "
            f"they lie elsewhere, {_SAY}"
        )
    if base.weights is None and not Path(base.name).is_absolute():
        _check_relative(base, folder, fitting)
    return fitting[0]


def start_of(trained: Path, name: str, revision: str | None) -> Base:
    """What the model in the folder `trained` was trained from, by a recipe that says `name` and `revision`.

    Its own files say it, except for whole models of version 0.1.0: there `name` is a path if a folder can be found by
    it, as one that an adapter names.
    """
    saved = SmartConfig.read(trained)
    base = saved.named_base or saved.trained_from
    if base is not None:
        return base
    if revision is None and (is_path(name) or any(path.is_dir() for path in _places(Base(name), trained))):
        return Base(name, local=True)
    return Base(name, revision, local=False)


def base_dtype(folder: Path) -> str:
    """What the weights in `folder`, or of the base that the adapter or projection there names, are stored as; see
    `weights_dtype`. Raises ModelError where they cannot be found."""
    base = SmartConfig.read(folder).named_base
    return weights_dtype(folder if base is None else locate_base(base, folder))


def _places(base: Base, folder: Path) -> Iterator[Path]:
    """Where a local base may lie, the likeliest first."""
    if base.beside is not None:
        yield Path(os.path.abspath(folder / base.beside))
    name = Path(base.name)
    if name.is_absolute():
        yield name
    elif base.beside is None:
        # Version 0.1.0: the path from where the run was started, which is most often above its folder.
        yield from (Path(os.path.abspath(parent / name)) for parent in Path(os.path.abspath(folder)).parents)
        yield Path(os.path.abspath(name))
    if base.local and base.weights is None:  # a run folder of that version that moved keeps its base beside it
        yield Path(os.path.abspath(folder)).parent / name.name


def _check_relative(base: Base, folder: Path, paths: list[Path]) -> None:
    """A path as version 0.1.0 wrote it, relative to where the run was started. Raises ModelError where it leads to
    several folders; warns where only the current directory makes it lead to one."""
    if len({path.resolve() for path in paths}) > 1:
        several = ", ".join(str(path) for path in paths)
        raise ModelError(f"{folder}: its base {base.name} may be any of {several}; {_SAY}")
    if paths[0] == Path(os.path.abspath(base.name)) and not Path(os.path.abspath(folder)).is_relative_to(os.getcwd()):
        warnings.warn(
            f"{folder}: written by version 0.1.0, which named its base by a relative path ({base.name}); {paths[0]} is "
            f"taken for it, because it lies in the current directory. To be certain, {_SAY}",
            stacklevel=4,
        )


def _replaced(base: Base, folder: Path) -> bool:
    return base.weights is not None and base.weights != weights_digest(folder)


def _unsaid(base: Base, folder: Path, paths: list[Path], weights: bool) -> Path:
    """The base of an adapter that says neither path nor repository: the repository, unless a folder may be meant."""
    if paths:
        raise ModelError(
            f"{folder}: its base {base.name!r} may be the folder {paths[0]} or a repository on the Hub; for the folder "
            f"{_SAY}; for the repository, rename the folder"
        )
    try:
        return fetch(base.name, base.revision, weights=weights)
    except ModelError as error:
        raise ModelError(f"{folder}: its base model cannot be found. {error}; if it is a folder, {_SAY}") from error
