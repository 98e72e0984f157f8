"""Many short texts of a page, searched as one: a page may have thousands of sentences in thousands of blocks, so no
sentence is looked for in each block by itself."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

_BETWEEN = "\n"


class JoinedTexts:
    """Texts of one line each."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._all = _BETWEEN.join(texts)
        self._starts = [0, *accumulate(len(text) + len(_BETWEEN) for text in texts)]
        self._found: dict[str, list[tuple[int, int]]] = {}  # a page may say the same sentence thousands of times

    def first(self, part: str) -> int | None:
        """The first of the texts that holds a part of one line; None where none does."""
        at = self._all.find(part)
        return None if at < 0 else self._number(at)

    def holding(self, part: str) -> list[tuple[int, int]]:
        """Which of the texts hold a part of one line, in order, each with the place in it where the part begins
        first."""
        if part not in self._found:
            found = []
            at = self._all.find(part)
            while at >= 0:
                number = self._number(at)
                found.append((number, at - self._starts[number]))
                at = self._all.find(part, self._starts[number + 1])
            self._found[part] = found
        return self._found[part]

    def _number(self, at: int) -> int:
        return bisect_right(self._starts, at) - 1


class BlockTexts:
    """The paragraphs of a page's blocks."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Args:
        texts: of each block its paragraphs, with a line break between two.
        """
        paragraphs = [(block, paragraph) for block, text in enumerate(texts) for paragraph in text.split("\n")]
        self._blocks = [block for block, _ in paragraphs]
        self._paragraphs = JoinedTexts([paragraph for _, paragraph in paragraphs])

    def holding(self, sentence: str) -> list[int]:
        """The blocks with a sentence, in order."""
        return list(dict.fromkeys(self._blocks[number] for number, _ in self._paragraphs.holding(sentence)))

    def begins(self, block: int, sentence: str, before: int) -> bool:
        """Whether a paragraph of a block begins with a sentence, but for fewer characters than `before`."""
        places = self._paragraphs.holding(sentence)
        return any(at < before for number, at in places if self._blocks[number] == block)
