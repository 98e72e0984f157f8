"""From the order in which a right-to-left line is drawn to the order in which it is spelt.

The rules are those of the Unicode bidirectional algorithm (UAX 9) the other way round, for a line without embeddings.
Several spellings are drawn alike: "3 USB" and "USB 3" are, and the second is read.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import regex

_RIGHT_TO_LEFT = frozenset(("R", "AL"))
_ARABIC = regex.compile(r"\p{Script=Arabic}")
_ENDS_ON_THE_LEFT = ":,.;!?،؛؟"  # after a blank, they end what is on their right
_MIRRORED = str.maketrans("()[]{}<>«»‹›", ")(][}{><»«›‹")
_OPENING, _CLOSING = "([{", ")]}"

Piece = tuple[int, str]  # an index, and what stands for it


def in_logical_order(drawn: Sequence[Piece]) -> list[Piece]:
    """The pieces of a line that runs to the left, in the order of its letters.

    Args:
        drawn: from left to right, blanks among them.
    """
    classes = [_class(text) for _, text in drawn]
    runs = _runs_to_the_right(drawn, classes)
    ordered: list[Piece] = []
    turned: list[int] = []  # where in `ordered` the brackets are that run to the left
    at = len(drawn)
    for first, stop in reversed(runs):
        for place in range(at - 1, stop - 1, -1):
            turned.append(len(ordered))
            ordered.append(drawn[place])
        ordered += drawn[first:stop]
        at = first
    for place in range(at - 1, -1, -1):
        turned.append(len(ordered))
        ordered.append(drawn[place])
    return _with_brackets(ordered, turned)


def in_mixed_order(drawn: Sequence[Piece]) -> list[Piece]:
    """The pieces of a line that runs to the right and has words that run to the left, in the order of its letters.

    Args:
        drawn: from left to right, blanks among them.
    """
    ordered: list[Piece] = []
    mirrored: list[
        Piece
    ] = []  # the same, as it is if PDFium has mirrored the brackets behind words that run to the left
    waiting: list[Piece] = []  # from the first letter that runs to the left on
    letters = 0  # of `waiting`, up to the last such letter
    for piece in [*drawn, None]:
        kind = "L" if piece is None else _class(piece[1])
        if kind in _RIGHT_TO_LEFT or (waiting and kind != "L"):
            waiting += [piece] if piece else []
            letters = len(waiting) if kind in _RIGHT_TO_LEFT else letters
            continue
        word, behind = in_logical_order(waiting[:letters]), waiting[letters:]
        ordered += [*word, *behind, *([piece] if piece else [])]
        mirrored += [*word, *((index, text.translate(_MIRRORED)) for index, text in behind)]
        mirrored += [piece] if piece else []
        waiting, letters = [], 0
    return ordered if _unmatched(_brackets(ordered)) < _unmatched(_brackets(mirrored)) else mirrored


def _brackets(pieces: Sequence[Piece]) -> str:
    return "".join(text for _, text in pieces if text in _OPENING + _CLOSING)


def _class(text: str) -> str:
    """The bidirectional class of a glyph: of its first character."""
    return unicodedata.bidirectional(text[0]) or "ON"


def _runs_to_the_right(drawn: Sequence[Piece], classes: Sequence[str]) -> list[tuple[int, int]]:
    """Where numbers and words of other scripts begin and stop, from left to right."""
    arabic = any(_ARABIC.search(text) for (_, text), kind in zip(drawn, classes, strict=True) if kind == "AL")
    runs = []
    start = 0
    for place in range(len(drawn) + 1):
        ends = place == len(drawn) or classes[place] in _RIGHT_TO_LEFT or _ends_here(drawn, place)
        if ends:
            runs += _runs_between(classes, start, place, arabic)
            start = place
    return runs


def _ends_here(drawn: Sequence[Piece], place: int) -> bool:
    """Whether a stop follows a blank: it then ends a part of the line that is on its right."""
    if place == 0 or drawn[place][1] not in _ENDS_ON_THE_LEFT or not drawn[place - 1][1].isspace():
        return False
    return place + 1 < len(drawn) and not drawn[place + 1][1].isspace()


def _runs_between(classes: Sequence[str], start: int, stop: int, arabic: bool) -> list[tuple[int, int]]:
    """The runs of a part without letters that run to the left."""
    strong = [place for place in range(start, stop) if classes[place] in ("L", "EN", "AN")]
    if any(classes[place] == "L" for place in strong):
        return [(strong[0], strong[-1] + 1)]
    # A sign between two digits belongs to the number. In Arabic text fewer signs do: "%15" is drawn for "15%".
    between = ("CS",) if arabic else ("CS", "ES")
    runs: list[tuple[int, int]] = []
    for place in strong:
        if runs and place - runs[-1][1] <= (1 if classes[place - 1] in between else 0):
            runs[-1] = (runs[-1][0], place + 1)
        else:
            runs.append((place, place + 1))
    if len(runs) > 1:
        runs = [(first - _is_negative(classes, first, before), last) for before, (first, last) in enumerate(runs)]
    return [_with_signs(classes, first, last, start if not arabic else first, stop) for first, last in runs]


def _is_negative(classes: Sequence[str], first: int, before: int) -> bool:
    """Whether a minus stands before a number as in a row of figures: "-4.3" after a blank behind another number, or at
    the end of the line. Before words it is the number of an item: "2- ".

    Args:
        first: where the number begins. before: how many numbers are on its left, before any letter.
    """
    if first == 0 or classes[first - 1] != "ES":
        return False
    return first == 1 or (before > 0 and classes[first - 2] == "WS")


def _with_signs(classes: Sequence[str], first: int, last: int, start: int, stop: int) -> tuple[int, int]:
    """A number with the signs of currency and per cent beside it, from `start` to `stop`."""
    while first > start and classes[first - 1] == "ET":
        first -= 1
    while last < stop and classes[last] == "ET":
        last += 1
    return first, last


def _with_brackets(ordered: list[Piece], turned: Sequence[int]) -> list[Piece]:
    """The brackets that run to the left as they are spelt: opening before closing. Some files name the bracket that is
    meant and some the shape that is drawn, and PDFium mirrors both."""
    brackets = [place for place in turned if ordered[place][1] in _OPENING + _CLOSING]
    spelt = "".join(ordered[place][1] for place in brackets)
    if _unmatched(spelt.translate(_MIRRORED)) < _unmatched(spelt):
        for place in turned:
            index, text = ordered[place]
            ordered[place] = (index, text.translate(_MIRRORED))
    return ordered


def _unmatched(brackets: str) -> int:
    opened: list[str] = []
    lost = 0
    for bracket in brackets:
        if bracket in _OPENING:
            opened.append(_CLOSING[_OPENING.index(bracket)])
        elif not opened or opened.pop() != bracket:
            lost += 1
    return lost + len(opened)
