"""Long texts in parts that a model reads whole. Parts are about equally long, and no word is cut where there are blanks
between words."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

from smart_train.data.lengths import TokenCounter
from smart_train.errors import DataError
from smart_train.types import ModelInput

_BLANK = re.compile(r"\s+")
_ENDS = re.compile(r"[.!?:;。！？।][\"')\]”»]*\s+|\n\s*")
_NEAR, _FAR = 0.2, 0.5  # of a part's length, from where it would end: for the end of a line or sentence; for a blank
_SLACK = 1.05
_LETTERS_PER_TOKEN = 4
_PIECES = re.compile(r"[A-Za-z]+|\d|[^\W\d_]+|[^\w\s]|_")
_SHORT_SCRIPTS = "\u2e80"  # from here on a character is a token: Chinese, Japanese, Korean


def split_text(text: str, limit: int, count: Callable[[str], int]) -> list[str]:
    """`text` in parts of at most `limit` tokens, without blanks at their ends; none of a blank text. A part ends after
    a sentence or a line where one ends nearby, else between words; inside a word only where it is longer than a part.

    Args:
        count: the tokens of a text, with those that stand around every text.

    Raises:
        DataError: a single character has more tokens than `limit`.
    """
    text = text.strip()
    tokens = count(text)
    if tokens <= limit or not text:
        return [text] if text else []
    if len(text) == 1:
        raise DataError(f"chunks of {limit} tokens: the character {text!r} alone has {tokens}; allow more tokens")
    around = count("")
    # A few parts more than would do: none comes out exactly as long as the others, and one that is too long is halved.
    parts = max(2, math.ceil(_SLACK * (tokens - around) / max(1, limit - around)))
    cuts = [0]
    for place in range(1, parts):
        cut = _cut(text, len(text) * place // parts, len(text) / parts)
        if cuts[-1] < cut < len(text):
            cuts.append(cut)
    pieces = [text[start:end].strip() for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True)]
    return [part for piece in pieces if piece for part in split_text(piece, limit, count)]


def _cut(text: str, target: int, length: float) -> int:
    """Where to cut a text near `target`, a part being `length` characters long."""
    for pattern, share in ((_ENDS, _NEAR), (_BLANK, _FAR)):
        near = int(length * share)
        ends = [match.end() for match in pattern.finditer(text, max(0, target - near), target + near)]
        if ends:
            return min(ends, key=lambda end: abs(end - target))
    return max(1, target)


def estimated_tokens(text: str) -> int:
    """About how many tokens a text has, where no model is named: four Latin letters, or a digit, a mark, a character of
    Chinese, Japanese or Korean, or two letters of another script, are one. Most tokenizers make fewer."""
    tokens = 0
    for piece in _PIECES.findall(text):
        if piece[0].isascii():
            tokens += math.ceil(len(piece) / _LETTERS_PER_TOKEN)
        else:
            tokens += len(piece) if piece[0] >= _SHORT_SCRIPTS else math.ceil(len(piece) / 2)
    return tokens


def chunks_of(identity: str, text: str, split: Callable[[str], list[str]]) -> Iterator[tuple[str, str]]:
    """Id and text of each part of a page: `FILE.pdf#page=3&chunk=2` is the second part of page 3, `scan.png#chunk=2`
    of a picture; a page that needs no parts keeps its id."""
    parts, mark = split(text), "&" if "#page=" in identity else "#"
    for number, part in enumerate(parts, start=1):
        yield (identity if len(parts) == 1 else f"{identity}{mark}chunk={number}"), part


def splitter(family: TokenCounter, limit: int | None = None) -> Callable[[str], list[str]]:
    """What cuts a text into parts that a model reads whole, its prompt for documents included.

    Args:
        family: of the model, which counts tokens.
        limit: the most tokens of a part; None: as many as the model reads.
    """

    def count(text: str) -> int:
        return family.token_count(ModelInput(text), "document", ())

    return lambda text: split_text(text, limit or family.max_length, count)
