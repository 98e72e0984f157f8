"""The PDF files of a folder, and what each of their pages can be asked for."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm.auto import tqdm

from smart_train.data.formats.office import Office
from smart_train.data.formats.page_text import PageText, read_page_text
from smart_train.data.formats.pdf import PdfError, open_pdf
from smart_train.data.formats.pdf_text_layer import has_layers
from smart_train.data.formats.unreadable import is_unreadable
from smart_train.errors import DataError, listing
from smart_train.pairs.candidates import Page, add_structural_candidates
from smart_train.pairs.contents_pages import is_listing, read_bookmarks, read_index, read_title
from smart_train.pairs.context import general_heads_of_pages, heads_of_pages
from smart_train.pairs.counted_files import files_beside, files_to_read
from smart_train.pairs.document_names import name_of, printed_titles, titles_of
from smart_train.pairs.page_parts import Line, Parts, as_read, body_size, body_sizes, parts_of
from smart_train.pairs.running_lines import without_running_lines
from smart_train.pairs.sections import of_bookmarks, of_headings
from smart_train.pairs.words import as_words, reads_backwards, without_numbering

_MIN_LETTERS = 20  # a page with less text says nothing of its own


@dataclass
class Document:
    """One PDF file as read.

    Attributes:
        key: its path below the folder, with "/" between parts; begins the ids of its pages.
        path: of the file that was found. pdf: the same, or the PDF file that LibreOffice made of it.
        digest: SHA-256 of the file that was found. page_count: of all its pages.
        chapters: pages (from 0) of top-level bookmarks.
        pages: those with text to be found by. listings: tables of contents and indexes, which hold the words of every
            heading and would be second answers. silent: without text, or hardly any: scans, figures, blank pages.
        has_text: whether there is a text layer at all. backwards: whether words stand in it in reverse.
        unreadable: whether most of its pages with text hold glyph numbers instead of letters; such pages are silent.
        texts, outline, title: of each page all that can be read on it; page (from 0), level (from 0, the top) and title
            of each bookmark; the title that the file gives itself: what the rest is made of.
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
    texts: list[PageText] = field(default_factory=list)
    outline: list[tuple[int, int, str]] = field(default_factory=list)
    title: str = ""
    pdf: Path = field(default_factory=Path)

    def sort_pages(self) -> None:
        """Makes `pages`, `listings`, `silent` and what is said of the text of `texts` and `outline`."""
        self.pages, self.listings, self.silent = [], [], []
        lines = [as_read(page) for page in self.texts]
        self.has_text = any(lines)
        self.backwards = reads_backwards(" ".join(line.text for page in lines for line in page))
        body_lines = without_running_lines(lines, body_size(lines))
        running = [_without(page, body) for page, body in zip(lines, body_lines, strict=True)]
        _add_pages(self, body_lines, running, lines)
        for page in self.pages:
            page.running = as_words(" ".join(running[page.number]))


def _without(lines: Sequence[Line], body: Sequence[Line]) -> list[str]:
    body_ids = {id(line) for line in body}
    return [line.text for line in lines if id(line) not in body_ids]


def read_documents(
    folder: str | Path,
    *,
    unusable: Callable[[Document], str | None] = lambda document: why_silent(document),
    office: Office | None = None,
    show_progress_bar: bool | None = None,
) -> tuple[list[Document], list[str]]:
    """Every document below `folder`, in the order of names, and what is wrong with those that cannot be used.

    A file with the content of an earlier one is such a problem too: the same document would be in both parts.

    Args:
        unusable: says what is wrong with a document that was read; default: that no query can be taken from its text.
        office: makes PDF files of office, web and book files, which are then read too; None: they are not.

    Raises:
        DataError: no such folder, or no PDF file in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}; name one with PDF files")
    files = files_to_read(folder, office is not None)
    if not files:
        _, beside = files_beside(folder, ())
        not_read = f"; not read:\n{listing(beside)}" if beside else ""
        raise DataError(f"{folder}: holds no PDF file (looked for *.pdf at all levels){not_read}")
    documents: list[Document] = []
    problems: list[str] = []
    keys_by_digest: dict[str, str] = {}
    hidden = None if show_progress_bar is None else not show_progress_bar
    for file in tqdm(files, desc="reading PDF files", leave=False, disable=hidden):
        key = file.relative_to(folder).as_posix()
        try:
            made = None if office is None or file.suffix.lower() == ".pdf" else office.pdf_of(file)
            document = read_document(file, key, made)
        except PdfError as error:
            problems.append(str(error))
            continue
        if document.digest in keys_by_digest:
            problems.append(f"{file}: the same file as {keys_by_digest[document.digest]}; keep one of them")
        elif problem := unusable(document):
            problems.append(problem)
        else:
            keys_by_digest[document.digest] = key
            documents.append(document)
    return documents, problems


def why_silent(document: Document, first: str = "", *, as_text: bool = False) -> str | None:
    """Why no query can be taken from a document's text, and what to do; None where one can.

    Args:
        first: what to try before anything else.
        as_text: its pages are to be text, which a vision model does not make.
    """
    file = document.path
    or_model = "" if as_text else ", or let a vision model write the queries (--endpoint)"
    if not document.has_text:
        return (
            f"{file}: no text layer on its {document.page_count} pages (a scan?); {first}run it through OCR, for "
            f"example ocrmypdf{or_model}"
        )
    if document.unreadable:
        return (
            f"{file}: its text layer is unreadable: it holds the numbers of glyphs instead of letters, because its "
            f"fonts do not say which letters they are; {first}run it through OCR, for example ocrmypdf "
            f"--force-ocr{or_model}"
        )
    if document.backwards:
        return (
            f"{file}: its right-to-left words are reversed in the text layer, as some programs write them; "
            f"export it with another program{or_model}"
        )
    return None


def read_document(file: Path, key: str, pdf: Path | None = None) -> Document:
    """One file, its pages sorted into those with text, listings and silent ones.

    Args:
        pdf: the PDF file that was made of `file`; None where that is one itself.

    Raises:
        PdfError: the file cannot be read as PDF.
    """
    try:
        content = (pdf or file).read_bytes()
        digest = hashlib.sha256(content if pdf in (None, file) else file.read_bytes()).hexdigest()
    except OSError as error:
        raise PdfError(f"{file}: cannot be read ({error.strerror})") from error
    with open_pdf(file, content) as opened:
        layers = has_layers(content)
        document = Document(key, file, digest, len(opened), pdf=pdf or file)
        document.texts = [
            read_page_text(opened, number, layers=layers, print_signs=True) for number in range(len(opened))
        ]
        document.outline = list(read_bookmarks(opened))
        document.title = read_title(opened)
    document.chapters = [number for number, level, _ in document.outline if level == 0]
    document.sort_pages()
    return document


def _add_pages(
    document: Document, lines: list[list[Line]], running: list[list[str]], all_lines: list[list[Line]]
) -> None:
    """Args:
    lines: of each page, without its running heads and feet. running: these. all_lines: with them.
    """
    words: dict[int, str] = {}
    bookmarks = document.outline
    garbled: set[int] = set()
    for number, page in enumerate(lines):
        text = "\n".join(line.text for line in page)
        if is_unreadable(text):
            garbled.add(number)
        if number in garbled or sum(character.isalpha() for character in text) < _MIN_LETTERS:
            document.silent.append(number)
        else:
            words[number] = as_words(text)
    document.unreadable = len(garbled) > len(words)
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

    def parts_at(number: int) -> Parts:
        named = {as_words(without_numbering(title)) for title in titles[number]}
        return parts_of(lines[number], sizes[number], named)

    parts = {number: parts_at(number) for number in words}
    # A title page may have too few letters to be asked for.
    first = parts.get(0) or (parts_at(0) if lines and 0 not in garbled else Parts([], [], ""))
    headings = [first.headings, *(parts[n].headings if n in parts else [] for n in range(1, len(lines)))]
    title = _title(first.headings, bookmarks)
    for number, section in [*of_bookmarks(bookmarks, title), *of_headings(headings)]:
        sections[number].append(section)
    pages = [parts.get(number) for number in range(len(lines))]
    printed = printed_titles(lines[0] if lines else (), first, headings, bookmarks, lists=0 in document.listings)
    names = titles_of(document.title, printed, running, all_lines)
    heads, general, name = heads_of_pages(pages, bookmarks, names), general_heads_of_pages(pages, names), name_of(names)
    for number, text in words.items():
        page_to_ask = Page(
            document.key, number, text, parts[number], heads=heads[number], general_heads=general[number], name=name
        )
        add_structural_candidates(page_to_ask, titles[number], terms[number], sections[number])
        document.pages.append(page_to_ask)


def _title(headings: Sequence[tuple[float, str]], bookmarks: Sequence[tuple[int, int, str]]) -> str:
    """The largest print of the first page, which stands above all sections, unless it is the heading of one; empty
    where there is none."""
    _, title = max(headings, key=lambda heading: heading[0], default=(0.0, ""))
    sections = {as_words(text) for _, _, text in bookmarks}
    return "" if as_words(without_numbering(title)) in sections else title
