"""What an entry of a language holds: its closed classes of words that point out of a sentence."""

from __future__ import annotations

from typing import NamedTuple


class Pointing(NamedTuple):
    """The closed classes of one language. Words are divided by blanks, phrases by "|" as in a regular expression. Both
    are compared with the words of a sentence in lower case, with one blank between them and without punctuation.

    Attributes:
        common: words that a sentence of this language holds, and a sentence of another one mostly not.
        opens: words that tie a sentence to the one before when they open it.
        opens_with: phrases that do.
        shows: demonstratives, wherever they stand.
        shows_by: phrases with a demonstrative, or one that is harmless before some words ("this, that").
        sends: phrases that send the reader elsewhere, or need a figure; anywhere.
        near: pronouns and possessives of the third person, near the beginning.
        again: "also", "both" near the beginning: what the sentence is about may stand in its heading.
        told: phrases for "the same", "the other two", anywhere; a heading may tell what they are.
    """

    common: str
    opens: str = ""
    opens_with: str = ""
    shows: str = ""
    shows_by: str = ""
    sends: str = ""
    near: str = ""
    again: str = ""
    told: str = ""


def end_of_showing(sentence: str) -> int:
    """Where demonstratives no longer point out of a sentence: one after a comma, in the second half, mostly points to
    what the first half names."""
    inside = sentence.find(", ", len(sentence) // 3)
    return max(inside, (len(sentence) + 1) // 2) if inside >= 0 else len(sentence)
