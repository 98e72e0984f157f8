"""What a document is called: the title that its file or its print gives it, before what is asked of its pages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from smart_train.pairs.broken_headings import is_beside_title
from smart_train.pairs.context import is_whole, without_marks
from smart_train.pairs.form_text import without_address
from smart_train.pairs.generic_headings import is_generic
from smart_train.pairs.page_parts import Line, Parts
from smart_train.pairs.words import as_words, is_unspaced, length_in_words, without_numbering, words_of

_FIRST_PAGES, _TITLE_WORDS, _TITLE_PAGES, _TITLE_SHARE = 3, 3, 3, 0.4
_TITLE_PAGE = 200  # characters of running text; a title page has fewer
_SAME_SIZE = 1.02  # times: sizes that differ by less are one
_MOST_OF_NAME = 16, 110  # words, characters
_LINES_OF_TITLE = 4
_KNOWN_SHARE, _KNOWN, _LETTERS = 0.6, 2, 4  # of a title's words that its pages have: share, number; letters of a word
# What programs put around a title, and files that are named after a template.
_AROUND = re.compile(
    r"^\(?(?:microsoft (?:word|powerpoint|excel) - )|\.(?:docx?|pptx?|xlsx?|odt|html?|pdf|dvi|tex)\b\)?$", re.I
)
# What programs call a file that nobody named; the name of a file.
_TEMPLATE = re.compile(
    r"^(?:powerpoint[ -])?pr[äae]e?sentation ?\d*$|^(?:document|dokument|folie|slide|untitled|template) ?\d*$"
    r"|\btemplate$|^[^\s_-]+(?:[_-][^\s_-]*){2,}$",
    re.I,
)
_NUMBERED = re.compile(
    r"(?:chapter|section|part|appendix|annex|kapitel|abschnitt|chapitre|capítulo|capitolo|глава)?\s?\d", re.I
)


def name_of(titles: Sequence[str]) -> str:
    """The first title that is whole; empty where none is."""
    names = map(without_address, map(without_marks, titles))
    return next((name for name in names if is_whole(name, *_MOST_OF_NAME)), "")


def titles_of(
    named: str, printed: Sequence[str], running: Sequence[Sequence[str]], pages: Sequence[Sequence[Line]]
) -> list[str]:
    """What may be the title of a document, the best first: the one that its file gives itself, if its first pages have
    most of its words too (many files are named after a template, or "Document1"); the one of its first page; and the
    running head of most pages.

    Args:
        printed: see `printed_titles`. running: the texts of the running heads and feet of each page.
        pages: their lines.
    """
    first = as_words(" ".join(line.text for page in pages[:_FIRST_PAGES] for line in page))
    named = _AROUND.sub("", named).strip()
    titles = [named] if named and not _TEMPLATE.search(named) and _is_of(named, first) else []
    titles += [title for title in printed if not is_beside_title(title)]
    counts = Counter(text for page in running for text in dict.fromkeys(page) if length_in_words(text) >= _TITLE_WORDS)
    text, count = next(iter(counts.most_common(1)), ("", 0))
    if count >= max(_TITLE_PAGES, _TITLE_SHARE * len(pages)) and not is_beside_title(text):
        titles.append(text)
    return titles


def _is_of(named: str, first: str) -> bool:
    """Whether a title is that of the document whose first pages have the words `first`."""
    words = {word for word in words_of(named) if len(word) >= _LETTERS or is_unspaced(word[0])}
    known = len(words & set(first.split()))
    return as_words(named) in first or (known >= _KNOWN and known >= _KNOWN_SHARE * len(words))


def printed_titles(
    lines: Sequence[Line],
    first: Parts,
    headings: Sequence[Sequence[tuple[float, str]]],
    bookmarks: Sequence[tuple[int, int, str]],
    *,
    lists: bool,
) -> list[str]:
    """What may be the title on the first page of a document: its largest print, and bold words at its top.

    Args:
        lines: of the first page. first: its parts. headings: size and text of those of each page, the first included.
        bookmarks: page, level and title of each. lists: whether the first page is a table of contents.
    """
    titles = []
    size, largest = max(first.headings, key=lambda heading: heading[0], default=(0.0, ""))
    tops = [title for _, level, title in bookmarks if level == 0]
    sections = {as_words(title) for title in (tops if len(tops) > 1 else ())}
    on_title_page = lists or len(first.prose) < _TITLE_PAGE
    is_section = as_words(without_numbering(largest)) in sections
    if largest and not is_section and (on_title_page or _is_apart(size, largest, headings)):
        titles.append(largest)
    text = sum(len(line.text) for line in lines)
    if not first.headings and lines and text < _TITLE_PAGE:  # a slide, in the print of the others
        titles.append(_joined(lines, max(line.size for line in lines), bold=False))
    if lines and lines[0].bold and text >= _TITLE_PAGE:
        titles.append(_joined(lines, lines[0].size, bold=True))
    return [title for title in titles if title]


def _is_apart(size: float, title: str, headings: Sequence[Sequence[tuple[float, str]]]) -> bool:
    """Whether no other page has a heading in print of this size, or the others have a number and the title has none. It
    may be smaller than those of chapters."""
    others = [
        text for page in headings[1:] for other, text in page if other < _SAME_SIZE * size and size < _SAME_SIZE * other
    ]
    numbered = sum(_NUMBERED.match(text) is not None or is_generic(text) for text in others)
    return not others or (numbered > len(others) / 2 and not _NUMBERED.match(title))


def _joined(lines: Sequence[Line], size: float, *, bold: bool) -> str:
    """The first lines in print of this size that stand one below the other; empty where they are many."""
    title: list[str] = []
    for line in lines:
        if line.size == size and line.bold >= bold:
            title.append(line.text)
        elif title:
            break
    return " ".join(title) if len(title) <= _LINES_OF_TITLE else ""
