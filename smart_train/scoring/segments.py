"""Reductions over segments: the largest similarity within each document's span of columns, and sums over bags of rows.

M query tokens, as in `maxsim.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

# Of `tied_winners`: settles which of several near-equal similarities is the largest, and how large it is.
Decide = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | None, Tensor], tuple[Tensor, Tensor]]

# Whether documents of different lengths are copied to one length before their largest is looked for: a handful of
# launches for a block, where a GPU waits for launches. A CPU has none to wait for, and reads them where they are.
PADS = {"cpu": False, "other": True}


class Padded(NamedTuple):
    """Where the columns of a block's documents go in a copy in which all are as long as the longest, g documents of L.

    columns: int64 [g, L], a document's own columns, then its first one again. padding: bool [g, L], True at those.
    """

    columns: Tensor
    padding: Tensor

    @classmethod
    def of(cls, spans: list[tuple[int, int]], similarity: Tensor) -> Padded | None:
        """None where documents are read where they are: on a CPU, and where one look takes them all."""
        kind = "cpu" if similarity.device.type == "cpu" else "other"
        if not PADS[kind] or len(list(_runs(spans))) == 1:
            return None
        starts, lengths = torch.tensor(spans).to(similarity.device, non_blocking=True).unsqueeze(2).unbind(1)
        place = torch.arange(max(length for _, length in spans), device=similarity.device)
        padding = place >= lengths
        return cls(starts + place.masked_fill(padding, 0), padding)

    def copy(self, similarity: Tensor) -> Tensor:
        """similarity [M, columns] -> [M, g, L], with padding below everything."""
        lowest = -torch.inf if similarity.is_floating_point() else torch.iinfo(similarity.dtype).min
        copy = similarity.index_select(1, self.columns.flatten()).unflatten(1, self.columns.shape)
        return copy.masked_fill_(self.padding, lowest)


def largest(similarity: Tensor, spans: list[tuple[int, int]], best: Tensor) -> None:
    """Largest similarity [M, columns] within each span, into best [M, spans]. `amax` costs a tenth of `max`."""
    padded = Padded.of(spans, similarity)
    if padded is not None:
        best.copy_(padded.copy(similarity).amax(dim=2))
        return
    for places, columns, shape in _runs(spans):
        best[:, places] = similarity[:, columns].unflatten(1, shape).amax(dim=2)


def largest_and_where(
    similarity: Tensor,
    spans: list[tuple[int, int]],
    best: Tensor,
    winners: Tensor,
    queries: Tensor,
    documents: Tensor,
    inverse: Tensor | None,
    decide: Decide | None,
) -> None:
    """`largest`, and the column of each largest into int32 winners [M, spans].

    Args:
        queries [M, d], documents [columns, d], inverse [columns] or None: what `similarity` was made of.
        decide: where its largest is not surely that of exact products; `similarity` is then used up.
    """
    padded = Padded.of(spans, similarity)
    if padded is not None:
        every = slice(0, len(spans))
        views = [(every, padded.copy(similarity), padded.columns)]
    else:
        views = [
            (places, similarity[:, columns].unflatten(1, shape), _columns(columns, shape, similarity.device))
            for places, columns, shape in _runs(spans)
        ]
    for places, view, rows in views:
        values, place = view.max(dim=2)
        if decide is not None:
            values, place = decide(view, values, place, queries, documents, inverse, rows)
        best[:, places] = values
        winners[:, places] = place + rows[:, 0]


def _columns(columns: slice, shape: tuple[int, int], device: torch.device) -> Tensor:
    return torch.arange(columns.start, columns.stop, device=device).view(shape)


def _runs(spans: list[tuple[int, int]]) -> Iterator[tuple[slice, slice, tuple[int, int]]]:
    """Adjacent spans of equal length: their places, their columns, and (how many, length)."""
    done = 0
    while done < len(spans):
        start, length = spans[done]
        stop = done + 1
        while stop < len(spans) and spans[stop] == (start + (stop - done) * length, length):
            stop += 1
        yield slice(done, stop), slice(start, start + (stop - done) * length), (stop - done, length)
        done = stop


def bag(table: Tensor, rows: Tensor, weights: Tensor | None = None, offsets: Tensor | None = None) -> Tensor:
    """Weighted sums of rows of `table` [R, d]: [B, d], for each row of `rows` [B, n], or for each interval of `offsets`
    [B + 1] in `rows` [M].

    Adds in the order given, so that the result does not depend on threads; `index_add_` on CUDA would.

    Args:
        rows: int32 or int64, which rows of `table` are added.
        weights: a factor for each of `rows`; None: all are 1.
        offsets: where each sum begins in `rows`, and where the last one ends; None with `rows` of two dimensions.
    """
    return F.embedding_bag(
        rows,
        table,
        None if offsets is None else offsets.to(rows.dtype),
        mode="sum",
        per_sample_weights=None if weights is None else weights.to(table.dtype),
        include_last_offset=offsets is not None,
    )
