"""The lines of a page put together where the text goes on from one to the next."""

from __future__ import annotations

import re
from collections.abc import Sequence

from smart_train.data.formats.pdf_characters import SUSPENDING
from smart_train.data.formats.pdf_text_layer import TextLine
from smart_train.pairs.words import is_small, is_unspaced

INDENT = 3  # times its size: lines whose beginnings are nearer together belong to one column
_NEAR = 4  # lines above and below that show how far to the right lines go, and how far apart they stand
_SAME_ROW = 0.5  # of its size: lines that stand less higher or lower than another are in its row
_LEAST = 0.9  # of its size: lines that stand nearer together are not one below the other
_WIDER = 1.45  # times the distance of the lines around: a wider one is between two paragraphs
_WIDEST = 2.2  # times its size: the same where no other lines show a distance
_OTHER_PRINT = 1.15  # lines of one paragraph differ less in size: three characters speak for a line
_MARK = re.compile(r"[•‣▪●○◦·➢✓–—*-]\s|\(?(?:\d{1,2}|[a-z])[.)]\s")  # a list's item
# A line that ends so goes on, whatever the next one begins with.
_UNFINISHED_WORDS = """
a an and as at by for from in is of on or than that the to was were which with
aux avec dans des du d' en est et l' la le les ou par pour que qui sont sur un une à
auf aus das dem den der des die durch ein eine einem einen einer für im in ist mit oder und vom von zu zum zur
al con de del el las los o para por que un una y alla che da dei del della delle di gli il lo nel per una
e em na no com do dos das uma van het een en met voor na w z и в на с по к от для из не что как или
"""
_UNFINISHED = frozenset(_UNFINISHED_WORDS.split())


def paragraphs(lines: Sequence[TextLine]) -> str:
    """The lines put together, with a line break where the page has one on purpose."""
    text = lines[0].text if lines else ""
    for place in range(1, len(lines)):
        before, line = lines[place - 1], lines[place]
        if ends_on_purpose(lines, place - 1):
            text += "\n"
        elif not (is_unspaced(before.text[-1]) and is_unspaced(line.text[0])) and not _goes_on(before.text, line.text):
            text += " "
        text += line.text
    return text


def starts_item(text: str) -> bool:
    """Whether a line begins with the mark of an item."""
    return _MARK.match(text) is not None


def is_unfinished(text: str) -> bool:
    """Whether a line ends with a word that goes on in the next one, or with a comma."""
    return text.endswith((",", "-", "(")) or text.split()[-1].lower() in _UNFINISHED


def ends_on_purpose(lines: Sequence[TextLine], place: int) -> bool:
    """Whether the line after the one at `place` begins something: with the mark of an item; far below or above it, or
    in other print; or, with a capital or a digit, though its first word would have fitted in where the line before
    ends, or far to the left or right of it."""
    line, after = lines[place], lines[place + 1]
    if starts_item(after.text):
        return True
    if 0.0 in (line.right, after.right):
        return False
    if is_elsewhere(lines, place):
        return True
    if is_small(after.text[0]) or line.text[-1] in ",-" or line.text.split()[-1] in _UNFINISHED:
        return False
    return abs(after.left - line.end_left) > INDENT * line.size or ends_early(lines, place)


def is_elsewhere(lines: Sequence[TextLine], place: int) -> bool:
    """Whether the line after the one at `place` stands where no line of its paragraph does: over it but in no other
    column, beside it, or with more room between them than between the lines around; or is in other print."""
    line, after = lines[place], lines[place + 1]
    small, large = sorted((line.size, after.size))
    if large > _OTHER_PRINT * small:
        return True
    if not line.base or not after.base:
        return False
    down = line.end_base - after.base
    if down < -_SAME_ROW * large:  # the next column, to the right or, in some scripts, to the left
        return abs(after.left - line.end_left) <= INDENT * line.size
    if down <= _SAME_ROW * large:
        return after.left - line.right > INDENT * line.size or after.right < line.left
    usual = _usual_distance(lines, place)
    return down > (_WIDER * usual if usual else _WIDEST * large)


def ends_early(lines: Sequence[TextLine], place: int) -> bool:
    """Whether the first word of the next line would have fitted in where the line at `place` ends."""
    line, after = lines[place], lines[place + 1]
    beside = (other for other in lines[max(0, place - _NEAR) : place + _NEAR + 1])
    edge = max(other.right for other in beside if abs(other.end_left - line.end_left) <= INDENT * line.size)
    width = (after.right - after.left) / len(after.text)
    return line.right + width * (1 + len(after.text.split()[0])) <= edge


def _usual_distance(lines: Sequence[TextLine], place: int) -> float:
    """The least distance between two lines in the print of the one at `place`, of the lines around but these two; 0
    where there are no others."""
    size = lines[place].size
    first, stop = max(0, place - _NEAR), min(len(lines) - 1, place + _NEAR + 1)
    printed = [(lines[at], lines[at + 1]) for at in range(first, stop) if at != place]
    distances = (line.end_base - after.base for line, after in printed if line.size == after.size == size and line.base)
    return min((down for down in distances if _LEAST * size < down), default=0.0)


def _goes_on(before: str, after: str) -> bool:
    """Whether a word that a hyphen divides goes on in the next line."""
    divided = before[-1] == "-" and before[-2:-1].isalnum() and after[0].isalnum()
    return divided and after.split()[0].lower() not in SUSPENDING
