"""A page's text layer as lines with the size they are printed in; from these headings, captions and running text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

import regex

from smart_train.data.formats.page_text import PageText
from smart_train.data.formats.pdf_text_layer import TextLine
from smart_train.pairs.paragraphs import ends_on_purpose, is_unfinished, paragraphs, starts_item
from smart_train.pairs.words import (
    as_words,
    clean,
    is_alphabetic,
    is_small,
    length_in_words,
    tokens_of,
    without_numbering,
)

HEADING_RATIO = 1.12  # a heading is at least so much larger than the document's running text
NOTE_RATIO = 0.93  # footnotes and what stands below a table are at least so much smaller
HEADING_WORDS = 16  # ... and no longer than this: large print may also be a poster's running text
# A label, then a mark or a capital letter: "Table 3 shows" is a sentence.
_CAPTION = re.compile(
    r"^(?i:fig(?:ure)?|table|tab|listing|chart|scheme|abb(?:ildung)?|tabelle|tableau|figura|tabla|tabela|tabella"
    r"|рис(?:унок)?|табл(?:ица|иця)?|obr(?:ázek)?|tabulka|graf|figur|tabell|tabel|figuur|afbeelding|rys(?:unek)?|wykres"
    r"|quadro|cuadro|gráfico|grafico|ilustración|illustration|graphique|diagramm|kuva|taulukko|şekil|tablo|çizelge"
    r"|σχήμα|πίνακας|εικόνα|tabelul|gambar|hình|bảng)\.?\s*"
    r"(?:[A-Z][.-]?)?\d+(?:[.‐‑–-]\d+)*\s*(?:[.:–—-]\s*(?=\S)|\s(?=[^\Wa-z]))"
)
_CAPTION_UNSPACED = re.compile(
    r"^(?:[図图圖表]\s*|[\[<〈]?(?:그림|표)\s*)\d+(?:[.‐‑–-]\d+)*[\]>〉]?\s*[.:：]?\s*(?=\S)"
)
# The letter that the text layer has for an item's mark of a font of signs: "エ loans".
_WRONG_MARK = regex.compile(r"(?<!\S)[\p{Katakana}\p{Hiragana}\p{Bopomofo}](?=\s\p{Latin})")
_LAST_WORD_OF_THESE = regex.compile(r"(?r)[\p{Katakana}\p{Hiragana}\p{Bopomofo}]{2}")
# A circle before an item, as a typewriter or a font of signs has it; and the word of many languages.
_CIRCLE = re.compile(r"o\s(?=\S)")
_O_INSIDE = re.compile(r"(?<=[^\W\d_][\s,])o(?=\s[^\W\d_])")
_CODE = re.compile(r"[_=<>{}|\\#]|\(\)")
_WORDS_OF_LINE = 0.75  # of a line's tokens are words where it is running text
_ENOUGH_TEXT = 0.02  # of a document's characters, in lines of words, are enough to measure its print by them
_MUCH = 8  # lines of a page that may be printed larger than the rest of its document
_NUMBERING = 20  # characters of a heading's number and stops, which `as_words` of its title lacks
_BOLD_LINES = 5  # of headings one under the other; more are a text in bold print
_HEAD_LINES, _MOSTLY_BOLD = 3, 0.4  # lines of a heading; share of a page's lines, above which bold print says nothing
_LETTERS_OF_LEAD, _WORDS_OF_LEAD = 3, 8  # of a heading in the line of its text
_AFTER_LEAD = " .:–—-|\t"  # between the two
_FULL_LINE = 45  # characters; a caption's shorter line is its last
_CAPTION_LINES = 3
_SENTENCE_END = re.compile(r"[.!?。！？][\"')\]]*$")
# No abbreviation has its last three letters before a capital, but for a few that no caption ends with.
_SENTENCE_INSIDE = regex.compile(r"(?<!\b(?:figs|approx|resp|etc))(?<=[\p{Ll}\d]{3}\)?)[.!?] (?=\p{Lu})")


Line = TextLine


def as_read(page: PageText) -> list[Line]:
    """The lines of a page as words; empty for a scanned page."""
    lines = (replace(line, text=_with_marks(clean(line.text)), lead=clean(line.lead)) for line in page.lines)
    read = [line for line in lines if line.text]
    return list(map(_with_circle, read)) if _has_circles([line.text for line in read]) else read


def _with_marks(text: str) -> str:
    """A line with the marks of items instead of the letters that stand for them. Where words of such letters follow,
    they are letters."""
    word = _LAST_WORD_OF_THESE.search(text)
    return _WRONG_MARK.sub("•", text, pos=word.start() if word else 0)


def _has_circles(texts: Sequence[str]) -> bool:
    """Whether "o" is the mark of items on a page: several lines begin with it by itself, and in fewer it is a word, as
    it is in Portuguese or Polish."""
    first = sum(_CIRCLE.match(text) is not None for text in texts)
    return first > max(1, sum(len(_O_INSIDE.findall(text)) for text in texts))


def _with_circle(line: Line) -> Line:
    if not _CIRCLE.match(line.text):
        return line
    return replace(line, text=f"•{line.text[1:]}", lead=f"•{line.lead[1:]}" if line.lead else "")


def body_size(pages: Iterable[Sequence[Line]]) -> float:
    """The size in which most characters of running text are printed; 0 where there is no text. Running text is lines of
    words, two and more of one size: listings of code and tables of numbers, often in small print, do not count where
    there is anything else."""
    everything: Counter[float] = Counter()
    running_text: Counter[float] = Counter()
    for page in pages:
        before: Line | None = None
        for line in page:
            everything[line.size] += len(line.text)
            is_words = _is_words(line.text)
            if is_words and before is not None and before.size == line.size:
                running_text[line.size] += len(line.text)
            before = line if is_words else None
    sizes = running_text if running_text.total() >= _ENOUGH_TEXT * everything.total() else everything
    return sizes.most_common(1)[0][0] if sizes else 0.0


def body_sizes(pages: Sequence[Sequence[Line]]) -> list[float]:
    """The `body_size` of each page: the document's, or that of a page with much text in larger print. The first page
    of a document, which has its title, is measured by the document's."""
    whole = body_size(pages)
    return [
        whole if not number or len(page) < _MUCH else max(whole, body_size([page])) for number, page in enumerate(pages)
    ]


def _is_words(text: str) -> bool:
    """Whether a line is words rather than code or numbers."""
    tokens = tokens_of(text)
    words = sum(is_alphabetic(token.strip(".,;:()'\"")) for token in tokens)
    return words >= _WORDS_OF_LINE * len(tokens) and not _CODE.search(text)


@dataclass
class Block:
    """Lines of running text, and the heading right above them ("": none; a caption may be)."""

    head: str
    lines: list[Line] = field(default_factory=list)


@dataclass
class Parts:
    """What a page's lines are: headings (with their size), captions without their label, running text, of which each
    paragraph, item of a list or line that stands for itself is a line, headings at the end of the page (`cut`), the
    lines of the running text under the heading of each (`blocks`), and what is in smaller print (`notes`).

    `apart`: pairs of words between which the paper is blank, see `TextLine`. A bold line in the print of the text is
    the heading of a block, and not one of `headings`, which the document's sections are told by."""

    headings: list[tuple[float, str]]
    captions: list[str]
    prose: str
    cut: list[tuple[float, str]] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    notes: str = ""
    apart: frozenset[str] = frozenset()


def parts_of(lines: Sequence[Line], body: float, titles: Collection[str] = ()) -> Parts:
    """Sorts the lines of a page by what they are. Headings over several lines of one size are joined.

    Args:
        body: the page's of `body_sizes`. titles: of the bookmarks that point to the page, `as_words`.
    """
    parts, place = Parts([], [], "", blocks=[Block("")]), 0
    parts.apart = frozenset(pair for line in lines for pair in line.apart)
    prose: list[Line] = []
    longest = max(map(len, titles), default=0)
    mostly_bold = sum(line.bold for line in lines) > _MOSTLY_BOLD * len(lines)
    while place < len(lines):
        line = lines[place]
        if body and line.size >= HEADING_RATIO * body:
            stop = place + 1
            while stop < len(lines) and lines[stop].size == line.size and stop - place < 3:
                if without_numbering(lines[stop].text) != lines[stop].text:  # the heading of a section inside it
                    break
                stop += 1
            text = " ".join(item.text for item in lines[place:stop])
            if length_in_words(text) <= HEADING_WORDS:
                # What the last heading of a page stands over is on the next page.
                cut = stop == len(lines) and bool(prose)
                (parts.cut if cut else parts.headings).append((line.size, text))
                parts.blocks.append(Block(text))
            else:
                prose.extend(lines[place:stop])
                parts.blocks[-1].lines.extend(lines[place:stop])
            place = stop
        elif match := _CAPTION.match(line.text) or _CAPTION_UNSPACED.match(line.text):
            caption, place = _read_caption(lines, place, match.end())
            parts.captions.append(caption)
            parts.blocks.append(Block(""))
        elif under := _stop_of_head(lines, place, titles, longest, look_at_print=not mostly_bold):
            parts.blocks.append(Block(" ".join(item.text for item in lines[place:under])))
            place = under
        elif lead := _lead(lines, place):
            parts.blocks.append(Block(lead.rstrip(_AFTER_LEAD)))
            rest = line.text[len(lead) :].lstrip(_AFTER_LEAD)
            parts.blocks[-1].lines.append(replace(line, text=rest, lead=""))
            prose.append(line)
            place += 1
        else:
            prose.append(line)
            parts.blocks[-1].lines.append(line)
            place += 1
    parts.prose = "\n".join(paragraphs(block.lines) for block in parts.blocks if block.lines)
    parts.notes = paragraphs([line for line in prose if line.size <= NOTE_RATIO * body])
    return parts


def _stop_of_head(
    lines: Sequence[Line], place: int, titles: Collection[str], longest: int, *, look_at_print: bool
) -> int | None:
    """The place after a heading in the print of the text that begins at `place`: lines that are a bookmark's title, or
    bold lines that running text stands under; None where there is none.

    Args:
        longest: characters of the longest of `titles`.
    """
    text = ""
    for stop in range(place + 1, min(place + _HEAD_LINES, len(lines)) + 1):
        text = f"{text} {lines[stop - 1].text}".strip()
        if len(text) > longest + _NUMBERING:
            break
        if as_words(without_numbering(text)) in titles:
            return stop
    if not (look_at_print and lines[place].bold):
        return None
    if place and not _SENTENCE_END.search(lines[place - 1].text) and not ends_on_purpose(lines, place - 1):
        return None
    looked_at = range(place, min(place + _BOLD_LINES + 1, len(lines)))
    end = next((end for end in looked_at if not lines[end].bold), None)
    if end is None:
        return None
    stop = next((stop for stop in range(place + 1, end) if ends_on_purpose(lines, stop - 1)), end)
    text = " ".join(line.text for line in lines[place:stop])
    whole = stop - place <= _HEAD_LINES and length_in_words(text) <= HEADING_WORDS and text[-1] not in ".,;:。，"
    apart = any(line.apart for line in lines[place:stop])
    return stop if whole and not apart and not is_small(text[0]) and not starts_item(text) else None


def _lead(lines: Sequence[Line], place: int) -> str:
    """What is in bold print at the beginning of the line at `place`, where it is a heading to the text after it:
    "Samples per pixel  The number of ..."; empty elsewhere, as for an emphasised word."""
    line = lines[place]
    if not line.lead or not line.text.startswith(line.lead) or len(line.lead) == len(line.text):
        return ""
    rest = line.text[len(line.lead) :]
    stops = line.lead[-1] in _AFTER_LEAD or rest.lstrip()[:1] in _AFTER_LEAD
    rest = rest.lstrip(_AFTER_LEAD)
    if (
        not rest
        or is_small(line.lead[0])
        or (is_small(rest[0]) and not stops)
        or (place and not ends_on_purpose(lines, place - 1))
    ):
        return ""
    return line.lead if len(line.lead) >= _LETTERS_OF_LEAD and length_in_words(line.lead) <= _WORDS_OF_LEAD else ""


def _read_caption(lines: Sequence[Line], place: int, label: int) -> tuple[str, int]:
    """A caption from the line at `place`, after its label, to the line with its first full stop, and the place after
    it. A short line is all of it. Without a full stop in the lines of the same print that follow, it is its first line
    and those that go on in lower case; where they go on for long, a comma ends it."""
    text = lines[place].text[label:]
    same = [line.text for line in lines[place : place + _CAPTION_LINES + 1]]
    other = (
        at
        for at in range(1, len(same))
        if lines[place + at].size != lines[place].size or ends_on_purpose(lines, place + at - 1)
    )
    same = same[: next(other, None)]
    if len(same[0]) < _FULL_LINE and not is_unfinished(text):
        return text, place + 1
    for count in range(1, len(same) + 1):
        text = " ".join([same[0][label:], *same[1:count]])
        if count <= _CAPTION_LINES and (_SENTENCE_END.search(text) or _SENTENCE_INSIDE.search(text)):
            return text, place + count
    count = 1
    while count < len(same) and (is_small(same[count][0]) or is_unfinished(same[count - 1])):
        count += 1
    text = " ".join([same[0][label:], *same[1:count]])
    # Of a longer one the end was not seen: the comma says so.
    return f"{text}," if count > _CAPTION_LINES else text, place + min(count, _CAPTION_LINES)
