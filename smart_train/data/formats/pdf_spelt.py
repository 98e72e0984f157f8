"""Syllables that a page draws in parts and names more than once, or spells out (`ActualText`).

LibreOffice and typst spell out what several glyphs draw. PDFium reads such a syllable once for each part that is not
beside the others. typst also names each glyph that it draws by itself with its whole syllable: "ทั้ทั้", "ក្នុក្នុង".
PDFium drops a blank that is drawn by itself before or after a spelt syllable.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import regex

from smart_train.data.formats.pdf_glyphs import Glyphs, size_of

_ADDED = regex.compile(r"\p{M}")
_LETTER = regex.compile(r"\p{L}")
_JOINED = regex.compile(r"\p{Script=Arabic}")  # whose letters have other shapes beside others
_TO_THE_LEFT = regex.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
# Of the height of a syllable: how far the baseline of a part is from its own, and how high a mark is, at most.
_LEVEL, _SMALLER = 0.5, 0.7
_TOUCHING = 0.1  # of the height: what is nearer touches it
_OTHER_SHAPE = 0.1  # of the wider of two glyphs: what differs more is not the same glyph again
_GROUPS = 20  # glyphs before one in which its syllable is looked for
_BLANK = 0.2  # of the size of the print: letters of one word are nearer


def repeated(page: Glyphs) -> set[int]:
    """Indexes of the parts of syllables that have letters which another part has, but for one part of each."""
    parts: dict[int, dict[int, list[int]]] = {}  # spelt syllable -> text object -> its characters
    for place, owner in enumerate(page.owners):
        span = page.spelt(place)
        if owner is not None and span is not None:
            parts.setdefault(span, {}).setdefault(owner, []).append(place)
    gone: set[int] = set()
    for objects in parts.values():
        # The highest part is the letter.
        kept = max(objects.values(), key=lambda places: page.box(places[0])[3] - page.box(places[0])[1])
        gone.update(place for places in objects.values() if places is not kept for place in places)
    return gone | _named_again(page, gone)


def _named_again(page: Glyphs, gone: set[int]) -> set[int]:
    over: set[int] = set()
    before: deque[tuple[str, range]] = deque(maxlen=_GROUPS)
    for group in page.groups():
        text = page.characters[group.start : group.stop]
        if group.start in gone or not (_ADDED.search(text) and _LETTER.search(text)):
            continue
        for other, earlier in before:
            if other == text:
                over.update(_part(page, earlier, group))
        before.append((text, group))
    return over


def _part(page: Glyphs, first: range, second: range) -> range:
    """Which of two groups with the same letters is a part of one syllable with the other; empty where neither is."""
    low, high = sorted((first, second), key=lambda group: page.around(group)[3] - page.around(group)[1])
    small, large = page.around(low), page.around(high)
    room, height = max(small[0] - large[2], large[0] - small[2]), large[3] - large[1]
    if abs(page.origin(low.start)[1] - page.origin(high.start)[1]) > _LEVEL * height:
        return range(0)
    if room < 0 and small[3] - small[1] < _SMALLER * height:
        return low
    # Beside it: a syllable that comes twice has twice the same shape.
    widths = [box[2] - box[0] for box in (small, large)]
    other_shape = abs(widths[0] - widths[1]) > _OTHER_SHAPE * max(widths)
    joined = _JOINED.search(page.characters[first.start : first.stop])
    return second if not joined and other_shape and room < _TOUCHING * height else range(0)


def lost_blanks(page: Glyphs, gone: set[int]) -> Iterator[int]:
    """Indexes of the characters after which the paper shows a blank beside a spelt syllable, and the text has none."""
    before: int | None = None
    right = 0.0  # of the word so far, with the parts that are left out
    for place, character in enumerate(page.characters):
        if page.owners[place] is None and not character.isspace():
            continue
        end = page.box(place)[2]
        if place in gone and not character.isspace():
            right = max(right, end)
        elif character.isspace() or _TO_THE_LEFT.match(character):
            before, right = None, 0.0
        else:
            if before is not None and (page.spelt(before), page.spelt(place)) != (None, None):
                # Where the pen was: a letter has room before its ink.
                apart = page.origin(place)[0] - right > _BLANK * size_of(page.textpage, place)
                if apart and not page.together(before, place):
                    yield before
            before, right = place, max(right, end)
