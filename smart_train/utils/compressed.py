"""Files of text that may be compressed with gzip."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import IO

GZIP = ".gz"
# What reading such a file may raise beside UnicodeDecodeError; a damaged one any of the last two.
READ_ERRORS = (OSError, EOFError, zlib.error)


def open_text(path: Path, *, encoding: str = "utf-8-sig", newline: str | None = None) -> IO[str]:
    """The file opened for reading as text, unpacked on the way where its name ends in .gz. Raises OSError."""
    if path.suffix.lower() == GZIP:
        return gzip.open(path, "rt", encoding=encoding, newline=newline)
    return path.open(encoding=encoding, newline=newline)


def plain_name(path: Path) -> Path:
    """The path without .gz at its end: what the file would be called if it was not compressed."""
    return path.with_suffix("") if path.suffix.lower() == GZIP else path
