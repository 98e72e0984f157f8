"""Files that are whole or absent: written under a temporary name, then moved."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any


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
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
