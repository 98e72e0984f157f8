"""Files of a model folder, read so that a damaged one is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from smart_train.errors import ModelError
from smart_train.utils.manifest import MANIFEST, changed, recorded_digests

# Of a folder that a run wrote, and of an export.
_RECORDS = (MANIFEST, "parity.json")


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


def check_weights(folder: Path) -> None:
    """Raises ModelError where a file of weights in `folder` is not what was recorded when it was written. Folders
    without a record, or with another tool's, pass."""
    for record in _RECORDS:
        reason = changed(folder, recorded_digests(folder, record, _is_weights))
        if reason is not None:
            raise ModelError(
                f"{folder}: {reason}; put the file back that {record} was written with. If you changed it on purpose, "
                f"delete {record}"
            )


def _is_weights(name: str) -> bool:
    return name.endswith(".safetensors") and name.startswith(("model", "adapter_model", "projection", "dense"))
