"""Cutting sets of embeddings into blocks that fit in memory, without copying them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tqdm.auto import tqdm

from smart_train.distributed import is_main
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.packed import PROGRESS_FROM

QUERY_BLOCK = 256
DOCUMENT_BLOCK_BYTES = 256 * 2**20
# Caps the score matrix of a block where documents are small (64 MiB of fp32 for 256 queries).
DOCUMENT_BLOCK_ITEMS = 65_536


def take(embeddings: Embeddings, start: int, stop: int) -> Embeddings:
    """Items start..stop-1 as views: `Embeddings.__getitem__` copies the tokens, which for pages is all the memory."""
    offsets = embeddings.offsets[start : stop + 1]
    first, last = int(offsets[0]), int(offsets[-1])
    scales = None if embeddings.scales is None else embeddings.scales[first:last]
    return Embeddings(embeddings.pooled[start:stop], embeddings.packed[first:last], offsets - first, scales=scales)


def query_blocks(embeddings: Embeddings, size: int = QUERY_BLOCK) -> Iterator[tuple[int, Embeddings]]:
    """(first item, view) of every `size` items."""
    for start in range(0, len(embeddings), size):
        yield start, take(embeddings, start, min(start + size, len(embeddings)))


def document_blocks(embeddings: Embeddings, max_bytes: int = DOCUMENT_BLOCK_BYTES) -> Iterator[tuple[int, Embeddings]]:
    """(first item, view) of runs of documents whose tokens take at most `max_bytes`, and of at least one document."""
    token_bytes = embeddings.packed.element_size() * embeddings.packed.shape[1]
    offsets = embeddings.offsets.tolist()
    start = 0
    for item in range(1, len(embeddings) + 1):
        full = item == len(embeddings) or item - start >= DOCUMENT_BLOCK_ITEMS
        if full or (offsets[item + 1] - offsets[start]) * token_bytes > max_bytes:
            yield start, take(embeddings, start, item)
            start = item


def with_progress(
    blocks: Iterable[tuple[int, Embeddings]], total: int, *, unit: str, work: int, show: bool | None
) -> Iterator[tuple[int, Embeddings]]:
    """`blocks`, with a bar on the main rank that counts the items of those that were gone through.

    Args:
        total: items of all blocks. unit: what they are.
        show: None shows the bar when `work`, the multiply-adds of scoring them all, will take long.
    """
    show = work >= PROGRESS_FROM if show is None else show
    with tqdm(total=total, desc="Scoring", unit=unit, leave=False, disable=not (show and is_main())) as bar:
        for start, block in blocks:
            yield start, block
            bar.update(len(block))
