"""How a text file of rows is opened: its encoding, and gzip where its name ends in .gz."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import IO

ENCODING = "utf-8-sig"  # UTF-8; the mark that Excel and others put at the beginning is not a part of the text
GZIP = ".gz"
# What reading such a file may raise beside UnicodeDecodeError; a damaged one any of the last two.
READ_ERRORS = (OSError, EOFError, zlib.error)


def open_text(path: Path, *, newline: str | None = None) -> IO[str]:
    """The file opened for reading as text, unpacked on the way where its name ends in .gz. Raises OSError."""
    if path.suffix.lower() == GZIP:
        return gzip.open(path, "rt", encoding=ENCODING, newline=newline)
    return path.open(encoding=ENCODING, newline=newline)


def plain_name(path: Path) -> Path:
    """The path without .gz at its end: what the file would be called if it was not compressed."""
    return path.with_suffix("") if path.suffix.lower() == GZIP else path
