"""Files that users are meant to edit: written once, and never overwritten after a change."""

from __future__ import annotations

import hashlib
from pathlib import Path

from smart_train.utils.atomic import write_text


def write_unless_edited(path: Path, text: str) -> Path:
    """Writes `text` to `path`, or beside it where `path` is not as it was last written here.

    What was written is remembered by its digest in a hidden file. A file without such a record counts as edited,
    because it is unknown who wrote it.

    Returns:
        The file that holds `text`: `path`, or `NAME.2.SUFFIX`, `NAME.3.SUFFIX`, ...
    """
    place, number, content = path, 1, text.encode()
    while place.exists() and place.read_bytes() != content and _is_edited(place):  # as bytes: an editor writes any
        number += 1
        place = path.with_name(f"{path.stem}.{number}{path.suffix}")
    write_text(place, text)
    write_text(_record(place), _digest(content) + "\n")
    return place


def _is_edited(path: Path) -> bool:
    record = _record(path)
    return not record.is_file() or record.read_bytes().strip() != _digest(path.read_bytes()).encode()


def _record(path: Path) -> Path:
    return path.with_name(f".{path.name}.sha256")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
