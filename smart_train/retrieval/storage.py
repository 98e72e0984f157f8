"""Files that are whole or absent: written under a temporary name, then moved."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_json(path: str | Path, value: Any) -> Path:
    """Writes `value` as indented JSON, creating folders; a reader never sees half a file. NaN is a ValueError."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    return replace_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def replace_whole(path: str | Path, write: Callable[[Path], Any]) -> Path:
    """Has `write` make a file under a temporary name, then moves it to `path`; folders are made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def temporary_name(path: Path) -> Path:
    """A hidden name beside `path` that another process does not choose at the same time."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")
