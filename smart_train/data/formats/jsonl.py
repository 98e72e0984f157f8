"""JSON lines: one object a line, images relative to the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from smart_train.errors import DataError
from smart_train.utils.text_files import READ_ERRORS, open_text


def read_jsonl(path: Path, max_rows: int | None = None) -> tuple[list[dict[str, Any] | DataError], list[int]]:
    """The objects of a file and their line numbers from 0. Blank lines count but give no row; a line that is not one
    gives the DataError that says so in place of a row, so that one bad line can be skipped and all can be listed.

    Raises:
        DataError: the file cannot be read as UTF-8 text.
    """
    rows: list[dict[str, Any] | DataError] = []
    numbers: list[int] = []
    try:
        with open_text(path) as lines:
            for number, line in enumerate(lines):
                if max_rows is not None and len(rows) == max_rows:
                    break
                if line.strip():
                    rows.append(_parse(line.rstrip("\r\n"), f"{path}, row {number}"))
                    numbers.append(number)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error}); save it as UTF-8") from error
    except READ_ERRORS as error:
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    return rows, numbers


def _parse(line: str, where: str) -> dict[str, Any] | DataError:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        return DataError(
            f"{where}: not JSON ({error.msg} at column {error.colno}); each line must hold one complete object"
        )
    if not isinstance(value, dict):
        return DataError(f"{where}: a line must hold an object with columns, not {type(value).__name__}")
    return value
