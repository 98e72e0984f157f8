"""The beginning of a long text, for a table or a file that has no room for all of it."""

from __future__ import annotations

_MORE = " [...]"


def beginning(text: str, most: int) -> str:
    """`text` as one line of at most `most` characters (7 or more), cut after a word and marked with [...] if it is
    longer. White space is folded.

    A word that fills more than half of the line is cut itself: Chinese and Japanese have no blanks. `textwrap.shorten`
    leaves nothing of such a text.
    """
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    kept = line[: most - len(_MORE)]
    if line[len(kept)] != " ":
        words, _, _ = kept.rpartition(" ")
        kept = words if len(words) >= len(kept) / 2 else kept
    return kept.rstrip() + _MORE
