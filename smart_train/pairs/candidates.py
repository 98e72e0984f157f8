"""What a page could be asked for, taken from its own text: its title, headings, captions, index terms, telling
sentences and lines. Whether a page alone answers is decided over all pages, in `specific`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from smart_train.data.formats.pdf_characters import REPLACEMENT
from smart_train.pairs.broken_headings import begins_small, is_beside_title, is_broken
from smart_train.pairs.chances import PageChances
from smart_train.pairs.context import Contexts, is_fit, says_name, with_context
from smart_train.pairs.doubts import has_definite_subject, holds_symbols, is_garbled
from smart_train.pairs.form_text import is_field
from smart_train.pairs.generic_headings import is_generic, is_placeholder, is_vague
from smart_train.pairs.joined_texts import JoinedTexts
from smart_train.pairs.leaning import leans, links
from smart_train.pairs.named_subject import is_named, refers_back
from smart_train.pairs.page_parts import Block, Line, Parts
from smart_train.pairs.paragraphs import is_unfinished
from smart_train.pairs.sentences import (
    FULL_STOPS,
    MARK,
    SENTENCE_END,
    is_balanced,
    mostly_unspaced,
    pieces_of,
    split_lines,
    told_sentences,
)
from smart_train.pairs.wholeness import DOUBTFUL, Signs, Told, lacks_verb, says_again, wholeness
from smart_train.pairs.words import (
    as_words,
    length_in_words,
    without_numbering,
    words_of,
)
from smart_train.pairs.worth import is_boilerplate, says_something

# In the order in which a page's queries are chosen; "written" ones come from a vision model.
Kind = Literal["title", "bookmark", "heading", "caption", "term", "section", "sentence", "item", "line", "written"]

_HEADS = ("title", "bookmark", "heading", "caption")

MIN_LETTERS, MAX_CHARACTERS = 5, 240
_TEXT_UNDER_HEAD = 150  # characters
_WORDS_OF_CELL = 8  # a line of more words has a verb, or is a cell that goes on
_LABELS, _WORDS_OF_LABEL, _WORDS_BELOW = 3, 7, 4  # headings of a page; words of one; of a line
# The caption goes on in another column, or its label is of another text.
_CUT_CAPTION = re.compile(
    r"^\d+[a-z]?\s[a-z]|^[—–-]\s?[a-z]|,$|\b(?:and|at|by|for|in|of|on|the|to|with|de|la|et|der|die|und|von|del|di)$"
    r"|[—–-]\s?(?:[Cc]ontinued|CONTINUED)\.?$|\((?:continued|cont\.|suite|Fortsetzung|continuación|segue)\)$"
)
_FIGURE = re.compile(
    r"\b(?:Figure|Fig\.|Table|Abbildung|Abb\.|Tabelle|Tableau|Figura|Tabla|Tabella|Рисунок|Таблица) \d+[-.:]?\d* \w"
)
_LEADERS = re.compile(r"(?:\.\s*){4}")
_ENTRY_OF_CONTENTS = re.compile(r"[^\W\d_]\W*\s\d{1,4}$")


@dataclass
class Page:
    """A page with something to be asked for.

    Attributes:
        document: the key of its document. number: from 0. words: all its text but running heads, `as_words`.
        parts: its headings, captions and running text. running: the words of its running heads, `as_words`.
        candidates: (kind, query) pairs, best first within a kind, without sentences and lines.
        heads: of each of the blocks of `parts`, what it stands under, see `heads_of_pages`.
        general_heads: those that are over other pages too, see `general_heads_of_pages`.
        name: what its document is called, see `name_of`.
    """

    document: str
    number: int
    words: str
    parts: Parts
    candidates: list[tuple[Kind, str]] = field(default_factory=list)
    running: str = ""
    heads: list[list[str]] = field(default_factory=list)
    general_heads: frozenset[str] = frozenset()
    name: str = ""

    @classmethod
    def without_text(cls, document: str, number: int) -> Page:
        """A page that can only be looked at."""
        return cls(document, number, "", Parts([], [], ""))


def add_structural_candidates(
    page: Page, bookmarks: Sequence[str], terms: Sequence[str], sections: Sequence[str] = ()
) -> None:
    """Fills `page.candidates` from what structures the document; the largest print of its first page is its title.

    Args:
        bookmarks, terms: titles and index entries that point to the page.
        sections: headings of the page, each with the one that it stands under.
    """
    headings = sorted(page.parts.headings, key=lambda heading: -heading[0])
    if page.number == 0 and headings:
        page.candidates.append(("title", without_numbering(headings[0][1])))
    cut = " ".join(as_words(text) for _, text in page.parts.cut)
    page.candidates.extend(("bookmark", title) for title in bookmarks if as_words(title) not in cut)
    entries = _entries(page.parts)
    page.candidates.extend(
        ("heading", without_numbering(MARK.sub("", text))) for _, text in headings if text not in entries
    )
    printed = {text for _, text in page.parts.headings + page.parts.cut}
    bold = (block.head for block in page.parts.blocks if block.head not in printed and _is_over_text(block))
    page.candidates.extend(("heading", without_numbering(text)) for text in bold if text not in entries)
    # What follows a caption's first sentence leans on it.
    captions = (
        pieces_of(text)[0].rstrip(FULL_STOPS + " ")
        for text in page.parts.captions
        if not (_CUT_CAPTION.search(text) or is_unfinished(text))
    )
    page.candidates.extend(
        ("caption", text) for text in captions if len(text) <= MAX_CHARACTERS and is_balanced(text) and not leans(text)
    )
    page.candidates.extend(("term", text) for text in terms)
    listed = " ".join(as_words(text) for text in entries)
    elsewhere = f" {cut} {listed} "
    page.candidates.extend(
        ("section", text) for text in sections if as_words(text.rpartition(": ")[2]) not in elsewhere
    )


def _is_over_text(block: Block) -> bool:
    """Whether a bold line stands over running text; it may also be the head of a column."""
    if not block.head or not is_fit(block.head):
        return False
    ends = any(SENTENCE_END.search(line.text) for line in block.lines)
    return ends and sum(len(line.text) for line in block.lines) >= _TEXT_UNDER_HEAD


class Labels:
    """The headings of a page in large print that no line of words is near below, as in a drawing."""

    def __init__(self, page: Page) -> None:
        blocks = page.parts.blocks
        of_words = [any(map(_is_of_words, block.lines)) for block in blocks]
        bare, telling = (
            [
                as_words(block.head)
                for at, block in enumerate(blocks)
                if block.head and any(of_words[at : at + 2]) == over
            ]
            for over in (False, True)
        )
        self._are_several = len(bare) >= _LABELS
        self._bare, self._telling = JoinedTexts(bare), JoinedTexts(telling)

    def holds(self, heading: str) -> bool:
        """Whether a heading, or that of a section, is one of several of them."""
        heading = heading.rpartition(": ")[2]
        name = as_words(heading)
        return (
            self._are_several
            and length_in_words(heading) <= _WORDS_OF_LABEL
            and self._bare.first(name) is not None
            and self._telling.first(name) is None
        )


def _is_of_words(line: Line) -> bool:
    return length_in_words(line.text) >= _WORDS_BELOW


def _entries(parts: Parts) -> set[str]:
    """Headings that are entries of a table of contents: several with a number at their end and no text under them. Text
    stands under "Python 3" and "Windows 11"."""
    over_text = {
        block.head for block in parts.blocks if any(not _ENTRY_OF_CONTENTS.search(line.text) for line in block.lines)
    }
    numbered = {text for _, text in parts.headings if _ENTRY_OF_CONTENTS.search(text)} - over_text
    return numbered if len(numbered) > 1 else set()


def is_telling(kind: Kind, query: str, number: int = 1) -> bool:
    """Whether a query is long enough to ask for something and short enough to be asked. A single word is enough for an
    entry of an index, which was chosen to be looked up. Rows of dots lead to a page number: that is not a heading.

    Args:
        number: of the page, from 0. Beside the title on the first one are authors and dates.
    """
    if len(query) > MAX_CHARACTERS or _LEADERS.search(query) or REPLACEMENT in query:
        return False
    letters = sum(character.isalpha() for character in query)
    enough = letters >= MIN_LETTERS or len(words_of(query)) >= MIN_LETTERS
    above, _, head = query.rpartition(": ") if kind == "section" else ("", "", query)
    if kind == "section" and (all(map(is_generic, query.split(": "))) or is_placeholder(head)):
        return False
    if kind == "section" and is_boilerplate(query):  # its parts may be names in a program: "Valve: open_slowly"
        return False
    if kind in (*_HEADS, "section") and (is_broken(head) or is_garbled(head)):
        return False
    # Cut in the middle of what it says; the labels of a form.
    labels = query.count(": ") - (kind in ("section", "item"))
    if kind in ("heading", "section", "item", "line") and (is_unfinished(head) or labels > 1):
        return False
    if kind == "heading" and begins_small(head):
        return False
    if kind in ("item", "line") and is_field(head):
        return False
    # The rest of a sentence in large print, not the name of something in a program.
    if kind == "section" and head[0].islower() and head[-1] in '.!?"”»':
        return False
    # Labels of a figure, and a caption that was read together with what is beside it.
    if kind in ("heading", "section") and (_FIGURE.search(query) or is_broken(above or head)):
        return False
    if number == 0 and kind in ("heading", "section") and is_beside_title(head):
        return False
    if kind in _HEADS and (query.endswith(":") or not says_something(query, head=True)):
        return False
    return enough and (kind == "term" or length_in_words(query) >= 2)


@dataclass(frozen=True)
class Asked:
    """A text of a page as it is asked for.

    Attributes:
        query: with the heading that it needs before it. text: as it stands on the page.
        chance: how likely it is worth asking.
    """

    kind: Kind
    query: str
    text: str
    chance: float


def telling_sentences(page: Page, chances: PageChances) -> Iterator[Asked]:
    """The sentences of a page that may be whole, each with the name of its document and the heading that it stands
    under."""
    signs = Signs.of(page.parts.prose, page.parts.apart)
    contexts = Contexts(page.parts, page.heads, page.general_heads, named=bool(page.name))
    for told in dict.fromkeys(told_sentences(page.parts.prose)):  # a page may say one thousands of times
        if not contexts.is_source(told.printed) and wholeness(told, signs) >= DOUBTFUL:
            asked = _asked(told, signs, contexts, chances, page.name)
            if asked is not None:
                yield asked


def _asked(told: Told, signs: Signs, contexts: Contexts, chances: PageChances, name: str) -> Asked | None:
    text, weak = told.text, False
    above = contexts.over(text, told.printed)
    query = with_context(text, above or "", name)
    linked = links(text)
    if linked and above is None and query == text:
        return None
    bare = told.bare or has_definite_subject(text)
    if bare or refers_back(text) or not is_named(text, signs.cases, capitals_name=signs.capitals_name):
        if above is None and told.bare:
            return None
        weak = above is None or (above != "" and (contexts.is_general(above) or is_vague(above)))
    chance = chances.of_sentence(
        text, told.printed or text, weak_head=weak, named=says_name(query, name), linked=linked
    )
    return Asked("sentence", query, text, chance)


def telling_lines(page: Page) -> Iterator[str]:
    """The lines of a page that stand for themselves: items of a slide, entries of a form. What a page without sentences
    can be asked for."""
    notes = set(page.parts.notes.split("\n"))
    lines = [line for line in page.parts.prose.split("\n") if line not in notes]
    return (line for line in split_lines("\n".join(lines)) if not _is_cell(line))


def _is_cell(line: str) -> bool:
    words = words_of(line)
    return (
        " + " in line
        or holds_symbols(line)
        or says_again(line, 2)
        or (len(words) > _WORDS_OF_CELL and lacks_verb(words))
    )


def says_much_of(text: str, other: str) -> bool:
    """Whether more than half of the words of a text are in another one."""
    told = _told_in(words_of(text))
    return len(told & _told_in(words_of(other))) > len(told) / 2


def _told_in(words: list[str]) -> set[tuple[str, ...]]:
    """What two texts are compared by: words; pairs of them in scripts where a word is one of few syllables."""
    return set(zip(words, words[1:], strict=False)) if mostly_unspaced(words) else {(word,) for word in words}


def same_question(first: str, second: str) -> bool:
    """Whether the words of one of two queries hold those of the other."""
    one, other = as_words(first), as_words(second)
    return one in other or other in one
