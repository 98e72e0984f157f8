"""Pages of PDF files: rendered once, kept on disk, with their text layer, page numbers and bookmarks.

The cache is found by the content of the file and the resolution, so a file that moves or is copied is not rendered
again, and one that changes is. A cache folder appears whole or not at all; processes may fill it side by side.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any

from tqdm.auto import tqdm

from smart_train.data.formats.page_text import read_page_text
from smart_train.data.formats.pdf_characters import clean_line
from smart_train.data.formats.pdf_text_layer import has_layers
from smart_train.errors import DataError
from smart_train.inputs.folder_listing import files_below
from smart_train.inputs.images import MAX_PIXELS_LIMIT
from smart_train.utils.atomic import filling
from smart_train.utils.defaults import DPI as DPI

_POINTS_PER_INCH = 72
_FITTED_PIXELS = 2**24  # of a page that is too large for `dpi`: more than any model is shown
# What a file may ask for by its size: a page that is named again costs a few bytes, one of text more than is asked for
# here, at 300 dpi too. Drawing only the pages that rows name was rejected: folders of files are read whole anyway.
_FREE_PAGES, _BYTES_PER_PAGE = 1_000, 16
_FREE_PIXELS, _PIXELS_PER_BYTE = 2**29, 2**16
_BLANK = 16  # of 255: a page whose lightest and darkest point differ by less shows nothing
_EVERYTHING = (-1e5, -1e5, 1e5, 1e5)  # a box around all papers: that of a page may be known to its parent only
_FORMAT = 8  # of a cache folder; raise it when the same file would give other pages
_INDEX = "pages.json"
ALONE_IN_PDFIUM = RLock()  # held by the thread that is in PDFium; one that holds it may open files
_ATTEMPTS = 3  # to fill a cache folder: another process may take what this one has made for a broken one
_CACHE_FOLDER = re.compile(r"[0-9a-f]{32}-(?:\d+dpi|tiff)-\d+")


@dataclass(frozen=True)
class PdfPage:
    """One page.

    Args:
        document: the file's path below the folder that was read, with "/" between parts.
        number: of the page in its file, from 1.
        image: the rendered page, a PNG file in the cache.
        text: what can be seen of the text layer, and the values in form fields; one LF between lines, hyphenated words
            joined; empty for a scan.
        label: the number printed on the page as the file states it ("iv"), None where it states none.
        titles: of the bookmarks that point to this page.
        dpi: that it was drawn at: below what was asked for where the page is too large for it. 0: not known.
        blank: whether nothing is drawn on it.
    """

    document: str
    number: int
    image: Path
    text: str
    label: str | None = None
    titles: tuple[str, ...] = ()
    dpi: float = 0.0
    blank: bool = False

    @property
    def id(self) -> str:
        """`FILE.pdf#page=N`, the page's document id; as a link it opens that page in a browser."""
        return f"{self.document}#page={self.number}"


def pdf_files(folder: Path) -> list[Path]:
    """Every PDF file below `folder`, sorted."""
    return files_below(folder, (".pdf",))


def read_pdfs(
    path: str | Path,
    *,
    dpi: int = DPI,
    cache_dir: str | Path | None = None,
    show_progress_bar: bool | None = None,
) -> Iterator[PdfPage | DataError]:
    """Every page of a PDF file, or of all PDF files below a folder, in the order of names and pages.

    Args:
        dpi: resolution of pages that are rendered.
        cache_dir: where rendered pages are kept; default: `page_cache()`.
        show_progress_bar: None shows it on a terminal only.

    Yields:
        Pages; for a file that cannot be read, in place of its pages, the DataError that says why, so that one bad file
        can be skipped and all can be listed.

    Raises:
        DataError: no such path, no PDF file there, a `dpi` below 1, or pypdfium2 is not installed.
    """
    path = Path(path)
    files = [path] if path.is_file() else pdf_files(path)
    if not files:
        raise DataError(f"{path}: {'holds no PDF file' if path.is_dir() else 'no such file or folder'}")
    root = path.parent if path.is_file() else path
    bar = tqdm(files, desc="reading PDF files", leave=False, disable=None if show_progress_bar is None
               else not show_progress_bar)  # fmt: skip
    for file in bar:
        try:
            yield from read_pdf(file, name=file.relative_to(root).as_posix(), dpi=dpi, cache_dir=cache_dir)
        except PdfError as error:
            yield error


class PdfError(DataError):
    """One PDF file that cannot be read; others may be."""


def read_pdf(
    file: str | Path, *, name: str | None = None, dpi: int = DPI, cache_dir: str | Path | None = None
) -> list[PdfPage]:
    """All pages of one file, rendered now unless the cache holds them. A page that has more pixels at `dpi` than an
    image may have is drawn at the resolution that makes 16 million of them.

    Args:
        name: the pages' `document`; default: the file's name.

    Raises:
        PdfError: not a PDF, protected by a password, or without pages.
        DataError: a `dpi` below 1, pypdfium2 is not installed, or a broken folder of the cache cannot be replaced.
    """
    file = Path(file)
    if dpi < 1:
        raise DataError(f"{file}: dpi is {dpi}; it must be at least 1")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise PdfError(f"{file}: cannot be read ({error.strerror})") from error
    digest = hashlib.sha256(content).hexdigest()[:32]
    folder = (Path(cache_dir) if cache_dir is not None else page_cache()) / f"{digest}-{dpi}dpi-{_FORMAT}"
    pages = _kept(folder)
    if pages is None:
        with ALONE_IN_PDFIUM:  # threads that read neighbouring rows name the same file: the first of them draws it
            pages = _filled(folder, file, content, dpi)
    return [
        PdfPage(
            name or file.name, number, folder / _image_name(number), **{**fields, "titles": tuple(fields["titles"])}
        )
        for number, fields in enumerate(pages, start=1)
    ]


def page_cache() -> Path:
    """Where rendered pages are kept: $SMART_TRAIN_CACHE, else $XDG_CACHE_HOME/smart_train, else ~/.cache/smart_train;
    in its folder `pdf-pages`. It may be deleted at any time while nothing runs."""
    base: str | Path | None = os.environ.get("SMART_TRAIN_CACHE")
    if base is None:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "smart_train"
    return Path(base) / "pdf-pages"


def is_drawn(path: str | os.PathLike[str]) -> bool:
    """Whether an image file is a page that was drawn from a PDF or TIFF file into the cache of one machine."""
    return _CACHE_FOLDER.fullmatch(Path(path).parent.name) is not None


_Kept = dict[str, Any]  # what the cache keeps of a page beside its image: the fields of PdfPage


def _kept(folder: Path) -> list[_Kept] | None:
    """What a cache folder says of its pages; None where it is not there or cannot be read, and is to be made again."""
    try:
        return json.loads((folder / _INDEX).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def _filled(folder: Path, file: Path, content: bytes, dpi: int) -> list[_Kept]:
    """What a cache folder says of its pages, which are drawn where it does not."""
    pages, attempts = _kept(folder), 0
    while pages is None:
        if attempts == _ATTEMPTS:
            raise DataError(f"{folder}: its {_INDEX} cannot be read, and it cannot be made again; delete this folder")
        if folder.exists():
            shutil.rmtree(folder, ignore_errors=True)
        _fill(folder, file, content, dpi)
        pages, attempts = _kept(folder), attempts + 1
    return pages


def _fill(folder: Path, file: Path, content: bytes, dpi: int) -> None:
    with filling(folder, shared=True) as made:
        pages = _render(made, file, content, dpi)
        (made / _INDEX).write_text(json.dumps(pages), encoding="utf-8")


@contextlib.contextmanager
def open_pdf(file: str | Path, content: bytes) -> Iterator[Any]:
    """The `pypdfium2.PdfDocument` of a file's content, its form fields to be drawn with it; closed at the end.

    One thread of a process at a time: PDFium keeps state of its own that no lock guards, and a second thread inside it
    ends the process. All that is done with the document must be done before the block ends.

    Raises:
        PdfError: not a PDF, protected by a password, without pages, or found to be broken while it is used.
        DataError: pypdfium2 is not installed.
    """
    pdfium = _pdfium(Path(file))
    with ALONE_IN_PDFIUM:
        try:
            pdf = pdfium.PdfDocument(content)
        except pdfium.PdfiumError as error:
            raise PdfError(f"{file}: {_why_unreadable(content, str(error))}") from error
        try:
            pdf.init_forms()  # before anything else is asked of it; does nothing where there are no forms
            if len(pdf) == 0:
                raise PdfError(f"{file}: has no pages; remove it")
            if len(pdf) > (most := _FREE_PAGES + len(content) // _BYTES_PER_PAGE):
                raise PdfError(
                    f"{file}: says that it has {len(pdf)} pages, and a file of {len(content)} bytes may have {most}: "
                    "the same pages are named again and again; remove it, or save each page once"
                )
            _show_empty_boxes(pdf)
            yield pdf
        except pdfium.PdfiumError as error:
            raise PdfError(f"{file}: cannot be read as PDF: {error}") from error
        finally:
            pdf.close()


def _show_empty_boxes(pdf: Any) -> None:
    """Shows the whole paper of pages whose visible box is outside it, as viewers do: PDFium cannot draw nothing."""
    for index in range(len(pdf)):
        if min(pdf.get_page_size(index)) <= 0:
            page = pdf[index]
            page.set_cropbox(*_EVERYTHING)
            page.close()


def join_pdfs(files: Sequence[Path], target: Path) -> Path:
    """Writes the pages of several PDF files, one after the other, as the file `target`.

    Raises:
        PdfError: one of them is not a PDF.
        DataError: pypdfium2 is not installed.
    """
    pdfium = _pdfium(target)
    with ALONE_IN_PDFIUM:
        whole = pdfium.PdfDocument.new()
        try:
            for file in files:
                with open_pdf(file, file.read_bytes()) as pdf:
                    whole.import_pages(pdf)
            whole.save(target)
        finally:
            whole.close()
    return target


def _why_unreadable(content: bytes, error: str) -> str:
    """What is wrong with a file that pdfium refuses, and what to do."""
    if "password" in error.lower():
        return "is protected by a password; save a copy without one"
    if not content:
        return "is empty; fetch it again"
    if b"%PDF-" not in content[:1024]:  # where readers look for it
        return f"is not a PDF file, it begins with {content[:12]!r}; fetch it again, or give it the right extension"
    return f"cannot be read as PDF ({error.rstrip('.')}): it is damaged or has no pages; fetch or export it again"


def bookmarks(pdf: Any) -> Iterator[tuple[int, int, str]]:
    """Page (from 0), level (from 0, the top) and title of every bookmark that points to a page. One whose title is not
    text (half of a surrogate pair) is left out."""
    for bookmark in pdf.get_toc():
        target = bookmark.get_dest()
        index = target.get_index() if target else None
        try:
            title = clean_line((bookmark.get_title() or "").replace("\x00", ""))
        except UnicodeDecodeError:
            continue
        if index is not None and title:
            yield index, bookmark.level, title


def _render(folder: Path, file: Path, content: bytes, dpi: int) -> list[dict[str, Any]]:
    """Draws all pages into `folder`; what the cache keeps of each beside its image, by the names of PdfPage."""
    with open_pdf(file, content) as pdf:
        titles = defaultdict(list)
        for index, _, title in bookmarks(pdf):
            titles[index].append(title)
        _check_pixels(file, content, pdf, dpi)
        layers = has_layers(content)
        pages = []
        for index in range(len(pdf)):
            drawn = _draw(folder / _image_name(index + 1), pdf[index], dpi)
            text = read_page_text(pdf, index, layers=layers).text
            pages.append({"text": text, "label": _label(pdf, index), "titles": titles[index], **drawn})
        return pages


def _check_pixels(file: Path, content: bytes, pdf: Any, dpi: int) -> None:
    """Raises PdfError where the pages together have more pixels than a file of this size may ask for."""
    total = 0.0
    for index in range(len(pdf)):
        size = pdf.get_page_size(index)
        total += _pixels(size, _fitted(size, dpi))
    most = _FREE_PIXELS + len(content) * _PIXELS_PER_BYTE
    if total > most:
        raise PdfError(
            f"{file}: its {len(pdf)} pages have {total / 1e6:,.0f} million pixels at {dpi} dpi, and a file of "
            f"{len(content)} bytes may have {most / 1e6:,.0f} million; choose a lower dpi, or remove the file"
        )


def _pixels(size: tuple[float, float], dpi: float) -> float:
    width, height = size
    return width * height * (dpi / _POINTS_PER_INCH) ** 2


def _fitted(size: tuple[float, float], dpi: float) -> float:
    """The resolution at which a page of `size` in points is drawn."""
    pixels = _pixels(size, dpi)
    return dpi * math.sqrt(_FITTED_PIXELS / pixels) if pixels > MAX_PIXELS_LIMIT else dpi


def _draw(target: Path, page: Any, dpi: float) -> dict[str, Any]:
    dpi = _fitted(page.get_size(), dpi)
    image = page.render(scale=dpi / _POINTS_PER_INCH).to_pil().convert("RGB")
    image.save(target, compress_level=1)  # level 6 takes five times as long, for a fifth less
    darkest, lightest = image.convert("L").getextrema()
    return {"dpi": round(dpi, 2), "blank": lightest - darkest < _BLANK}


def _label(pdf: Any, index: int) -> str | None:
    try:
        return pdf.get_page_label(index) or None
    except UnicodeDecodeError:  # half of a surrogate pair
        return None


def _image_name(number: int) -> str:
    return f"page-{number:05d}.png"


def _pdfium(file: Path) -> Any:
    try:
        import pypdfium2
    except ImportError as error:
        raise DataError(f"{file}: PDF files need pypdfium2: pip install 'smart_train[pdf]'") from error
    return pypdfium2
