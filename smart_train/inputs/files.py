"""Files below a folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from pathlib import Path

from smart_train.errors import DataError


def files_below(folder: Path, extensions: Collection[str]) -> list[Path]:
    """Every file below `folder` with one of these (lower-case) extensions, sorted by its path inside. Hidden files and
    folders (a leading dot) are left out: thumbnails, what macOS puts beside each file, copies that editors keep.

    Raises:
        DataError: a file's path inside is not text (bytes of another encoding), so that it could not be written down.
    """
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.suffix.lower() in extensions}
    shown = {
        inside.as_posix(): path
        for inside, path in found.items()
        if not any(part.startswith(".") for part in inside.parts) and path.is_file()
    }
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
