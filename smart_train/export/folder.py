"""Output folders that are whole or not there, and the record by which a verified one is known.

A new folder is filled under a partial name. When one stands in its place already, that one is moved aside, the new one
moved in, and only then is the old one deleted: a kill at any instant leaves a whole folder, at worst aside, from where
the next call brings it back.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from smart_train.errors import ExportError

REPORT_NAME = "parity.json"
_BLOCK = 1 << 20
_PROVED = (".safetensors", ".json", ".jinja", ".txt", ".model")


def check_output(output: Path, *, overwrite: bool) -> None:
    """Raises ExportError unless an export may be written to `output`.

    `overwrite` covers an earlier export (or an empty folder) and nothing else: a mistyped path must not cost its files.
    """
    _settle(output)
    if not output.exists():
        return
    if not output.is_dir():
        raise ExportError(f"{output}: is a file; an export is a folder")
    if not any(output.iterdir()):
        return
    if not (output / REPORT_NAME).is_file():
        raise ExportError(
            f"{output}: holds files that are not an export of smart_train (no {REPORT_NAME}); choose another"
        )
    if not overwrite:
        raise ExportError(f"{output}: exists already; choose another output or pass --overwrite")


@contextmanager
def filling(output: Path) -> Iterator[Path]:
    """A partial folder to fill, which takes the place of `output` if the body ends without an error."""
    partial = output.with_name(f".{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        _replace(partial, output)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _replace(new: Path, output: Path) -> None:
    if output.exists():
        output.rename(_aside(output))
    try:
        new.rename(output)
    finally:
        _settle(output)


def _settle(output: Path) -> None:
    """Ends what `_replace` began: the old folder comes back unless a new one stands in its place."""
    aside = _aside(output)
    if aside.exists() and not output.exists():
        aside.rename(output)
    shutil.rmtree(aside, ignore_errors=True)


def _aside(output: Path) -> Path:
    return output.with_name(f".{output.name}.replaced")


def write_record(folder: Path, measured: dict[str, Any]) -> None:
    """`parity.json`: what was measured, and digests of the files that it was measured on."""
    record = {**measured, "sha256": _digests(folder)}
    (folder / REPORT_NAME).write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def check_record(folder: Path) -> dict[str, Any]:
    """The record of the verified export in `folder`.

    Raises:
        ExportError: there is none, or weights or configuration are no longer those that were verified.
    """
    path = folder / REPORT_NAME
    if not path.is_file():
        raise ExportError(
            f"{folder}: was never verified (no {REPORT_NAME}); make it with `smart-train export`, which compares it "
            "with the trained model"
        )
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        expected = record["sha256"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ExportError(f"{path}: unreadable ({error}); export again") from error
    actual = _digests(folder)
    changed = sorted(name for name in {*expected, *actual} if expected.get(name) != actual.get(name))
    if changed:
        raise ExportError(f"{folder}: {', '.join(changed)} changed since the export was verified; export again")
    return record


def _digests(folder: Path) -> dict[str, str]:
    """Relative name -> digest of every file that decides what the model gives. Cards, plots and hidden files do not."""
    names = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.suffix in _PROVED}
    shown = {name: path for name, path in names.items() if not any(part.startswith(".") for part in name.split("/"))}
    return {name: _sha256(path) for name, path in shown.items() if name != REPORT_NAME}


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
