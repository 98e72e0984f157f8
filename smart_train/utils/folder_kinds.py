"""What lies at a path that a user named, for messages that say it beside what was expected."""

from __future__ import annotations

from pathlib import Path

from smart_train.utils.model_folders import OF_MODELS, nearest_folder
from smart_train.utils.terms import GOLDEN_FILE, INDEX_FILE, RECIPE_FILE, RUN_FILE


def what_is(path: str | Path) -> str:
    """What lies at `path`, to be read after it: "is a file", "is an index of documents". Only names are looked at."""
    path = Path(path)
    if not path.exists():
        near = nearest_folder(path)
        return "no such folder" + (f" (did you mean {near}?)" if near is not None else "")
    if not path.is_dir():
        return "is a file"
    if kind := kind_of(path):
        return f"is {kind}"
    inside = sorted(child.name for child in path.iterdir() if not child.name.startswith("."))
    return f"is a folder of other files, such as {inside[0]}" if inside else "is an empty folder"


def kind_of(folder: Path) -> str | None:
    """Which of the folders that this package writes or reads `folder` is, such as "a run"; None where it is none."""
    if is_index(folder):
        return "an index of documents"
    if is_run(folder):
        return "the folder of a run"
    if any((folder / name).is_file() for name in OF_MODELS):
        return "an export" if (folder / GOLDEN_FILE).is_file() else "a model folder"
    return None


def is_index(folder: Path) -> bool:
    """Whether an index of documents is in `folder`. A user's own file may be called index.json, too."""
    return (folder / INDEX_FILE).is_file() and any(folder.glob("embeddings-*.safetensors"))


def is_run(folder: Path) -> bool:
    """Whether `folder` is that of a run."""
    return (folder / RUN_FILE).is_file() and (folder / RECIPE_FILE).is_file()
