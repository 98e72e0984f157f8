"""Digests of an export's files, which say what changed since it was verified."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from smart_train.utils.manifest import digests

_CODE = ".py"  # of a model whose class is not in transformers
_PROVED = (".safetensors", ".json", ".jinja", ".txt", ".model", _CODE)


def digests_of_export(folder: Path, record: str) -> dict[str, str]:
    """Relative name -> digest of every file that decides what the model gives. Cards, plots and hidden files do not.

    Args:
        record: name of the file that the digests are written to; it has none itself.
    """
    names = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.suffix in _PROVED}
    shown = {name: path for name, path in names.items() if not any(part.startswith(".") for part in name.split("/"))}
    return digests(folder, [name for name in shown if name != record])


def changed_files(folder: Path, expected: Mapping[str, str], record: str) -> list[str]:
    """Relative names of the files that changed, went missing or were added since `expected`, sorted; `record` is as in
    `digests_of_export`."""
    actual = digests_of_export(folder, record)
    if not any(name.endswith(_CODE) for name in expected):  # as in records of version 0.1.0, whatever the folder holds
        actual = {name: digest for name, digest in actual.items() if not name.endswith(_CODE)}
    return sorted(name for name in {*expected, *actual} if expected.get(name) != actual.get(name))
