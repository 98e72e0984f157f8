"""PDF files as texts, for models that read no images: no page is drawn. What was read is kept on disk beside the drawn
pages, found by the file's content."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm.auto import tqdm

from smart_train.data.formats.page_text import read_page_text
from smart_train.data.formats.pdf import ALONE_IN_PDFIUM, PdfError, open_pdf, page_cache, pdf_files
from smart_train.data.formats.pdf_text_layer import has_layers
from smart_train.data.formats.unreadable import is_unreadable
from smart_train.errors import DataError
from smart_train.utils.atomic import filling

_FORMAT = 4  # of a cache folder; raise it when the same file would give other texts
_INDEX = "texts.json"
_SHOWN_FILES = 5


@dataclass(frozen=True)
class PdfText:
    """One page as text.

    Args:
        document: the file's path below the folder that was read, with "/" between parts.
        number: of the page in its file, from 1; 0 of a picture that is a page alone.
        text: one LF between lines; empty where nothing can be read, or the text layer is unreadable.
        made_by: see `PageText`.
    """

    document: str
    number: int
    text: str
    made_by: str | None

    @property
    def id(self) -> str:
        """`FILE.pdf#page=N`, as of the drawn page; of a picture its name."""
        return f"{self.document}#page={self.number}" if self.number else self.document


def read_pdf_texts(file: str | Path, *, name: str | None = None, cache_dir: str | Path | None = None) -> list[PdfText]:
    """The texts of all pages of one file.

    Args:
        name: the pages' `document`; default: the file's name.
        cache_dir: where texts are kept; default: `page_cache()`.

    Raises:
        PdfError: not a PDF, protected by a password, or without pages.
        DataError: pypdfium2 is not installed.
    """
    file = Path(file)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise PdfError(f"{file}: cannot be read ({error.strerror})") from error
    digest = hashlib.sha256(content).hexdigest()[:32]
    folder = (Path(cache_dir) if cache_dir is not None else page_cache()) / f"{digest}-text-{_FORMAT}"
    pages = _kept(folder)
    if pages is None:
        with ALONE_IN_PDFIUM:  # threads that read neighbouring rows name the same file: the first of them reads it
            pages = _kept(folder)
            if pages is None:
                shutil.rmtree(folder, ignore_errors=True)
                pages = _read(file, content)
                with filling(folder, shared=True) as made:
                    (made / _INDEX).write_text(json.dumps(pages), encoding="utf-8")
    return [PdfText(name or file.name, number, text, made_by) for number, (text, made_by) in enumerate(pages, start=1)]


def _kept(folder: Path) -> list[tuple[str, str | None]] | None:
    """What a cache folder says of its pages; None where it is not there, or damaged."""
    try:
        return json.loads((folder / _INDEX).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def _read(file: Path, content: bytes) -> list[tuple[str, str | None]]:
    layers = has_layers(content)
    with open_pdf(file, content) as pdf:
        pages = (read_page_text(pdf, index, layers=layers) for index in range(len(pdf)))
        texts = [(page.spelt, page.made_by) for page in pages]
    return [("", None) if is_unreadable(text) else (text, made_by) for text, made_by in texts]


def read_folder_texts(path: Path) -> Iterator[PdfText | PdfError]:
    """Every page of a PDF file, or of all PDF files below a folder, in the order of names and pages; for a file that
    cannot be read, in place of its pages, the error that says why.

    Raises:
        DataError: no PDF file there, or pypdfium2 is not installed.
    """
    files = [path] if path.is_file() else pdf_files(path)
    if not files:
        raise DataError(f"{path}: holds no PDF file, and only PDF files are read as text")
    root = path.parent if path.is_file() else path
    for file in tqdm(files, desc="reading PDF files", leave=False, disable=None):
        try:
            yield from read_pdf_texts(file, name=file.relative_to(root).as_posix())
        except PdfError as error:
            yield error


def without_text(pages: Sequence[PdfText], to_do: str) -> str | None:
    """A line that counts and names those of `pages` whose text no one made, and ends with `to_do`; None where there is
    no such page."""
    silent: dict[str, list[int]] = {}
    for page in pages:
        if page.made_by is None:
            silent.setdefault(page.document, []).append(page.number)
    if not silent:
        return None
    named = [
        f"{document} (page {_ranges(numbers)})" if numbers != [0] else document for document, numbers in silent.items()
    ]
    more = f" and {len(named) - _SHOWN_FILES} more files" if len(named) > _SHOWN_FILES else ""
    count = sum(map(len, silent.values()))
    return f"{count} of {len(pages)} pages have no legible text: {', '.join(named[:_SHOWN_FILES])}{more}; {to_do}"


def _ranges(numbers: Sequence[int]) -> str:
    """`1-3, 7` of rising numbers."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
