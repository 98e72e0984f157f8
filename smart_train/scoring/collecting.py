"""Embeddings that come in pieces, put together without a second copy of them.

`Embeddings.concatenate(parts)[order]` holds everything three times: the parts, their concatenation, and that in order.
Here the result is made once, at its final size, and every piece is let go of as soon as it was copied.

Shapes: N items, T tokens of one item, n items and m token rows of one piece.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from smart_train.scoring.embeddings import Embeddings

# A piece of memory this large is one that the system takes back when it is freed; smaller ones stay with the process.
_SLAB_BYTES = 64 * 2**20


def assembled(pieces: Iterable[Embeddings], lengths: Tensor, places: Sequence[Sequence[int]]) -> Embeddings:
    """The items of all `pieces`, each at its places, on the CPU. Without a graph.

    Args:
        pieces: of like widths and dtypes; should not be held by who gives them.
        lengths: int64 [N], tokens of every item of the result.
        places: for every item of the pieces, end to end, where it belongs; an item may have no place, or several.
    """
    offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
    starts = offsets.tolist()
    result: Embeddings | None = None
    done = 0
    for piece in pieces:
        if result is None:
            result = _like(piece, offsets)
        bounds = piece.offsets.tolist()
        for item in range(len(piece)):
            for place in places[done + item]:
                result.pooled[place] = piece.pooled[item]
                result.packed[starts[place] : starts[place + 1]] = piece.packed[bounds[item] : bounds[item + 1]]
                if result.scales is not None and piece.scales is not None:
                    result.scales[starts[place] : starts[place + 1]] = piece.scales[bounds[item] : bounds[item + 1]]
        done += len(piece)
        del piece  # before the next one is made
    assert result is not None, "there is at least one piece"
    return result


class Collector:
    """Takes batches of embeddings, on any device, and gives them back as one set on the CPU."""

    def __init__(self) -> None:
        self._slabs: list[Tensor] = []  # token rows; the last one may have room left
        self._rows = 0  # used of the last slab
        self._cuts: list[list[Tensor]] = []  # per slab, the lengths of its items
        self._pooled: list[Tensor] = []

    def add(self, batch: Embeddings) -> None:
        """Copies `batch`, of floats, behind what is there."""
        rows = batch.packed.detach()
        if not self._slabs or self._rows + len(rows) > len(self._slabs[-1]):
            most = _SLAB_BYTES // max(rows.element_size() * rows.shape[1], 1)
            # Memory that is not written to is not taken.
            self._slabs.append(torch.empty(max(most, len(rows)), rows.shape[1], dtype=rows.dtype))
            self._cuts.append([])
            self._rows = 0
        self._slabs[-1][self._rows : self._rows + len(rows)] = rows
        self._cuts[-1].append(batch.lengths.to("cpu"))
        self._rows += len(rows)
        self._pooled.append(batch.pooled.detach().to("cpu", copy=True))

    def placed(self, order: Sequence[int]) -> Embeddings:
        """Everything that was added, the n-th item at place order[n]; what was collected is gone then."""
        lengths = torch.cat([cut for cuts in self._cuts for cut in cuts])
        target = torch.empty_like(lengths)
        target[torch.tensor(order)] = lengths
        return assembled(self._pieces(), target, [(place,) for place in order])

    def _pieces(self) -> Iterator[Embeddings]:
        pooled = torch.cat(self._pooled)
        self._pooled = []
        done = 0
        while self._slabs:
            lengths = torch.cat(self._cuts.pop(0))
            offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
            slab = self._slabs.pop(0)[: int(offsets[-1])]
            yield Embeddings(pooled[done : done + len(lengths)], slab, offsets)
            done += len(lengths)


def _like(piece: Embeddings, offsets: Tensor) -> Embeddings:
    rows = int(offsets[-1])
    return Embeddings(
        torch.empty(len(offsets) - 1, piece.pooled.shape[1], dtype=piece.pooled.dtype),
        torch.empty(rows, piece.packed.shape[1], dtype=piece.packed.dtype),
        offsets,
        scales=None if piece.scales is None else torch.empty(rows, dtype=piece.scales.dtype),
    )
