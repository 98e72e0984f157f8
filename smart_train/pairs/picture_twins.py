"""Pages that show what another page shows: one scan at two resolutions. Words do not tell, because there are none, or
because OCR read others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from smart_train.data.formats.page_text import TEXT_LAYER
from smart_train.data.formats.pdf import PdfPage
from smart_train.inputs.page_fingerprints import TWIN_BITS, look_at, nearest_earlier, same_picture, small_grey
from smart_train.pairs.candidates import Page
from smart_train.pairs.documents import Document

IN_PART, IN_LATER_PART = "shows what another document of its part shows", "shows what held-out pages show"
_NUMBER = re.compile(r"\d+")
_NEAREST = 8  # pages that are compared with one; more look alike only in piles of one form
_HELD = 128  # pictures in memory, 0.4 MB each


def without_picture_twins(
    parts: Mapping[str, Sequence[Page]],
    documents: Sequence[Document],
    drawn: Mapping[str, Sequence[PdfPage]],
    *,
    show_progress_bar: bool | None = None,
) -> tuple[dict[str, list[Page]], dict[str, list[str]]]:
    """Each part without the pages that show what an earlier document of the part shows, or a page of a later part; and
    why these were left out -> a line for each.

    Two pages whose words both come from text layers are told apart by their words alone (`split.without_twins`): forms
    of the same look may differ in little.

    Args:
        drawn: the pages of each document, by its key.
    """
    figures = {
        (document.key, number): _NUMBER.findall(text.text)
        for document in documents
        for number, text in enumerate(document.texts)
        if text.text.strip()
    }
    unread = {
        (document.key, number)
        for document in documents
        for number, text in enumerate(document.texts)
        if text.made_by != TEXT_LAYER or number in document.silent
    }
    # The first of two pages that look alike stays: those of later parts come first, as in `split.without_repeated`.
    order = [(part, page) for part in reversed(list(parts)) for page in parts[part]]
    if not any((page.document, page.number) in unread for _, page in order):
        return {part: list(pages) for part, pages in parts.items()}, {}
    hidden = None if show_progress_bar is None else not show_progress_bar
    seen, fingerprints = [], []
    for part, page in tqdm(order, desc="looking for twins", leave=False, disable=hidden):
        fingerprint = look_at(drawn[page.document][page.number].image).fingerprint
        if fingerprint is not None:  # blank pages are like each other
            seen.append((part, page))
            fingerprints.append(fingerprint)
    owners = {owner: number for number, owner in enumerate(dict.fromkeys((part, page.document) for part, page in seen))}
    near = nearest_earlier(fingerprints, [owners[part, page.document] for part, page in seen], TWIN_BITS, _NEAREST)

    @lru_cache(_HELD)
    def picture(image: Path) -> np.ndarray:
        return small_grey(image)

    twins: set[tuple[str, int]] = set()
    why: dict[str, list[str]] = {}
    for (part, page), others in zip(seen, near, strict=True):
        for place, _ in others:
            other_part, other = seen[place]
            both = [(page.document, page.number), (other.document, other.number)]
            if unread.isdisjoint(both):
                continue
            if figures.keys() >= set(both) and figures[both[0]] != figures[both[1]]:
                continue  # OCR sees the digit that 768 points of small print blur
            if same_picture(*(picture(drawn[each.document][each.number].image) for each in (page, other))):
                twins.add((page.document, page.number))
                line = f"{_named(page)}, shows what {_named(other)}, shows"
                why.setdefault(IN_PART if part == other_part else IN_LATER_PART, []).append(line)
                break
    left = {
        part: [page for page in pages if (page.document, page.number) not in twins] for part, pages in parts.items()
    }
    return left, why


def _named(page: Page) -> str:
    return f"{page.document}, page {page.number + 1}"
