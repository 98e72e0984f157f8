"""Pages of PDF files: rendered once, kept on disk, with their text layer, page numbers and bookmarks.

The cache is found by the content of the file and the resolution, so a file that moves or is copied is not rendered
again, and one that changes is. A cache folder appears whole or not at all; processes may fill it side by side.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from smart_train.errors import DataError
from smart_train.inputs.files import files_below
from smart_train.inputs.images import MAX_PIXELS_LIMIT
from smart_train.utils.atomic import filling

DPI = 144  # A4: 1190 x 1684 pixels, about the most that the families' default bounds on an image's area keep
_POINTS_PER_INCH = 72
_FORMAT = 2  # of a cache folder; raise it when the same file would give other pages
_INDEX = "pages.json"


@dataclass(frozen=True)
class PdfPage:
    """One page.

    Args:
        document: the file's path below the folder that was read, with "/" between parts.
        number: of the page in its file, from 1.
        image: the rendered page, a PNG file in the cache.
        text: the text layer, one LF between lines, hyphenated words joined; empty for a scan.
        label: the number printed on the page as the file states it ("iv"), None where it states none.
        titles: of the bookmarks that point to this page.
    """

    document: str
    number: int
    image: Path
    text: str
    label: str | None = None
    titles: tuple[str, ...] = ()

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
    """All pages of one file, rendered now unless the cache holds them.

    Args:
        name: the pages' `document`; default: the file's name.

    Raises:
        PdfError: not a PDF, protected by a password, without pages, or with a page too large for `dpi`.
        DataError: a `dpi` below 1, or pypdfium2 is not installed.
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
        shutil.rmtree(folder, ignore_errors=True)
        _fill(folder, file, content, dpi)
        pages = _kept(folder)
        assert pages is not None, "it was written a moment ago"
    return [
        PdfPage(name or file.name, number, folder / _image_name(number), text, label, tuple(titles))
        for number, (text, label, titles) in enumerate(pages, start=1)
    ]


def page_cache() -> Path:
    """Where rendered pages are kept: $SMART_TRAIN_CACHE, else $XDG_CACHE_HOME/smart_train, else ~/.cache/smart_train;
    in its folder `pdf-pages`. It may be deleted at any time while nothing runs."""
    base: str | Path | None = os.environ.get("SMART_TRAIN_CACHE")
    if base is None:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "smart_train"
    return Path(base) / "pdf-pages"


_Kept = tuple[str, str | None, list[str]]  # what the cache keeps of a page beside its image: text, label, titles


def _kept(folder: Path) -> list[_Kept] | None:
    """What a cache folder says of its pages; None where it is not there or cannot be read, and is to be made again."""
    try:
        return json.loads((folder / _INDEX).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def _fill(folder: Path, file: Path, content: bytes, dpi: int) -> None:
    with filling(folder, shared=True) as made:
        pages = _render(made, file, content, dpi)
        (made / _INDEX).write_text(json.dumps(pages), encoding="utf-8")


@contextlib.contextmanager
def open_pdf(file: str | Path, content: bytes) -> Iterator[Any]:
    """The `pypdfium2.PdfDocument` of a file's content, closed at the end.

    Raises:
        PdfError: not a PDF, protected by a password, without pages, or found to be broken while it is used.
        DataError: pypdfium2 is not installed.
    """
    pdfium = _pdfium(Path(file))
    try:
        pdf = pdfium.PdfDocument(content)
    except pdfium.PdfiumError as error:
        raise PdfError(f"{file}: {_why_unreadable(content, str(error))}") from error
    try:
        if len(pdf) == 0:
            raise PdfError(f"{file}: has no pages; remove it")
        yield pdf
    except pdfium.PdfiumError as error:
        raise PdfError(f"{file}: cannot be read as PDF: {error}") from error
    finally:
        pdf.close()


def _why_unreadable(content: bytes, error: str) -> str:
    """What is wrong with a file that pdfium refuses, and what to do."""
    if "password" in error.lower():
        return "is protected by a password; save a copy without one"
    if not content:
        return "is empty; fetch it again"
    if b"%PDF-" not in content[:1024]:  # where readers look for it
        return f"is not a PDF file, it begins with {content[:12]!r}; fetch it again, or give it the right extension"
    return f"cannot be read as PDF ({error.rstrip('.')}): it is damaged or has no pages; fetch or export it again"


def _render(folder: Path, file: Path, content: bytes, dpi: int) -> list[_Kept]:
    with open_pdf(file, content) as pdf:
        titles = _titles(pdf)
        return [_render_page(folder, file, pdf, index, dpi, titles.get(index, [])) for index in range(len(pdf))]


def _render_page(folder: Path, file: Path, pdf: Any, index: int, dpi: int, titles: list[str]) -> _Kept:
    scale = dpi / _POINTS_PER_INCH
    page = pdf[index]
    width, height = page.get_size()
    pixels = round(width * scale) * round(height * scale)
    if pixels > MAX_PIXELS_LIMIT or pixels < 1:
        raise PdfError(
            f"{file}, page {index + 1}: {width:g} x {height:g} points at {dpi} dpi are {pixels} pixels; from 1 to "
            f"{MAX_PIXELS_LIMIT} are accepted, so {'lower' if pixels else 'raise'} dpi"
        )
    image = page.render(scale=scale).to_pil().convert("RGB")
    image.save(folder / _image_name(index + 1), compress_level=1)  # level 6 takes five times as long, for a fifth less
    page.set_rotation(0)  # pdfium puts the lines of a page that is shown turned in an order of its own
    text = _clean(page.get_textpage().get_text_bounded())
    return text, pdf.get_page_label(index) or None, titles


def _titles(pdf: Any) -> dict[int, list[str]]:
    """Page index -> titles of the bookmarks that point to it."""
    found: dict[int, list[str]] = {}
    for bookmark in pdf.get_toc():
        target = bookmark.get_dest()
        index = target.get_index() if target else None
        title = " ".join(_clean(bookmark.get_title() or "").split())
        if index is not None and title:
            found.setdefault(index, []).append(title)
    return found


def _clean(text: str) -> str:
    """One LF between lines; the marks that pdfium leaves where a word was hyphenated are taken out."""
    return text.replace("\r\n", "\n").replace("\x02", "").replace("\ufffe", "").replace("\x00", "")


def _image_name(number: int) -> str:
    return f"page-{number:05d}.png"


def _pdfium(file: Path) -> Any:
    try:
        import pypdfium2
    except ImportError as error:
        raise DataError(f"{file}: PDF files need pypdfium2: pip install 'smart_train[pdf]'") from error
    return pypdfium2
