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


def not_utf8(path: Path, error: UnicodeDecodeError) -> str:
    """What a file that is not UTF-8 text is, by its first bytes, and what to do: the end of a message with its name."""
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError:  # removed in the meantime
        head = b""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16 text, as Excel's Unicode Text is; save it as UTF-8"
    if head.startswith(b"\x1f\x8b") and path.suffix.lower() != GZIP:
        return f"compressed by gzip; call it {path.name}{GZIP}"
    if head == b"PK\x03\x04":
        return "a zip or office file, whatever it is called; save the sheet or file in it as CSV or JSON lines"
    if head == b"PAR1":
        return f"a Parquet file; call it {path.with_suffix('.parquet').name}"
    return f"not UTF-8 text ({error}); save it as UTF-8"
