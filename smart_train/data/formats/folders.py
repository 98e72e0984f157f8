"""Folders of images and PDF files: every image and every page is a document, named by its path below the folder. With
`pairs.csv` (or .tsv, .jsonl) in it the folder also holds queries, whose rows name their documents so."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from smart_train.data.config import SourceConfig
from smart_train.data.formats.ocr_engine import OcrMode, chosen_engine
from smart_train.data.formats.office import OFFICE_EXTENSIONS
from smart_train.data.formats.pdf import DPI, PdfPage, pdf_files, read_pdfs
from smart_train.data.formats.pdfs_as_texts import PdfText, read_folder_texts, without_text
from smart_train.data.formats.scan_texts import for_ocr, to_do, told_by_ocr, with_ocr
from smart_train.data.formats.tiff import read_image_pages
from smart_train.data.row_files import read_file
from smart_train.data.table import Table
from smart_train.errors import DataError, LeftOut, Notice, listing
from smart_train.inputs.extensions import IMAGE_EXTENSIONS, OTHER_PICTURES
from smart_train.inputs.folder_listing import files_below
from smart_train.inputs.images import verify_image
from smart_train.utils.counts import counted

PAIRS = ("pairs.csv", "pairs.tsv", "pairs.jsonl")
# Documents and pictures that are neither read here as pages nor as rows.
_OTHERS = (*OFFICE_EXTENSIONS, *OTHER_PICTURES, ".ps", ".xps")
AS_PDF = "export them as PDF (smart-train make-pairs has LibreOffice convert office, web and book files)"
AS_PICTURES = "save pictures as PNG or JPEG, and export others as PDF"
_NAMED = 5


def pairs_in(folder: Path) -> Path | None:
    """The file of `folder` that holds its queries, if there is one."""
    return next((folder / name for name in PAIRS if (folder / name).is_file()), None)


def holds_pages(folder: Path) -> bool:
    """Whether there is an image or a PDF file anywhere below `folder`."""
    return bool(image_files(folder) or pdf_files(folder))


def image_files(folder: Path) -> list[Path]:
    """Every image file below `folder`, sorted."""
    return files_below(folder, IMAGE_EXTENSIONS)


def not_read(folder: Path) -> str | None:
    """A line that counts and names the documents below `folder` which are not read as pages, with what to do; None
    where there are none. A README says something about the others."""
    files = [file for file in files_below(folder, _OTHERS) if file.stem.lower() != "readme"]
    if not files:
        return None
    named = ", ".join(file.relative_to(folder).as_posix() for file in files[:_NAMED])
    more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
    what = "1 file whose type is" if len(files) == 1 else f"{len(files)} files whose types are"
    documents = any(file.suffix.lower() in OFFICE_EXTENSIONS for file in files)
    return f"{folder}: {what} not read: {named}{more}; {AS_PDF if documents else AS_PICTURES}"


def tell_not_read(path: Path) -> None:
    """Warns (`LeftOut`) of what `not_read` finds; of a file, nothing."""
    told = not_read(path) if path.is_dir() else None
    if told is not None:
        warnings.warn(told, LeftOut, stacklevel=3)


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
    tell_not_read(path)
    return Table(rows[:max_rows], ["document_id", "image"], path if path.is_dir() else path.parent, of_pages=True)


def holds_texts(path: Path, ocr: OcrMode | None = None) -> bool:
    """Whether pages at `path`, a PDF file or a folder, can be read as text: of PDF files, or pictures by OCR."""
    if path.is_file():
        return path.suffix.lower() == ".pdf"
    return bool(pdf_files(path)) or (chosen_engine(ocr or "auto") is not None and bool(image_files(path)))


def read_texts(path: Path, max_rows: int | None = None, ocr: OcrMode | None = None) -> Table:
    """The pages below a folder, or of one PDF file, as texts: columns `document_id` (as `read_pages`) and `positive`.
    Where OCR is installed and not off, it reads pictures and pages without a legible text layer; a `Notice` counts
    them. Pages without text are left out; a warning (`LeftOut`) counts and names them, and pictures that are not read.

    Raises:
        DataError: files that cannot be read, all of them listed; neither a PDF file nor a picture that OCR reads; or no
            page has text.
        MissingExtra: `ocr` is "all", and rapidocr is not installed.
    """
    pages, pictures, problems = _read_texts(path, ocr)
    if problems:
        raise DataError(f"{path}: {len(problems)} files cannot be read; fix or remove them:\n{listing(problems)}")
    if max_rows is not None:  # before OCR, which takes seconds a page
        pages = _first(pages, pictures, max_rows)
        pictures = {page.id: pictures[page.id] for page in pages if page.id in pictures}
    pages = with_ocr(pages, pictures, ocr)
    silent, told = without_text(pages, to_do(ocr)), told_by_ocr(pages, ocr)
    # Not as a bare text, which might read like the name of a picture.
    rows = [{"document_id": page.id, "positive": {"text": page.text}} for page in pages if page.made_by is not None]
    if not rows:
        raise DataError(f"{path}: {silent}")
    if told is not None:
        warnings.warn(f"{path}: {told}", Notice, stacklevel=2)
    if silent is not None:
        warnings.warn(f"{path}: {silent}", LeftOut, stacklevel=2)
    unread = image_files(path) if path.is_dir() and chosen_engine(ocr or "auto") is None else []
    if unread:
        first = unread[0].relative_to(path).as_posix()
        more = f" and {len(unread) - 1} more" if len(unread) > 1 else ""
        told = f"{counted(len(unread), 'picture')} without a text layer: {first}{more}; {to_do(ocr)}"
        warnings.warn(f"{path}: {told}", LeftOut, stacklevel=2)
    tell_not_read(path)
    return Table(rows, ["document_id", "positive"], path if path.is_dir() else path.parent, of_pages=True)


def _first(pages: Sequence[PdfText], pictures: Mapping[str, Path], count: int) -> list[PdfText]:
    """Pages up to the one at which `count` of them have a text, or may have one by OCR; all where they are fewer."""
    usable = 0
    for place, page in enumerate(pages):
        usable += page.made_by is not None or page.id in pictures
        if usable == count:
            return list(pages[: place + 1])
    return list(pages)


def _read_texts(path: Path, ocr: OcrMode | None) -> tuple[list[PdfText], dict[str, Path], list[str]]:
    """All pages by their text layers, pictures (where OCR is to read them) before PDF files; id -> picture of those for
    OCR; and what cannot be read."""
    pages: list[PdfText] = []
    pictures: dict[str, Path] = {}
    problems: list[str] = []
    engine = chosen_engine(ocr or "auto")
    for file in image_files(path) if path.is_dir() and engine is not None else []:
        name = file.relative_to(path).as_posix()
        try:
            image_pages = list(read_image_pages(file, name))
        except DataError as error:
            problems.append(str(error))
            continue
        for number, (identity, picture) in enumerate(image_pages, start=1):
            try:
                verify_image(picture)  # before OCR has read an hour's other pictures
            except DataError as error:
                problems.append(str(error))
                break
            pages.append(PdfText(name, number if len(image_pages) > 1 else 0, "", None))
            pictures[identity] = picture
    if path.is_dir() and not pdf_files(path) and image_files(path):
        if engine is None:
            raise DataError(f"{path}: holds no PDF file, and a text of pictures comes by OCR alone; {to_do(ocr)}")
        return pages, pictures, problems
    of_files: dict[str, list[PdfText]] = {}
    for page in read_folder_texts(path):
        if isinstance(page, PdfText):
            of_files.setdefault(page.document, []).append(page)
        else:
            problems.append(str(page))
    for name, of_file in of_files.items():
        pages += of_file
        if not problems:  # else nothing is read
            pictures.update(for_ocr(of_file, path if path.is_file() else path / name, ocr))
    return pages, pictures, problems


def read_pairs(folder: Path, file: Path, config: SourceConfig) -> Table:
    """The rows of the folder's pairs file, and the images and PDF pages beside it as their documents."""
    table = read_file(file, config.first_rows, config.columns)
    documents = read_texts(folder, ocr=config.ocr) if config.pages_as == "text" else read_pages(folder, config.dpi)
    return replace(table, folder=folder, documents=documents, source=str(file))
