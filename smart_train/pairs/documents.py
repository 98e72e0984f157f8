"""The PDF files of a folder, and what each of their pages can be asked for."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from tqdm.auto import tqdm

from smart_train.data.formats.pdf import PdfError, open_pdf, pdf_files
from smart_train.data.formats.pdf_text import has_layers
from smart_train.errors import DataError
from smart_train.pairs.candidates import Page, structural
from smart_train.pairs.contents_pages import is_listing, read_bookmarks, read_index
from smart_train.pairs.page_parts import Line, body_size, body_sizes, parts_of, read_lines, without_running_lines
from smart_train.pairs.sections import of_bookmarks, of_headings
from smart_train.pairs.words import as_words, is_unreadable, reads_backwards

_MIN_LETTERS = 20  # a page with less text says nothing of its own


@dataclass
class Document:
    """One PDF file as read.

    Attributes:
        key: its path below the folder, with "/" between parts; begins the ids of its pages.
        digest: SHA-256 of the file. page_count: of all its pages. chapters: pages (from 0) of top-level bookmarks.
        pages: those with text to be found by. listings: tables of contents and indexes, which hold the words of every
            heading and would be second answers. silent: without text, or hardly any: scans, figures, blank pages.
        has_text: whether there is a text layer at all. backwards: whether words stand in it in reverse.
        unreadable: whether most of its pages with text hold glyph numbers instead of letters; such pages are silent.
    """

    key: str
    path: Path
    digest: str
    page_count: int
    chapters: list[int] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)
    listings: list[int] = field(default_factory=list)
    silent: list[int] = field(default_factory=list)
    has_text: bool = False
    backwards: bool = False
    unreadable: bool = False


def read_documents(
    folder: str | Path, *, text_needed: bool = True, show_progress_bar: bool | None = None
) -> tuple[list[Document], list[str]]:
    """Every PDF file below `folder`, in the order of names, and what is wrong with those that cannot be used.

    A file with the content of an earlier one is such a problem too: the same document would be in both parts.

    Args:
        text_needed: a document without a text layer is a problem.

    Raises:
        DataError: no such folder, or no PDF file in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}; name one with PDF files")
    files = pdf_files(folder)
    if not files:
        raise DataError(f"{folder}: holds no PDF file (looked for *.pdf at all levels)")
    documents: list[Document] = []
    problems: list[str] = []
    known: dict[str, str] = {}
    hidden = None if show_progress_bar is None else not show_progress_bar
    for file in tqdm(files, desc="reading PDF files", leave=False, disable=hidden):
        key = file.relative_to(folder).as_posix()
        try:
            document = read_document(file, key)
        except PdfError as error:
            problems.append(str(error))
            continue
        if document.digest in known:
            problems.append(f"{file}: the same file as {known[document.digest]}; keep one of them")
        elif text_needed and not document.has_text:
            problems.append(
                f"{file}: no text layer on its {document.page_count} pages (a scan?); run it through OCR, for example "
                "ocrmypdf, or let a vision model write the queries (--endpoint)"
            )
        elif text_needed and document.unreadable:
            problems.append(
                f"{file}: its text layer is unreadable: it holds the numbers of glyphs instead of letters, because its "
                "fonts do not say which letters they are; run it through OCR, for example ocrmypdf --force-ocr, or let "
                "a vision model write the queries (--endpoint)"
            )
        elif text_needed and document.backwards:
            problems.append(
                f"{file}: its right-to-left words are reversed in the text layer, as some programs write them; "
                "export it with another program, or let a vision model write the queries (--endpoint)"
            )
        else:
            known[document.digest] = key
            documents.append(document)
    return documents, problems


def read_document(file: Path, key: str) -> Document:
    """One file, its pages sorted into those with text, listings and silent ones.

    Raises:
        PdfError: the file cannot be read as PDF.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise PdfError(f"{file}: cannot be read ({error.strerror})") from error
    with open_pdf(file, content) as pdf:
        layers = has_layers(content)
        lines = [read_lines(pdf, number, layers=layers) for number in range(len(pdf))]
        bookmarks = list(read_bookmarks(pdf))
    document = Document(key, file, hashlib.sha256(content).hexdigest(), len(lines))
    document.chapters = [number for number, level, _ in bookmarks if level == 0]
    document.has_text = any(lines)
    document.backwards = reads_backwards(" ".join(line.text for page in lines for line in page))
    _add_pages(document, without_running_lines(lines, body_size(lines)), bookmarks)
    return document


def _add_pages(document: Document, lines: list[list[Line]], bookmarks: list[tuple[int, int, str]]) -> None:
    words: dict[int, str] = {}
    unreadable = 0
    for number, page in enumerate(lines):
        text = "\n".join(line.text for line in page)
        garbled = is_unreadable(text)
        unreadable += garbled
        if garbled or sum(character.isalpha() for character in text) < _MIN_LETTERS:
            document.silent.append(number)
        else:
            words[number] = as_words(text)
    document.unreadable = unreadable > len(words)
    texts = {number: [line.text for line in lines[number]] for number in words}
    document.listings = [n for n, text in texts.items() if is_listing(n, text, words, len(lines))]
    for number in document.listings:
        del words[number]
    # A table of contents has the form of an index, but stands before what it lists.
    index = [texts[number] for number in document.listings if number > len(lines) // 2]
    titles, terms, sections = defaultdict(list), defaultdict(list), defaultdict(list)
    for number, _, title in bookmarks:
        titles[number].append(title)
    for number, term in read_index(index, words):
        terms[number].append(term)
    sizes = body_sizes(lines)
    parts = {number: parts_of(lines[number], sizes[number]) for number in words}
    headings = [parts[number].headings if number in parts else [] for number in range(len(lines))]
    for number, section in [*of_bookmarks(bookmarks), *of_headings(headings)]:
        sections[number].append(section)
    for number, text in words.items():
        told = Page(document.key, number, text, parts[number])
        structural(told, titles[number], terms[number], sections[number])
        document.pages.append(told)
