"""What a folder's files were when it was written: a record of every file's size and digest, written last.

A folder without its record is half of one; a file that differs from it was cut off, or its disk gave back other bits.
Files are read once more to digest them, at about a gigabyte a second, several at a time: once when the folder is
written, and once when it is used.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from smart_train.utils.atomic import share_folder, sync_folder, write_json
from smart_train.utils.hashing import sha256

MANIFEST = "manifest.json"
DIGEST = "sha256"  # the algorithm, and the key of digests in a manifest and in other records of files


def write_manifest(folder: Path) -> None:
    """Declares `folder` whole. Syncs its files first, so that the manifest never survives a crash alone."""
    names = sorted(path.relative_to(folder).as_posix() for path in _files(folder))
    share_folder(folder)
    sync_folder(folder)
    sizes = {name: (folder / name).stat().st_size for name in names}
    write_json(folder / MANIFEST, {"files": sizes, DIGEST: digests(folder, names)})


def digests(folder: Path, names: Collection[str]) -> dict[str, str]:
    """Name -> SHA-256 of these files of `folder`."""
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:  # hashing releases the interpreter's lock
        return dict(zip(names, pool.map(lambda name: sha256(folder / name), names), strict=True))


def fault(folder: Path, *, contents: bool = True) -> str | None:
    """Why `folder` cannot be used, or None when it is as its manifest says.

    Args:
        contents: read the files too. Without it only their sizes are compared. A manifest of version 0.1.0 has no
            digests, and its folder is judged by sizes alone.
    """
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return "writing it was interrupted (no manifest)"
    try:
        values = json.loads(manifest.read_text(encoding="utf-8"))
        sizes, recorded = _mapping(values["files"], int), _mapping(values.get(DIGEST, {}), str)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"its manifest is unreadable ({error})"
    for name, size in sizes.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != size:
            return f"{name} has {path.stat().st_size} bytes instead of {size}"
    return changed(folder, recorded) if contents else None


def damage(folder: Path) -> str | None:
    """As `fault`, for a folder that version 0.1.0 may have written, without a manifest."""
    return fault(folder) if (folder / MANIFEST).is_file() else None


def changed(folder: Path, recorded: Mapping[str, str]) -> str | None:
    """Which file of `folder` is not what was recorded (name -> SHA-256), None where all are."""
    try:
        actual = digests(folder, sorted(recorded))
    except OSError as error:
        return f"{error.filename or 'a file'} cannot be read ({error.strerror})"
    for name, digest in recorded.items():
        if actual[name] != digest:
            return f"{name} is damaged: its content is not what was written (SHA-256)"
    return None


def recorded_digests(folder: Path, record: str, wanted: Callable[[str], bool]) -> dict[str, str]:
    """Name -> SHA-256 of the files of `folder` that are there and `wanted`, by the JSON file `record`. Empty if
    `record` is missing or was written by another tool."""
    try:
        values = json.loads((folder / record).read_text(encoding="utf-8"))
        recorded = _mapping(values[DIGEST], str)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {name: digest for name, digest in recorded.items() if wanted(name) and (folder / name).is_file()}


def _mapping(values: Any, kind: type) -> dict[str, Any]:
    if not isinstance(values, dict) or not all(isinstance(value, kind) for value in values.values()):
        raise TypeError(f"not a mapping of names to {kind.__name__}")
    return values


def _files(folder: Path) -> Iterator[Path]:
    manifests = (MANIFEST, f".{MANIFEST}.")  # a manifest that is written again, and what a kill left of one
    return (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(manifests))
