"""Other scoring settings for a model folder that is there already, without touching its weights."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from smart_train.errors import ModelError
from smart_train.models.reading import read_json
from smart_train.models.smart_config import SMART_CONFIG, SmartConfig
from smart_train.models.smart_model import SmartModel
from smart_train.scoring import ScoringConfig
from smart_train.utils.atomic import filling, replace_whole, write_json
from smart_train.utils.hashing import sha256
from smart_train.utils.manifest import DIGEST, MANIFEST, fault

# Of an export: its golden vectors, card and digests were made with the settings it has, `export.rescoring` makes them.
_EXPORT_RECORD = "parity.json"


def check_rescorable(folder: Path) -> None:
    """Raises ModelError unless `write_scoring` can change `folder`; for a look before minutes of work."""
    if not folder.is_dir():
        raise ModelError(f"{folder}: not a folder here, so its settings cannot be changed; download it first")
    if (folder / _EXPORT_RECORD).is_file():
        raise ModelError(
            f"{folder}: an export, whose golden vectors and model card were made with the settings it has; smart-train "
            "tune --write makes them again, or change the run or folder that it was exported from, and export again"
        )
    if (folder / MANIFEST).is_file():
        reason = fault(folder)
        if reason is not None:
            raise ModelError(f"{folder}: {reason}; put the file back before its settings are changed")


def write_scoring(folder: str | Path, model: SmartModel, scoring: ScoringConfig) -> None:
    """Puts `scoring` into the `smart_config.json` of `folder`, and the file's digest into the folder's manifest, both
    or neither: a kill at any instant leaves the folder as it was or as it is to be.

    Args:
        folder: a base model, an adapter, a projection or a checkpoint, or the `final` folder of a run.
        model: what was loaded from it; names the family and prompts of a folder that has no `smart_config.json` yet.

    Raises:
        ModelError: as `check_rescorable`. WriteError: the file system refuses it.
    """
    folder = Path(folder)
    check_rescorable(folder)
    if not (folder / MANIFEST).is_file():
        replace_whole(folder / SMART_CONFIG, lambda temporary: _write(temporary, folder, model, scoring))
        return
    with filling(folder) as partial:
        for path in sorted(folder.rglob("*")):
            copy = partial / path.relative_to(folder)
            if path.is_dir():
                copy.mkdir(exist_ok=True)
            elif copy.name not in (SMART_CONFIG, MANIFEST):
                link_or_copy(path, copy)
        _write(partial / SMART_CONFIG, folder, model, scoring)
        _record(folder / MANIFEST, partial)


def _write(file: Path, folder: Path, model: SmartModel, scoring: ScoringConfig) -> None:
    """`folder`'s smart_config.json with other scoring, as `file`; keys that this version does not know stay."""
    values = read_json(folder / SMART_CONFIG)
    if values is None:
        saved = replace(SmartConfig.read(folder), family=model.family.name, prompts=model.family.prompts)
        values = replace(saved, scoring=scoring).to_dict()
    write_values(file, values, scoring)


def write_values(file: Path, values: Mapping[str, Any], scoring: ScoringConfig) -> None:
    """What a `smart_config.json` held, as `file`, with `scoring` in place of its own."""
    file.write_text(json.dumps({**values, "scoring": scoring.to_dict()}, indent=2) + "\n", encoding="utf-8")


def _record(manifest: Path, partial: Path) -> None:
    """The manifest of the old folder with the size and digest of the new settings. The other digests are kept, not
    computed again: a file that is damaged meanwhile must not be declared whole."""
    values = json.loads(manifest.read_text(encoding="utf-8"))
    values["files"][SMART_CONFIG] = (partial / SMART_CONFIG).stat().st_size
    if DIGEST in values:  # version 0.1.0 wrote none
        values[DIGEST][SMART_CONFIG] = sha256(partial / SMART_CONFIG)
    write_json(partial / MANIFEST, values)


def link_or_copy(path: Path, copy: Path) -> None:
    """The same file under a second name, where the file system has that: weights are too large to copy."""
    with contextlib.suppress(OSError):
        os.link(path, copy)
        return
    shutil.copy2(path, copy)
