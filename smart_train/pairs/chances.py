"""How likely a text of a page is worth asking: a few signs, with the weights that a logistic regression gave them.

It was fitted to 5,169 texts of 432 documents of many kinds in more than 20 languages (3,562 sentences, 1,607 headings
and the like), as they are asked, with the heading and the document's name before them, which readers had marked by
the rubric in `docs/own-documents.md`. The weights are per unit of a sign. Fitted to three of four sets and predicted
for the fourth, the area under the curve is 0.70 to 0.78 for sentences and 0.54 to 0.68 for the others. The weight of
"linked" comes from 153 more sentences, 106 of which open so, beside what was asked of the same sample. What a
sentence is worth by its form (`wholeness`) told little beside these signs, so it only decides which sentences are
considered. Boosted trees on these and 60 more signs were not better, nor was a linear model of MiniLM's vectors."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import regex

from smart_train.pairs.joined_texts import BlockTexts, JoinedTexts
from smart_train.pairs.leaning import names_a_part
from smart_train.pairs.named_subject import refers_back
from smart_train.pairs.page_parts import Parts
from smart_train.pairs.paragraphs import ends_on_purpose, paragraphs
from smart_train.pairs.sentences import mostly_unspaced
from smart_train.pairs.words import as_words, is_unspaced, length_in_words, tokens_of, words_of

_SENTENCE = {
    "constant": -1.73,
    "named": 0.41,
    "heading": 0.27,
    "weak heading": -0.83,
    "topic": 0.24,
    "little words": -1.8,
    "length": 1.29,
    "capitals": 1.19,
    "rarest": 1.12,
    "rarity": -0.98,
    "back": -0.38,
    "elsewhere": -0.53,
    "inside": -0.26,
    "odd words": -2.99,
    "mixed print": -4.07,
    "paragraphs": -0.21,
    "blocks": 0.2,
    "linked": -1.0,
}
_STRUCTURE = {
    "constant": -3.58,
    "named": 0.28,
    "asked": 0.75,
    "on the page": 0.78,
    "caption": 0.68,
    "line": -0.84,
    "bare": -0.42,
    "one print": 0.85,
    "length": 0.17,
}
_TOP, _MOST_TOP = 8, 3  # words that a page is about; so many in a sentence are enough
_STEM, _STEMMED, _MOST_SHARED, _HEADS = 5, 4, 2, 3  # letters; the fewest of a word; shared words; headings above
_LITTLE, _LITTLE_OF_UNSPACED = 3, 0.4  # letters of a little word; what their share is taken for without blanks
_BEFORE = 6  # a sentence that begins its paragraph has fewer characters before it: "1.2) "
_LONGEST, _LONGEST_HEAD = 30, 12  # words; longer says no more
_ODD = 0.2  # the largest share of odd words that counts
_ODD_WORD = regex.compile(r"\p{L}[^\p{L}\p{M}\p{N}\s'’.\-/&+@_()]+\p{L}|^[^\p{L}\p{N}]{2,}$|\p{Ll}\p{Lu}|\p{L}\d\p{L}")


class PageChances:
    """What the texts of one page are judged by."""

    def __init__(
        self, parts: Parts, heads: Sequence[Sequence[str]], rarity: Callable[[str], float], most: float
    ) -> None:
        """Args:
        heads: of each block of the page, what it stands under.
        rarity: the weight of a word, larger for words on fewer pages. most: that of a word on one page.
        """
        self._parts, self._rarity, self._most = parts, rarity, most
        self._counts = Counter(words_of(parts.prose))
        repeated = [word for word, count in self._counts.items() if count > 1 and len(word) > 1]
        weights = {word: self._counts[word] / (self._counts[word] + 1) * rarity(word) for word in repeated}
        self._top = sorted(weights, key=lambda word: (-weights[word], word))[:_TOP]
        texts = [paragraphs(block.lines) for block, _ in zip(parts.blocks, heads, strict=False)]
        self._has_text = list(map(bool, texts))
        self._texts = BlockTexts(texts)
        self._above = [_stems(words_of(" ".join(above[:_HEADS]))) for above in heads]
        self._heads = JoinedTexts([as_words(block.head) for block in parts.blocks])
        sizes: Counter[float] = Counter()
        for block in parts.blocks:
            for line in block.lines:
                sizes[line.size] += len(line.text)
        _, count = sizes.most_common(1)[0] if sizes else (0.0, 0)
        self._one_print = count / max(1, sizes.total())
        self._paragraphs = math.log1p(parts.prose.count("\n") + 1)
        self._odd, self._mixed = _share_odd(parts), _share_mixed(parts)

    def of_sentence(self, sentence: str, printed: str, *, weak_head: bool, named: bool, linked: bool) -> float:
        """Args:
        printed: the sentence as it stands on the page. weak_head: a heading has to say what it is about, and there is
            none, or a general or vague one. named: it is asked with the name of its document. linked: it opens with
            what ties it to the one before, see `links`.
        """
        signs = self.signs_of_sentence(sentence, printed, weak_head=weak_head, named=named, linked=linked)
        return _chance(_SENTENCE, signs)

    def of_structure(self, kind: str, text: str, query: str, *, named: bool) -> float:
        """The same of a heading, a caption, an item or a line, as `query` asks for it."""
        return _chance(_STRUCTURE, self.signs_of_structure(kind, text, query, named=named))

    def signs_of_sentence(
        self, sentence: str, printed: str, *, weak_head: bool, named: bool, linked: bool
    ) -> dict[str, float]:
        words, tokens = words_of(sentence), tokens_of(sentence)
        unspaced = mostly_unspaced(words)
        little = sum(len(word) <= _LITTLE for word in words) / len(words)
        block = next(iter(self._texts.holding(printed)), None)
        above = self._above[block] if block is not None else set()
        return {
            "odd words": self._odd,
            "topic": min(_MOST_TOP, sum(word in words for word in self._top)),
            "heading": min(_MOST_SHARED, len(_stems(words) & above)),
            "little words": _LITTLE_OF_UNSPACED if unspaced else little,
            "length": math.log(min(_LONGEST, max(1, length_in_words(sentence)))),
            "rarest": max(map(self._rarity, words)) / self._most,
            "rarity": self._mean_rarity(words),
            "named": named,
            "weak heading": weak_head,
            "back": refers_back(sentence),
            "inside": block is None or not self._texts.begins(block, printed, _BEFORE),
            "mixed print": self._mixed,
            "paragraphs": self._paragraphs,
            "blocks": math.log1p(len(self._parts.blocks)),
            "capitals": sum(token[0].isupper() for token in tokens[1:]) / len(tokens),
            "elsewhere": names_a_part(words),
            "linked": linked,
        }

    def signs_of_structure(self, kind: str, text: str, query: str, *, named: bool) -> dict[str, float]:
        head = text.rpartition(": ")[2] if kind == "section" else text
        words = words_of(text)
        return {
            "on the page": sum(self._counts[word] > 1 for word in set(words)) / len(set(words)),
            "caption": kind == "caption",
            "line": kind == "line",
            "bare": not self._has_text_under(head),
            "one print": self._one_print,
            "asked": math.log(len(query)),
            "named": named,
            "length": math.log(min(_LONGEST_HEAD, max(1, length_in_words(text)))),
        }

    def _has_text_under(self, head: str) -> bool:
        words = as_words(head)
        place = self._heads.first(words)
        return place is not None and any(self._has_text[place : place + 2])

    def _mean_rarity(self, words: Sequence[str]) -> float:
        return sum(map(self._rarity, words)) / len(words) / self._most


def _chance(weights: Mapping[str, float], signs: Mapping[str, float]) -> float:
    return 1 / (1 + math.exp(-weights["constant"] - sum(weights[name] * value for name, value in signs.items())))


def _stems(words: Iterable[str]) -> set[str]:
    return {word[:_STEM] for word in words if len(word) >= _STEMMED or is_unspaced(word[0])}


def _share_odd(parts: Parts) -> float:
    """How many of a page's words no print has: marks or capitals inside, as where OCR read a poor one."""
    words = [*parts.prose.split(), *(word for _, head in parts.headings for word in head.split())]
    return min(_ODD, sum(_ODD_WORD.search(word) is not None for word in words) / max(1, len(words)))


def _share_mixed(parts: Parts) -> float:
    """How many lines of a page go on in bold print, or end it, inside a paragraph: what was joined may be two texts."""
    lines = [block.lines for block in parts.blocks]
    mixed = sum(
        block[place].bold != block[place + 1].bold and not ends_on_purpose(block, place)
        for block in lines
        for place in range(len(block) - 1)
    )
    return mixed / max(1, sum(map(len, lines)))
