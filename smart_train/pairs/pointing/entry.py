"""What an entry of a language holds: its closed classes of words that point out of a sentence."""

from __future__ import annotations

from typing import NamedTuple


class Pointing(NamedTuple):
    """The closed classes of one language. Words are divided by blanks and compared with the words of a sentence in
    lower case. Phrases are divided by "|" as in a regular expression.

    Attributes:
        common: words that a sentence of this language holds, and a sentence of another one mostly not.
        opens: words that tie a sentence to the one before when they open it.
        opens_with: phrases that do.
        shows: demonstratives, in the part of a sentence where they point out of it; they need not stand in `opens` too.
        shows_by: phrases with a demonstrative, or one that is harmless before some words ("this, that").
        sends: phrases that send the reader elsewhere, or need a figure; anywhere.
        near: pronouns and possessives of the third person, near the beginning.
        again: "also", "both" near the beginning: what the sentence is about may stand in its heading.
        told: phrases for "the same", "the other two"; a heading may tell what they are. Where phrases are `printed`,
            near the beginning.
        printed: phrases are compared with the sentence as it is printed, in which a comma, a capital or a missing blank
            counts. Others are compared with its words, with one blank between them and without punctuation.
    """

    common: str = ""
    opens: str = ""
    opens_with: str = ""
    shows: str = ""
    shows_by: str = ""
    sends: str = ""
    near: str = ""
    again: str = ""
    told: str = ""
    printed: bool = False
