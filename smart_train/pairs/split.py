"""Which documents are held out, so that no document is in both parts; and, for a single one, which of its pages."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

from smart_train.errors import DataError
from smart_train.pairs.candidates import Page

SHINGLE = 5  # words; what two pages share by chance is shorter
REPEATED_SHARE = 0.5
_SEAM = 0.1  # how far from the wanted place, as a share of the pages, a chapter may begin and still be the seam


def split_documents(
    sizes: Mapping[str, int], digests: Mapping[str, str], share: float, seed: int, *, leave: int = 1
) -> set[str]:
    """The keys of the documents to hold out: about `share` of all pages, at least one document, never all.

    The order in which they are considered is a hash of seed and content: it does not depend on file names, and a new
    file moves few of the others.

    Args:
        sizes: key -> number of pages. digests: key -> digest of the file.
        leave: at least this many documents are not held out.

    Raises:
        DataError: no document would be left to hold out.
    """
    if len(sizes) <= leave:
        parts = leave + 1
        raise DataError(f"{len(sizes)} documents cannot be split into {parts} parts; at least {parts} are needed")
    order = sorted(sizes, key=lambda key: hashlib.sha256(f"{seed} {digests[key]}".encode()).digest())
    target = share * sum(sizes.values())
    held_out: set[str] = set()
    taken = 0
    for key in order:
        if len(held_out) < len(order) - leave and abs(taken + sizes[key] - target) < abs(taken - target):
            held_out.add(key)
            taken += sizes[key]
    return held_out or {min(order, key=lambda key: (sizes[key], order.index(key)))}


def split_pages(numbers: Sequence[int], chapters: Sequence[int], share: float) -> tuple[list[int], list[int]]:
    """Page numbers of the one document, in order -> those to train on, and those held out: the document's end, from the
    chapter that begins next to the wanted share. One page before the seam is in neither part, as text runs on.

    Args:
        chapters: pages on which a top-level bookmark points.

    Raises:
        DataError: fewer than three pages.
    """
    if len(numbers) < 3:
        raise DataError(
            f"a single document of {len(numbers)} usable pages cannot be split; at least 3 pages, "
            "or better a second document, are needed"
        )
    wanted = min(max(2, round(len(numbers) * (1 - share))), len(numbers) - 1)
    starts = [place for place, number in enumerate(numbers) if number in set(chapters)]
    near = [start for start in starts if 2 <= start < len(numbers) and abs(start - wanted) <= _SEAM * len(numbers)]
    seam = min(near, key=lambda start: (abs(start - wanted), start), default=wanted)
    return list(numbers[: seam - 1]), list(numbers[seam:])


def without_repeated(parts: Mapping[str, Sequence[Page]]) -> tuple[dict[str, list[Page]], int]:
    """Each part without the pages that say what those of a later part say (`repeated_pages`), and how many these were.
    The last part loses none."""
    remaining: dict[str, list[Page]] = {}
    later: list[Page] = []
    for name, pages in reversed(list(parts.items())):
        repeated = repeated_pages(pages, later)
        remaining[name] = [page for place, page in enumerate(pages) if place not in repeated]
        later.extend(pages)
    return {name: remaining[name] for name in parts}, len(later) - sum(map(len, remaining.values()))


def without_twins(pages: Sequence[Page]) -> list[Page]:
    """The pages of one part without those that say what an earlier document of the part says: the same card in A4 and
    in Letter, another edition. They would be second answers to each other's queries.

    A page is one of them when more than half of its runs of five words stand in one other document.
    """
    seen: dict[int, str] = {}
    distinct = []
    for page in pages:
        shingles = _shingles(page)
        owners = Counter(owner for shingle in shingles if (owner := seen.get(shingle, page.document)) != page.document)
        if max(owners.values(), default=0) > REPEATED_SHARE * len(shingles):
            continue
        distinct.append(page)
        for shingle in shingles:
            seen.setdefault(shingle, page.document)
    return distinct


def repeated_pages(training: Sequence[Page], held_out: Sequence[Page]) -> set[int]:
    """Places in `training` of pages that say what held-out pages say: licences, boilerplate, another edition.

    A page is one of them when more than half of its runs of five words stand on held-out pages. Which pages they stand
    on is not asked: a page put together from several held-out ones would leak as much.
    """
    seen = {shingle for page in held_out for shingle in _shingles(page)}
    repeated = set()
    for place, page in enumerate(training):
        shingles = _shingles(page)
        if shingles and sum(shingle in seen for shingle in shingles) > REPEATED_SHARE * len(shingles):
            repeated.add(place)
    return repeated


def _shingles(page: Page) -> set[int]:
    """Hashes of the page's runs of words: millions of tuples would fill the memory."""
    words = page.words.split()
    if not words:
        return set()
    return {hash(tuple(words[start : start + SHINGLE])) for start in range(max(1, len(words) - SHINGLE + 1))}
