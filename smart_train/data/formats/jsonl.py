"""JSON lines: one object a line, images relative to the file."""

from __future__ import annotations

import json
from array import array
from pathlib import Path
from typing import Any

from smart_train.data.formats.rows_in_file import FileRows, RowsFile
from smart_train.errors import DataError
from smart_train.utils.text_files import READ_ERRORS, not_utf8


def read_jsonl(path: Path, max_rows: int | None = None) -> tuple[FileRows, list[str]]:
    """The objects of a file, which stay there (`FileRows`), and the names of their columns. Rows are numbered by their
    lines, from 0: blank lines count, but give no row. A line that is not an object gives the DataError that says so in
    place of a row, so that one bad line can be skipped and all can be listed.

    Raises:
        DataError: the file cannot be read as UTF-8 text.
    """
    starts, numbers, names, number, end = array("q"), array("q"), dict[str, None](), 0, 0
    try:
        file = RowsFile(path)
        for number, (place, line) in enumerate(file.lines()):
            if max_rows is not None and len(starts) == max_rows:
                break
            if line.decode().strip():
                starts.append(place)
                numbers.append(number)
                end = place + len(line)
                row = parse_line(line, "")
                if isinstance(row, dict):
                    names.update(dict.fromkeys(row))
    except UnicodeDecodeError as error:
        raise DataError(f"{path}, row {number}: {not_utf8(path, error)}") from error
    except READ_ERRORS as error:
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    starts.append(end)
    counted = bool(numbers) and numbers[-1] == len(numbers) - 1
    return FileRows(file, parse_line, starts, None if counted else numbers), list(names)


def parse_line(content: bytes, where: str) -> dict[str, Any] | DataError:
    """The object in the first of these lines; the others are blank."""
    line = content.rstrip(b"\r\n")
    if b"\n" in line or b"\r" in line:
        line = line.splitlines()[0]
    try:
        value = json.loads(line.decode())
    except json.JSONDecodeError as error:
        whole = line.strip() in (b"[", b"]", b"{", b"}", b"},")  # of an array, or an object of several lines
        other = "; if the file is one array of objects, call it .json" if whole else ""
        return DataError(
            f"{where}: not JSON ({error.msg} at column {error.colno}); each line must hold one complete object{other}"
        )
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; brackets in brackets
        return DataError(f"{where}: holds JSON that is not read ({error}); correct the line, or remove it")
    if not isinstance(value, dict):
        return DataError(f"{where}: a line must hold an object with columns, not {type(value).__name__}")
    return value
