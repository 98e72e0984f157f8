"""Model folders with one thing changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any


def edited(folder: Path, target: Path, name: str, change: Callable[[Any], Any]) -> Path:
    """A copy of `folder` whose JSON file `name` was changed."""
    shutil.copytree(folder, target)
    values = json.loads((target / name).read_text())
    change(values)
    (target / name).write_text(json.dumps(values))
    return target
