"""Where an export may be written, and the record by which a verified one is known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from smart_train.errors import ExportError
from smart_train.export.file_digests import changed_files, digests_of_export
from smart_train.utils.atomic import aside, filling, settle, write_json
from smart_train.utils.folder_kinds import what_is
from smart_train.utils.locks import beside, check_free, only_one
from smart_train.utils.manifest import DIGEST

REPORT_NAME = "parity.json"


def check_output(output: Path, *, overwrite: bool) -> None:
    """Raises ExportError unless an export may be written to `output`; for a look before hours of work.

    `overwrite` covers an earlier export (or an empty folder) and nothing else: a mistyped path must not cost its files.
    """
    check_free(beside(output))
    _check_taken(output, overwrite)


@contextmanager
def writing(output: Path, *, overwrite: bool) -> Iterator[Path]:
    """A folder to fill, which becomes the export at `output`. No other process writes there meanwhile, and what stands
    there is looked at once more: another may have written it since the first look.

    Raises:
        ExportError: as `check_output`. BusyError: another process writes there.
    """
    with only_one(beside(output), "an export"):
        settle(output)
        _check_taken(output, overwrite)
        with filling(output) as partial:
            yield partial


def _check_taken(output: Path, overwrite: bool) -> None:
    taken = output if output.exists() else aside(output)
    if not taken.exists():
        return
    if not taken.is_dir():
        raise ExportError(f"{output}: is a file; an export is a folder")
    if not any(taken.iterdir()):
        return
    if not (taken / REPORT_NAME).is_file():
        raise ExportError(
            f"{output}: holds files that are not an export of smart_train (no {REPORT_NAME}); choose another"
        )
    if not overwrite:
        raise ExportError(f"{output}: exists already; choose another output or pass --overwrite")


def write_record(folder: Path, measured: dict[str, Any]) -> None:
    """`parity.json`: what was measured, and digests of the files that it was measured on."""
    record = {**measured, DIGEST: digests_of_export(folder, REPORT_NAME)}
    write_json(folder / REPORT_NAME, record)


def check_record(folder: Path) -> dict[str, Any]:
    """The record of the verified export in `folder`.

    Raises:
        ExportError: there is none, or weights or configuration are no longer those that were verified.
    """
    path = folder / REPORT_NAME
    if not path.is_file():
        raise ExportError(
            f"{folder}: {what_is(folder)}, and was never verified (no {REPORT_NAME}); name a folder that `smart-train "
            "export` wrote, which compares it with the trained model"
        )
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        expected = dict(record[DIGEST])
    except (ValueError, KeyError, TypeError) as error:
        raise ExportError(f"{path}: unreadable ({error}); export again") from error
    changed = changed_files(folder, expected, REPORT_NAME)
    if changed:
        raise ExportError(f"{folder}: {', '.join(changed)} changed since the export was verified; export again")
    return record
