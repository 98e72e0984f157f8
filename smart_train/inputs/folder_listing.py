"""Files below a folder."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from smart_train.errors import DataError


def files_below(folder: Path, extensions: Collection[str] | None = None) -> list[Path]:
    """Every file below `folder` with one of these (lower-case) extensions, sorted by its path inside. Hidden files and
    folders (a leading dot) are left out: thumbnails, what macOS puts beside each file, copies that editors keep. Links
    are followed; a folder that is linked to several times is read once. One that leads nowhere counts as a file.

    Args:
        extensions: None: all files.

    Raises:
        DataError: a file's path inside is not text (bytes of another encoding), so that it could not be written down;
            or a folder cannot be listed.
    """
    by_name = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
    shown = {name: path for name, path in by_name.items() if extensions is None or path.suffix.lower() in extensions}
    for name in shown:
        if any("\ud800" <= letter <= "\udfff" for letter in name):  # how Python writes bytes that it cannot decode
            raise DataError(f"{folder}: the file name {name!a} is not UTF-8 text; rename it, or set LC_ALL=C.UTF-8")
    return [shown[name] for name in sorted(shown)]


def check_regular(path: str | os.PathLike[str], name: str) -> None:
    """Raises DataError where `path` leads to what is not a file: reading a pipe or a device may never end.

    Args:
        name: what the message calls it.
    """
    try:
        kind = os.stat(path).st_mode
    except FileNotFoundError as error:
        raise DataError(f"{name}: no such file") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{name}: cannot be read ({error})") from error
    if not stat.S_ISREG(kind):
        what = "a folder" if stat.S_ISDIR(kind) else "a pipe, a socket or a device"
        raise DataError(f"{name}: is {what}, not a file")


def _files(folder: Path) -> Iterator[Path]:
    """Files that are not hidden. Folders themselves come before links to them, so that names do not hang on links."""
    visited: set[tuple[int, int]] = set()
    folders, links = [folder], list[Path]()
    while folders or links:
        current = folders.pop() if folders else links.pop(0)
        if not current.is_dir():
            continue
        identity = (current.stat().st_dev, current.stat().st_ino)
        if identity in visited:
            continue
        visited.add(identity)
        try:
            entries = sorted(os.scandir(current), key=lambda entry: entry.name)
        except OSError as error:
            raise DataError(f"{current}: this folder cannot be listed ({error.strerror})") from error
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                (links if entry.is_symlink() else folders).append(current / entry.name)
            elif _is_file(entry):
                yield current / entry.name


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with contextlib.suppress(OSError):  # a link to itself
        return entry.is_dir()
    return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file, or a link that leads nowhere, as in a repository whose large files were not fetched: who
    reads that one says that it is not there."""
    with contextlib.suppress(OSError):
        return entry.is_file() or not os.path.exists(entry.path)
    return True
