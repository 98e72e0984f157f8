"""Judgements as TREC writes them: four fields a line, query, iteration, document and grade, and no header."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from smart_train.data.table import Table
from smart_train.errors import DataError
from smart_train.utils.text_files import READ_ERRORS, not_utf8, open_text, plain_name

EXTENSIONS = (".txt", ".trec", ".qrels")
_COLUMNS = ["query-id", "iteration", "corpus-id", "score"]


def is_trec(path: Path) -> bool:
    """Whether a file holds judgements of this form: by its extension, or a .tsv file that begins with one of them.

    Raises:
        DataError: the file cannot be read as UTF-8 text.
    """
    suffix = plain_name(path).suffix.lower()
    if suffix in EXTENSIONS:
        return True
    first = _lines(path, 1) if suffix == ".tsv" else []
    return bool(first) and len(first[0].split()) == len(_COLUMNS) and first[0].split()[-1].lstrip("-").isdecimal()


def read_trec(path: Path) -> Table:
    """The judgements of a file, the first line being row 0. A line with other fields gives the DataError that says so.

    Raises:
        DataError: the file cannot be read as UTF-8 text.
    """
    rows: list[dict[str, Any] | DataError] = []
    numbers = []
    for number, line in enumerate(_lines(path)):
        fields = line.split()
        if not fields:
            continue
        numbers.append(number)
        if len(fields) == len(_COLUMNS):
            rows.append(dict(zip(_COLUMNS, fields, strict=True)))
        else:
            rows.append(
                DataError(f"{path}, row {number}: has {len(fields)} fields; a judgement has 4: query 0 document grade")
            )
    return Table(rows, _COLUMNS, path.parent, numbers)


def _lines(path: Path, most: int | None = None) -> list[str]:
    try:
        with open_text(path) as lines:
            return list(islice(lines, most))
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: {not_utf8(path, error)}") from error
    except READ_ERRORS as error:
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
