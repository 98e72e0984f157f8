"""Files below a folder."""

from __future__ import annotations

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
