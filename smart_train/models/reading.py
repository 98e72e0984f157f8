"""Files of a model folder, read so that a damaged one is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from smart_train.errors import ModelError


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file, None where there is no file. Raises ModelError when it holds none."""
    values = read_json_value(path)
    if values is not None and not isinstance(values, dict):
        raise ModelError(f"{path}: holds a {type(values).__name__}; it must be a JSON object")
    return values


def read_json_value(path: Path) -> Any:
    """What a JSON file holds, None where there is no file. Raises ModelError when it is not JSON."""
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, or nested without end
        raise ModelError(f"{path}: not valid JSON ({error})") from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """Every tensor of a safetensors file. Raises ModelError when it is missing or cut off."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot be read ({error}); fetch or save it again") from error
