"""The chapters of an EPUB book as web pages, in the order in which they are read."""

from __future__ import annotations

import errno
import posixpath
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

from smart_train.data.formats.pdf import PdfError

_CONTAINER = "META-INF/container.xml"
# Of a book whose chapters only its shop's programs can read: Adobe's and Apple's keys, and Readium LCP's licence.
_LOCKED = ("META-INF/rights.xml", "META-INF/sinf.xml", "META-INF/license.lcpl")
_ENCRYPTION = "META-INF/encryption.xml"
# These two only hide fonts from whoever unpacks the book; its chapters can be read.
_OF_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_OF_NAMES = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL)
_MOST_BYTES = 2**30  # of an unpacked book: a small file can be packed from far more


def write_chapters(book: Path, folder: Path) -> list[Path]:
    """Unpacks `book` into `folder`; its chapters, each a file of HTML beside the pictures and styles that it names.

    Raises:
        PdfError: it is not an EPUB book, or one without chapters.
    """
    try:
        with zipfile.ZipFile(book) as packed:
            size = sum(entry.file_size for entry in packed.infolist())
            if size > _MOST_BYTES:
                raise PdfError(f"{book}: unpacks to {size:,} bytes; a book may have {_MOST_BYTES:,}; leave it out")
            if _is_locked(packed):
                raise PdfError(f"{book}: is protected by its shop (DRM); leave it out")
            packed.extractall(folder)
            names = _spine(packed)
    except PdfError:
        raise
    except OSError as error:  # what a name in the book cannot be on this disk; a full one is told as such
        if error.errno not in _OF_NAMES:
            raise
        raise PdfError(f"{book}: is not an EPUB book that can be read ({error.strerror}); fetch it again") from error
    # An encoding that is not known is a LookupError or a ValueError; a cut file may be an EOFError.
    except (zipfile.BadZipFile, zlib.error, LookupError, ValueError, EOFError, SyntaxError, RuntimeError) as error:
        raise PdfError(f"{book}: is not an EPUB book that can be read ({error}); fetch it again") from error
    chapters = []
    for place, name in enumerate(names):
        inside = folder / name
        if name.startswith(("/", "../")) or not inside.is_file():
            raise PdfError(f"{book}: its contents name {name}, which is not in it; fetch it again")
        # LibreOffice tells what a file is by its name, and names what it makes of it after it.
        chapter = inside.with_name(f"smart-train-chapter-{place:05d}.html")
        shutil.copyfile(inside, chapter)
        chapters.append(chapter)
    if not chapters:
        raise PdfError(f"{book}: has no chapters; leave it out")
    return chapters


def _is_locked(packed: zipfile.ZipFile) -> bool:
    """Whether a book says that its chapters are encrypted."""
    names = set(packed.namelist())
    if not names.isdisjoint(_LOCKED):
        return True
    if _ENCRYPTION not in names:
        return False
    methods = _all(ElementTree.fromstring(packed.read(_ENCRYPTION)), "EncryptionMethod")
    return any(method.attrib.get("Algorithm") not in _OF_FONTS for method in methods)


def _spine(packed: zipfile.ZipFile) -> list[str]:
    """The names of the chapters inside the packed book, in order."""
    container = ElementTree.fromstring(packed.read(_CONTAINER))
    package = next(_all(container, "rootfile"), container).attrib["full-path"]
    contents = ElementTree.fromstring(packed.read(package))
    names = {item.attrib["id"]: item.attrib["href"] for item in _all(contents, "item")}
    above = posixpath.dirname(package)
    return [
        posixpath.normpath(posixpath.join(above, unquote(names[reference.attrib["idref"]])))
        for reference in _all(contents, "itemref")
    ]


def _all(tree: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    """Elements of this name in any namespace."""
    return (element for element in tree.iter() if element.tag.rpartition("}")[2] == name)
