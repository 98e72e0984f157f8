"""Regular expressions that come with an adapter: tried in a process of their own, which can be ended."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from smart_train.errors import ModelError, shown
from smart_train.models.reading import read_json

SECONDS = 10.0  # for all patterns on all names; sound ones take milliseconds
# Python's `re` tries for centuries where nested repeats nearly match, and holds the interpreter meanwhile: neither a
# thread nor a signal ends it.
_TRY = """
import json, re, sys
for pattern in (asked := json.load(sys.stdin))["patterns"]:
    for name in asked["names"]:
        re.fullmatch(pattern, name)
"""


def check_patterns(folder: Path, names: Sequence[str]) -> None:
    """Raises ModelError where a pattern in the adapter_config.json of `folder` is not one, or does not come to an end
    on the module `names` of the model that it is loaded on."""
    for key, pattern in _patterns(read_json(folder / "adapter_config.json") or {}):
        asked = json.dumps({"patterns": [pattern], "names": list(names)})
        try:
            command = [sys.executable, "-I", "-c", _TRY]
            done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise ModelError(
                f"{folder}: {key} {shown(pattern)} in adapter_config.json does not come to an end on the names of the "
                "model's modules; list the modules by their names instead"
            ) from error
        if done.returncode != 0:
            raise ModelError(f"{folder}: {key} {shown(pattern)} in adapter_config.json is not a regular expression")


def _patterns(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, pattern) of whatever PEFT matches against names of modules."""
    for key in ("target_modules", "exclude_modules"):
        if isinstance(value := config.get(key), str) and _is_pattern(value):
            yield key, value
    layers = config.get("layers_pattern") if config.get("layers_to_transform") is not None else None
    for name in [layers] if isinstance(layers, str) else layers or ():
        if isinstance(name, str) and _is_pattern(name):
            yield "layers_pattern", rf".*\.{name}\.(\d+)\..*"  # as PEFT extends it
    for key in ("rank_pattern", "alpha_pattern"):
        named = config.get(key)
        for name in named if isinstance(named, Mapping) else ():
            if _is_pattern(name):
                yield key, rf"(.*\.)?({name})$"  # as PEFT extends it


def _is_pattern(text: str) -> bool:
    """Without any of these signs it is a name, or "all-linear"."""
    return any(sign in text for sign in "*+{?([")
