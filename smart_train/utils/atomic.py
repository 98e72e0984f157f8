"""Files that are whole or absent: written under a temporary name, then moved."""

from __future__ import annotations

import json
import os
import re
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

_ABANDONED = 3600.0  # seconds without a write after which a temporary file has no writer left
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")
_looked_at: set[Path] = set()


def write_json(path: str | Path, value: Any) -> Path:
    """Writes `value` as indented JSON, creating folders; a reader never sees half a file. NaN is a ValueError."""
    return write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_text(path: str | Path, text: str) -> Path:
    """Writes `text` as UTF-8, creating folders; a reader never sees half a file."""
    return replace_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def replace_whole(path: str | Path, write: Callable[[Path], Any]) -> Path:
    """Has `write` make a file under a temporary name, then moves it to `path`; folders are made. What a failed write
    leaves behind is removed.

    The temporary name is hidden, lies beside `path`, and no other process or thread chooses it at the same time.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_leftovers(path.parent)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _clear_leftovers(folder: Path) -> None:
    """Removes temporary files in `folder` whose writers were killed (one of an index is as large as the index), the
    first time that this process writes there: to look before each of ten thousand pages would cost more than they."""
    if folder in _looked_at:
        return
    _looked_at.add(folder)
    for file in folder.glob(".*.tmp"):
        try:
            if _TEMPORARY.fullmatch(file.name) and time.time() - file.stat().st_mtime > _ABANDONED:
                file.unlink()
        except FileNotFoundError:
            continue  # another writer cleared it
