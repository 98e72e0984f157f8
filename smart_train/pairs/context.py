"""What a text of a page is asked with: the name of its document and the heading that it stands under.

"The limitation applies to acts of storage" is a question only together with "Limitation for system caching". A sentence
that names its subject is asked with both too: readers found 84 % of these worth asking, and 75 % of the same sentences
alone (73 sentences, two readers of each; docs/query-quality.md)."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from itertools import accumulate
from statistics import median_high

import regex

from smart_train.data.formats.pdf_characters import REPLACEMENT
from smart_train.pairs.broken_headings import is_beside_title, is_broken
from smart_train.pairs.form_text import is_field, without_address
from smart_train.pairs.generic_headings import (
    is_generated,
    is_generic,
    is_one_of_others,
    is_over_licence,
    is_over_sources,
    is_vague,
)
from smart_train.pairs.joined_texts import BlockTexts
from smart_train.pairs.page_parts import Parts
from smart_train.pairs.paragraphs import paragraphs
from smart_train.pairs.words import as_words, is_unspaced, length_in_words, without_numbering, words_of
from smart_train.pairs.worth import says_something

_MOST_WORDS, _FEW_WORDS = 12, 6  # of a heading that is put before a sentence; of one that is put before such a heading
_MOST_CHARACTERS = 100
_LEAST_LETTERS = 3
_LOOKED_AT = 400  # characters; no longer heading is put before anything
_MOST_OF_QUERY = 400  # characters
_REPEATED = 3  # pages that a heading is printed on
_MOST_OVER = 20  # headings over a text that are looked at, from the nearest on; real documents have fewer levels
_FIRST_PAGES = 3
_CONTINUED = regex.compile(
    r"\s*[(\[](?:continued|cont['’.]?d?\.?|continuación|cont\.|suite|fortsetzung|forts\.|segue|продолжение|続き|续)[)\]]\s*$",
    regex.IGNORECASE,
)
_WIDER = " – "  # after a wider heading, or a name
_ENDS = " .:;,|·–—-。：、´`¨^"
# "CHAPTER 6 – Markets", "Section 2 Diesel engines".
_CHAPTER = regex.compile(
    r"(?:chapter|section|part|appendix|annex|unit|kapitel|abschnitt|teil|anhang|chapitre|partie|annexe|capítulo|sección"
    r"|parte|anexo|capitolo|sezione|allegato|hoofdstuk|bijlage|rozdział|глава|раздел|часть)"
    r"\s(?:\d+(?:\.\d+)*|[IVXLC]+|\p{Lu})\b[\s.:–—-]*",
    regex.IGNORECASE,
)
_SUBTITLE = regex.compile(r":\s|\s[–—-]\s")
_NUMBER_AFTER = regex.compile(r"\s*\|\s*[\d.]+$")  # "Brucella | 3.5."
_QUESTION = regex.compile(r"[?!？！؟]$")
# A person, who is not what the text below is about.
_PERSON = regex.compile(
    r"(?:(?:Prof|Dr|Mrs?|Ms|Dipl|Ing|Sra?|Dott|Mme|Mlle)\.?\s|Herr\s|Frau\s)+(?:\p{Lu}[\p{L}.'’-]*\s?){1,4}"
)
_NUMBERED = regex.compile(r"\s\d{1,4}$")  # an entry of a table of contents


def heads_of_pages(
    parts: Sequence[Parts | None], bookmarks: Sequence[tuple[int, int, str]], titles: Sequence[str]
) -> list[list[list[str]]]:
    """What each block of each page stands under, the nearest heading first and the document's titles last.

    Args:
        parts: of each page; None for a page without text.
        bookmarks: page (from 0), level and title. titles: what may be the document's title, the best first.
    """
    names = [title for title in titles if not is_beside_title(title)]
    outline = _Outline(bookmarks)
    printed_sizes = [size for page in parts if page for size, _ in (*page.headings, *page.cut)]
    # What stands over the next page too: a section's heading, hardly the title of a box.
    large = median_high(printed_sizes) if printed_sizes else 0.0
    heads_by_page: list[list[list[str]]] = []
    over = _Over()
    for number, page in enumerate(parts):
        if page is None:
            heads_by_page.append([])
            over = _Over()  # a heading may stand on it
            continue
        paths = {title: deque(of_title) for title, of_title in outline.paths_by_title(number).items()}
        printed = Counter(_title_words(block.head) for block in page.blocks if block.head)
        if bookmarks:
            above = outline.above(number)
            if any(printed[title] < len(of_title) for title, of_title in paths.items()):
                # Somewhere on this page another section begins, nobody knows where: both stand under what is above.
                after = outline.after(number)
                above = [head for head in above if head in after]
            over = _Over(above)
        # Where the page has a title more or less often than its bookmarks, it is not known which of them stands where.
        counted = {title for title, of_title in paths.items() if printed[title] == len(of_title)}
        sizes = {text: size for size, text in (*page.headings, *page.cut)}
        blocks: list[list[str]] = []
        for block in page.blocks:
            title = _title_words(block.head)
            if block.head and title in paths:
                over = _Over(paths[title].popleft() if title in counted else ())
            elif block.head:
                over.add(block.head, sizes.get(block.head, 0.0))
            blocks.append([head for head in (*over.heads(), *names) if head])
        heads_by_page.append(blocks)
        over.leave_page(large)
    return heads_by_page


def general_heads_of_pages(parts: Sequence[Parts | None], titles: Sequence[str]) -> list[frozenset[str]]:
    """Of each page the headings that say nothing of it, `as_words`: the document's title, where the page does not have
    it in print, and what is printed over several pages. The title of a few pages says what they are about."""
    printed = [
        {as_words(without_marks(block.head)) for block in page.blocks if block.head} if page else set()
        for page in parts
    ]
    counts = Counter(head for heads in printed for head in heads)
    repeated = {head for head, count in counts.items() if count >= _REPEATED}
    names = {as_words(without_marks(title)) for title in titles} if len(parts) > _FIRST_PAGES else set()
    return [frozenset(repeated | (names - heads)) for heads in printed]


def _title_words(title: str) -> str:
    return as_words(without_numbering(title))


class _Over:
    """The headings that are over a line: of the document's bookmarks, and of print below them."""

    def __init__(self, path: Sequence[str] = ()) -> None:
        """Args:
        path: of a bookmark, see `_Outline`.
        """
        self._path = path
        self._printed: list[tuple[float, str]] = []  # each in smaller print than the one before

    def add(self, head: str, size: float) -> None:
        """A heading in print; it ends what is over the text in the same or smaller print."""
        while self._printed and self._printed[-1][0] <= size:
            self._printed.pop()
        self._printed.append((size, head))

    def leave_page(self, large: float) -> None:
        """Forgets the headings in print smaller than `large`."""
        self._printed = [(size, head) for size, head in self._printed if size >= large > 0]

    def heads(self) -> list[str]:
        """The nearest of them, the nearest first."""
        printed = (head for _, head in reversed(self._printed[-_MOST_OVER:]))
        return [*printed, *self._path][:_MOST_OVER]


class _Outline:
    """The bookmarks of a document by page. Each is read once: outlines of 10,000 bookmarks are common in manuals."""

    def __init__(self, bookmarks: Sequence[tuple[int, int, str]]) -> None:
        self._titles: list[str] = []
        self._parents: list[int | None] = []
        self._places: dict[int, list[int]] = {}
        open_levels: list[tuple[int, int]] = []  # level and place of the last bookmark and of those above it
        for place, (page, level, title) in enumerate(bookmarks):
            while open_levels and open_levels[-1][0] >= level:
                open_levels.pop()
            self._titles.append(title)
            self._parents.append(open_levels[-1][1] if open_levels else None)
            self._places.setdefault(page, []).append(place)
            open_levels.append((level, place))
        self._pages = sorted(self._places)
        self._counts = list(accumulate(len(self._places[page]) for page in self._pages))

    def above(self, page: int) -> list[str]:
        """What the first line of a page stands under: the last bookmark before it and those above that one."""
        if page in self._places:
            return self._path(self._places[page][0] - 1)
        pages_before = bisect_left(self._pages, page)
        return self._path(self._counts[pages_before - 1] - 1) if pages_before else []

    def after(self, page: int) -> list[str]:
        """What stands after the last bookmark of a page is under this."""
        return self._path(self._places[page][-1])

    def paths_by_title(self, page: int) -> dict[str, list[list[str]]]:
        """The bookmarks of a page, by their titles `as_words`: of each those above it, itself first."""
        paths: dict[str, list[list[str]]] = {}
        for place in self._places.get(page, ()):
            paths.setdefault(_title_words(self._titles[place]), []).append(self._path(place))
        return paths

    def _path(self, place: int) -> list[str]:
        path: list[str] = []
        at: int | None = place if place >= 0 else None
        while at is not None:
            path.append(self._titles[at])
            at = self._parents[at]
        return path


class Contexts:
    """The headings over the sentences of one page."""

    def __init__(
        self,
        parts: Parts,
        heads: Sequence[Sequence[str]],
        general: frozenset[str] = frozenset(),
        *,
        named: bool = True,
    ) -> None:
        """Args:
        heads: of each block of the page, see `heads_of_pages`. general: see `general_heads_of_pages`.
        named: whether the document's name will stand before them; else a wider heading does.
        """
        self._general, self._named, self._heads = general, named, heads
        self._texts = BlockTexts([paragraphs(block.lines) for block, _ in zip(parts.blocks, heads, strict=False)])
        # What does not depend on a sentence is found out once.
        self._fit: dict[str, str | None] = {}  # by heading: without its marks, where it is fit to be asked with
        self._nearest: dict[int, tuple[str, str] | None] = {}  # by block, see `_nearest_of`
        self._under: dict[str, tuple[int | None, bool]] = {}  # by sentence, see `_under_what`

    def over(self, sentence: str, printed: str = "") -> str | None:
        """The heading that says what a sentence is about; empty where the sentence has its words, None where there is
        no such heading, or it cannot be told which one it is.

        Args:
            printed: the sentence as it stands on the page, where that differs ("However, ..."), see `Told`.
        """
        block, _ = self._under_what(printed or sentence)
        if block is None:
            return None
        if block not in self._nearest:
            self._nearest[block] = self._nearest_of(block)
        nearest = self._nearest[block]
        if nearest is None:
            return None
        alone, with_wider = nearest
        return "" if set(words_of(sentence)).issuperset(words_of(alone)) else with_wider

    def is_general(self, head: str) -> bool:
        """Whether a heading is over many pages, so that it does not say what a sentence of this one is about."""
        return as_words(head) in self._general

    def is_source(self, printed: str) -> bool:
        """Whether a sentence, as it stands on the page, stands in a list of sources, among thanks, or in a licence."""
        _, is_source = self._under_what(printed)
        return is_source

    def _under_what(self, printed: str) -> tuple[int | None, bool]:
        """The first block with a sentence, or None where there is none, or others stand under other headings; and
        whether all of them stand under sources or a licence."""
        if printed not in self._under:
            blocks = self._texts.holding(printed)
            above = [self._heads[block] for block in blocks]
            one = bool(above) and all(other == above[0] for other in above)
            is_source = bool(above) and all(map(_are_over_sources, above))
            self._under[printed] = (blocks[0] if one else None, is_source)
        return self._under[printed]

    def _nearest_of(self, block: int) -> tuple[str, str] | None:
        """The nearest heading over a block that is fit to be asked with, alone and as it is asked: with a wider one
        before it where it says too little; None where there is none."""
        for head in self._heads[block]:
            if head not in self._fit:
                bare = without_address(head)
                shown = without_marks(bare)
                self._fit[head] = shown if is_fit(shown) and not is_field(bare) else None  # "12 Main Street"
        fit = [fitting for head in self._heads[block] if (fitting := self._fit[head]) is not None]
        if not fit:
            return None
        nearest = fit[0]
        if (is_vague(nearest) or not self._named) and not _QUESTION.search(nearest):
            wider = _wider(fit[1:], nearest)
            return nearest, f"{wider}{_WIDER}{nearest}" if wider else nearest
        return nearest, nearest


def _are_over_sources(heads: Sequence[str]) -> bool:
    return bool(heads) and (is_over_sources(heads[0]) or any(map(is_over_licence, heads)))


def _wider(heads: Iterable[str], nearest: str) -> str:
    return next(
        (
            head
            for head in heads
            if length_in_words(head) <= _FEW_WORDS
            and not _QUESTION.search(head)
            and as_words(nearest) not in as_words(head)
            and as_words(head) not in as_words(nearest)
        ),
        "",
    )


def with_context(text: str, head: str, name: str = "") -> str:
    """`name – head: text`, as the script of the heading writes it: without the name where the rest has its words, and
    without the name, or both, where that would be too long.

    Args:
        head: that the text stands under, or empty. name: of its document, or empty.
    """
    if set(words_of(f"{head} {text}")).issuperset(words_of(name)):
        name = ""
    for before in (f"{name}{_WIDER}{head}" if name and head else name or head, head):
        joined = _joined(before, text)
        if len(joined) <= _MOST_OF_QUERY:
            return joined
    return text


def says_name(query: str, name: str) -> bool:
    """Whether a query has the words of a document's name, which there is."""
    return name != "" and set(words_of(query)).issuperset(words_of(name))


def _joined(head: str, text: str) -> str:
    if not head:
        return text
    if is_unspaced(head[-1]):
        return f"{head}{text}" if _QUESTION.search(head) else f"{head}：{text}"
    return f"{head} {text}" if _QUESTION.search(head) else f"{head}: {text}"


def without_marks(head: str) -> str:
    """A heading without its number, "(continued)" and "Chapter 2"; a long one also without what follows its colon."""
    head = " ".join(head.split())  # some patterns would take very long for thousands of blanks
    if len(head) > _LOOKED_AT:
        return head
    head = without_numbering(_NUMBER_AFTER.sub("", _CONTINUED.sub("", without_numbering(head.strip())))).strip(_ENDS)
    if chapter := _CHAPTER.match(head):
        head = head[chapter.end() :]
    if length_in_words(head) > _FEW_WORDS and (subtitle := _SUBTITLE.search(head)):
        title = head[: subtitle.start()]
        return title if length_in_words(title) > 1 and not is_generic(title) else head
    return head


def is_fit(head: str) -> bool:
    """Whether a heading, without its number, is whole and says what the text under it is about."""
    return is_whole(head, _MOST_WORDS, _MOST_CHARACTERS) and not _NUMBERED.search(head)


def is_whole(head: str, words: int, characters: int) -> bool:
    """Whether a heading is whole, says something and is short enough. It may end in a number.

    Args:
        words, characters: the limits.
    """
    head = without_numbering(head)
    if not head or len(head) > characters or length_in_words(head) > words or REPLACEMENT in head:
        return False
    if sum(character.isalpha() for character in head) < _LEAST_LETTERS:
        return False
    if head[0].islower() or not (head[0].isalnum() or head[0] in "\"'«„“¿¡「『"):
        return False
    if _PERSON.fullmatch(head) or is_broken(head) or is_generated(head) or is_generic(head) or is_one_of_others(head):
        return False
    return says_something(head, head=True)
