"""Folders of images and PDF files: every image and every page is a document, named by its path below the folder. With
`pairs.csv` (or .tsv, .jsonl) in it the folder also holds queries, whose rows name their documents so."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from smart_train.data.config import SourceConfig
from smart_train.data.files import read_file
from smart_train.data.formats.pdf import DPI, PdfPage, pdf_files, read_pdfs
from smart_train.data.formats.pdf_texts import PdfText, read_folder_texts, without_text
from smart_train.data.formats.tiff import read_image_pages
from smart_train.data.table import Table
from smart_train.errors import DataError, LeftOut, listing
from smart_train.inputs.extensions import IMAGE_EXTENSIONS
from smart_train.inputs.files import files_below

PAIRS = ("pairs.csv", "pairs.tsv", "pairs.jsonl")


def pairs_in(folder: Path) -> Path | None:
    """The file of `folder` that holds its queries, if there is one."""
    return next((folder / name for name in PAIRS if (folder / name).is_file()), None)


def holds_pages(folder: Path) -> bool:
    """Whether there is an image or a PDF file anywhere below `folder`."""
    return bool(image_files(folder) or pdf_files(folder))


def image_files(folder: Path) -> list[Path]:
    """Every image file below `folder`, sorted."""
    return files_below(folder, IMAGE_EXTENSIONS)


def read_pages(path: Path, dpi: int | None = None, max_rows: int | None = None) -> Table:
    """The images below a folder, then the pages of the PDF files below it (or of one PDF file): columns `document_id`
    and `image`. An image's id is its path below the folder, a page's is FILE.pdf#page=N; likewise of a TIFF file of
    several pages.

    Raises:
        DataError: PDF and TIFF files that cannot be read, all of them listed; or there is neither image nor PDF.
    """
    images = image_files(path) if path.is_dir() else []
    rows: list[dict[str, Any]] = []
    problems = []
    for file in images:
        try:
            pages = list(read_image_pages(file, file.relative_to(path).as_posix()))
        except DataError as error:
            problems.append(str(error))
            continue
        rows.extend({"document_id": name, "image": image} for name, image in pages)
    if path.is_file() or pdf_files(path):
        for page in read_pdfs(path, dpi=dpi or DPI):
            if isinstance(page, PdfPage):
                rows.append({"document_id": page.id, "image": page.image})
            else:
                problems.append(str(page))
            if max_rows is not None and len(rows) >= max_rows:
                break
    if problems:
        raise DataError(f"{path}: {len(problems)} files cannot be read; fix or remove them:\n{listing(problems)}")
    if not rows:
        raise DataError(f"{path}: holds neither images nor PDF files")
    return Table(rows[:max_rows], ["document_id", "image"], path if path.is_dir() else path.parent, of_pages=True)


def read_texts(path: Path, max_rows: int | None = None) -> Table:
    """The pages of the PDF files below a folder, or of one PDF file, as texts: columns `document_id` (as `read_pages`)
    and `positive`. Pages without text are left out; a warning (`LeftOut`) counts and names them, and pictures beside
    the PDF files.

    Raises:
        DataError: PDF files that cannot be read, all of them listed; no PDF file; or no page has text.
    """
    pages: list[PdfText] = []
    problems = []
    for page in read_folder_texts(path):
        if isinstance(page, PdfText):
            pages.append(page)
        else:
            problems.append(str(page))
    if problems:
        raise DataError(f"{path}: {len(problems)} files cannot be read; fix or remove them:\n{listing(problems)}")
    silent = without_text(pages)
    # Not as a bare text, which might read like the name of a picture.
    rows = [{"document_id": page.id, "positive": {"text": page.text}} for page in pages if page.made_by is not None]
    if not rows:
        raise DataError(f"{path}: {silent}")
    if silent is not None:
        warnings.warn(f"{path}: {silent}", LeftOut, stacklevel=2)
    pictures = image_files(path) if path.is_dir() else []
    if pictures:
        first = pictures[0].relative_to(path).as_posix()
        more = f" and {len(pictures) - 1} more" if len(pictures) > 1 else ""
        warnings.warn(
            f"{path}: {len(pictures)} pictures, which have no text layer: {first}{more}", LeftOut, stacklevel=2
        )
    return Table(rows[:max_rows], ["document_id", "positive"], path if path.is_dir() else path.parent, of_pages=True)


def read_pairs(folder: Path, file: Path, config: SourceConfig) -> Table:
    """The rows of the folder's pairs file, and the images and PDF pages beside it as their documents."""
    table = read_file(file, config.first_rows, config.columns)
    documents = read_texts(folder) if config.pages_as == "text" else read_pages(folder, config.dpi)
    return replace(table, folder=folder, documents=documents, source=str(file))
