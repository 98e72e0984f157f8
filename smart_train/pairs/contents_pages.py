"""What a document says about its own pages: bookmarks, tables of contents, and its index."""

from __future__ import annotations

import html
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import regex

from smart_train.data.formats.pdf import bookmarks
from smart_train.pairs.words import as_words, clean, without_numbering

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

# "name . . . . 12, 14" and "name, 12, 14": an entry of an index or of a table of contents. It is
# read from its end, "(?r)": from its beginning, each of a thousand dots would be tried as the first that leads to them.
_ENTRY = regex.compile(r"(?r)^(?P<term>\S.*?)(?:(?:\s*\.){3,}\s*|,\s+|\s+)(?P<numbers>\d+(?:,\s*\d+)*)$")
_LEADERS = regex.compile(r"(?:\.\s*){3}\d")
_IN_BRACKETS_AT_END = regex.compile(r"(?r)\s*\([^)]*\)$")
_LEAST_LINES = 8  # of a listing
_IN_ORDER = 0.8  # of neighbouring entries are in order where all are: columns and wrapped entries break it
_FOUND = 0.4  # of the entries are found where they point; others were changed, or wrapped
# Likewise where dots or commas stand before the numbers. In ten manuals such pages have 0.40 to 1.00, but for one of
# twelve reworded entries; in tables of prices and amounts, which are set like this too, entries agree by chance alone.
_FOUND_BY_FORM = 0.25
_LEAST_FOUND = 4  # entries; with fewer, chance suffices
_LEAST_PAGES = 3  # that these name: all parts of a list with "2" behind each may stand on the page that tells of them
_FRONT_MATTER = 60  # pages that may lie between a page's printed number and its place in the file


def is_listing(number: int, lines: Sequence[str], pages: Mapping[int, str], page_count: int) -> bool:
    """Whether a page is a table of contents or an index. More than half of its lines then end in numbers, as those of
    a price list, a balance sheet or a register do too. What sets it apart: the numbers rise, or the terms are in order;
    and entries are found on the pages that they name. Its form is not enough: dots and commas before them stand in
    tables as well. They only lower the share of entries that must be found.

    Args:
        number: the page's, from 0. lines: its lines. pages: page -> its text `as_words`.
    """
    matches = [match for line in lines if (match := _ENTRY.match(line))]
    if len(lines) < _LEAST_LINES or len(matches) <= len(lines) / 2:
        return False
    entries = [(_term(match), int(match["numbers"].partition(",")[0])) for match in matches]
    if max(printed for _, printed in entries) > page_count + _FRONT_MATTER:
        return False
    if not _rising([term.casefold() for term, _ in entries]) and not _rising([printed for _, printed in entries]):
        return False
    leaders = sum(_LEADERS.search(match[0]) is not None for match in matches)
    commas = sum("," in match[0][match.end("term") :] for match in matches)
    share = _FOUND_BY_FORM if max(leaders, commas) >= len(matches) / 2 else _FOUND
    return _named_pages(number, entries, pages) >= max(_LEAST_FOUND, share * len(entries))


def _term(match: regex.Match[str]) -> str:
    """The words of an entry, without what an index has in brackets after them: the page need not repeat that."""
    return _IN_BRACKETS_AT_END.sub("", match["term"], count=1).strip(" .,")


def _rising(values: Sequence[Any]) -> bool:
    pairs = list(zip(values, values[1:], strict=False))
    return len(set(values)) > 1 and sum(one <= other for one, other in pairs) >= _IN_ORDER * len(pairs)


def _named_pages(number: int, entries: Sequence[tuple[str, int]], pages: Mapping[int, str]) -> int:
    """How many entries stand on the page that they name, under the shift between printed numbers and places in the file
    that most of them agree on; none where they name hardly more than one page. Terms on many of the pages that may be
    meant are not evidence."""
    agreeing: defaultdict[int, list[int]] = defaultdict(list)
    for term, printed in entries:
        words = as_words(without_numbering(term))
        told = [place for place in _near(printed) if place != number and place in pages] if words.strip() else []
        holding = [place for place in told if words in pages[place]]
        if len(holding) <= max(3, len(told) / 4):
            for place in holding:
                agreeing[place - printed].append(printed)
    return max((len(named) for named in agreeing.values() if len(set(named)) >= _LEAST_PAGES), default=0)


def _near(printed: int) -> range:
    """The pages that a printed number may mean."""
    return range(printed - _FRONT_MATTER, printed + _FRONT_MATTER + 1)


def read_bookmarks(pdf: PdfDocument) -> Iterator[tuple[int, int, str]]:
    """As `bookmarks`, titles without their section number."""
    for number, level, title in bookmarks(pdf):
        shown = without_numbering(clean(title))
        if shown:
            yield number, level, shown


def read_title(pdf: PdfDocument) -> str:
    """The title that a file gives itself; empty where it gives none, or one that is not text."""
    try:
        return clean(html.unescape(pdf.get_metadata_value("Title")))  # some programs write "&#8208;"
    except UnicodeDecodeError:
        return ""


def read_index(listings: Sequence[Sequence[str]], pages: Mapping[int, str]) -> Iterator[tuple[int, str]]:
    """Page (from 0) and term of index entries with a single page.

    An index gives printed numbers, which start after the front matter. The shift between the two is the one under which
    most entries are found on their page.

    Args:
        listings: the lines of the pages that are an index. pages: page -> its text `as_words`.
    """
    entries = []
    for line in (line for listing in listings for line in listing):
        match = _ENTRY.match(line)
        # An entry that begins with a number is a section's: a table of contents at the end of a document.
        if match and "," not in match["numbers"] and not match["term"][0].isdigit():
            term = _term(match)
            entries.append((int(match["numbers"]), term, as_words(term)))
    votes = Counter(
        number - printed for printed, _, words in entries if words.strip()
        for number in _near(printed) if words in pages.get(number, "")
    )  # fmt: skip
    if not votes:
        return
    shift = votes.most_common(1)[0][0]
    for printed, term, words in entries:
        if words in pages.get(printed + shift, ""):
            yield printed + shift, term
