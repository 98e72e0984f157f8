"""What the bytes of an office, web or book file say of it, before LibreOffice is asked: it makes pages of noise of a
file that it does not know, and does not say why it cannot open one."""

from __future__ import annotations

import codecs
import io
import re
import zipfile
import zlib
from pathlib import Path

from smart_train.data.formats.pdf import PdfError

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # what Office wrote until 2003, and writes around what is encrypted
_PACKED = (b"PK\x03\x04", _OLE)
# Rich text; Excel 2 to 4; Word 2 and for DOS.
_OLDER = (b"{\\rtf", b"\x09\x00", b"\x09\x02", b"\x09\x04", b"\x09\x08", b"\xdb\xa5", b"\x31\xbe")
_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")  # in no encoding of one byte, nor in UTF-8, a sign of text
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")  # in the table of contents of an OLE file
_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*[\w-]+""", re.IGNORECASE)
_HEAD = 4096


class OfficeError(PdfError):
    """One document that cannot be converted to PDF; others may be."""


def check_content(file: Path, content: bytes) -> None:
    """Raises OfficeError for what has no content, needs a password, or is neither a document nor text."""
    if not content.strip():
        raise OfficeError(f"{file}: is empty; put the right file there, or remove it")
    if (content.startswith(_OLE) and _ENCRYPTED in content) or _is_locked(content):
        raise OfficeError(f"{file}: is protected by a password; save a copy without one")
    # Text under another name than its own is read as text: other programs write web pages and tables so.
    if not content.startswith((*_PACKED, *_OLDER, *_MARKS)) and _CONTROL.search(content[:_HEAD]):
        raise OfficeError(
            f"{file}: is not a {file.suffix.lower()[1:]} file: it begins with {content[:4]!r}; put the right file "
            "there, or remove it"
        )


def has_known_encoding(content: bytes) -> bool:
    """Whether a text says which encoding it has, or has UTF-8."""
    if content.startswith(_MARKS) or _DECLARED.search(content[:_HEAD]):
        return True
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_locked(content: bytes) -> bool:
    """Whether it is an OpenDocument file with a password."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            return b"encryption-data" in packed.read("META-INF/manifest.xml")
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, RuntimeError, OSError, EOFError):
        return False
