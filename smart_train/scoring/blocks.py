"""Documents a block at a time: what one product covers, the largest similarity within each span, sums over rows.

M query tokens, R document rows, as in `maxsim.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from smart_train.scoring.arithmetic import arithmetic
from smart_train.scoring.inputs import accumulation_dtype
from smart_train.scoring.product import product_dtype
from smart_train.scoring.tied_winners import settle

# One block of similarities. Small enough to stay in a CPU's last-level cache; a GPU wants fewer, larger launches.
BLOCK_BYTES = {"cpu": 4 << 20, "other": 256 << 20}
# Multiply-adds that cost as much as one more call: padding between two documents is multiplied along below that.
CALL_WORK = {"cpu": 1 << 20, "other": 1 << 32}
# Whether documents of different lengths are copied to one length before their largest is looked for: a handful of
# launches for a block, where a GPU waits for launches. A CPU has none to wait for, and reads them where they are.
PADS = {"cpu": False, "other": True}
# A document that is widened is copied again for every part of the queries, so a part must be worth a copy.
LEAST_QUERY_ROWS = 256
NORM_FLOOR = 1e-12  # as torch.nn.functional.normalize: a zero state stays zero


@dataclass(frozen=True)
class Group:
    """Neighbouring documents that one product covers.

    Args:
        first: place of its first document. start, stop: its rows.
        spans: per document, first row (from `start`) and number of rows.
        query_rows: how many query tokens to multiply at a time.
    """

    first: int
    start: int
    stop: int
    spans: list[tuple[int, int]]
    query_rows: int

    @property
    def columns(self) -> slice:
        """Its documents' columns in a matrix [.., N]."""
        return slice(self.first, self.first + len(self.spans))


def groups(
    values: Tensor,
    starts: Sequence[int],
    lengths: Sequence[int],
    query_tokens: int,
    block_bytes: int | None = None,
    *,
    factor: torch.dtype | None = None,
    scaled: bool = False,
) -> Iterator[Group]:
    """Documents in order, as many at a time as the byte budget and the padding between them allow.

    Args:
        values: [R, d], as they are stored.
        starts, lengths: the documents' spans, rising, none empty.
        query_tokens: M.
        block_bytes: budget for one block of similarities; None takes `BLOCK_BYTES`.
        factor: dtype of the query states that they are multiplied with; None: what `multiplicand` makes of theirs.
        scaled: similarities of 16 bits are copied to fp32 before they are used.
    """
    kind = "cpu" if values.device.type == "cpu" else "other"
    query_tokens = max(query_tokens, 1)
    widened = arithmetic(values.dtype, values.device).widened if factor is None else factor != values.dtype
    entry = factor.itemsize if factor is not None and widened else product_dtype(values).itemsize
    if scaled and entry == 2:
        entry += 4
    budget = max((BLOCK_BYTES[kind] if block_bytes is None else block_bytes) // entry, 1)  # similarities at a time
    pads = PADS[kind] and len(set(lengths)) > 1
    if pads:
        budget = max(budget // 2, 1)  # the other half is for the copy
    most_rows = max(budget // min(query_tokens, 512), 1)  # a product of few query rows would waste the units
    least = LEAST_QUERY_ROWS if block_bytes is None and widened else 1
    most_gap = CALL_WORK[kind] // (query_tokens * max(values.shape[1], 1))
    first = 0
    while first < len(starts):
        last, longest = first + 1, lengths[first]
        while (
            last < len(starts)
            and starts[last] + lengths[last] - starts[first] <= most_rows
            and starts[last] - (starts[last - 1] + lengths[last - 1]) <= most_gap
            # One long document must not make the copy many times the block.
            and not (pads and max(longest, lengths[last]) * (last + 1 - first) > most_rows)
        ):
            longest = max(longest, lengths[last])
            last += 1
        start, stop = starts[first], starts[last - 1] + lengths[last - 1]
        spans = [(starts[i] - start, lengths[i]) for i in range(first, last)]
        widest = max(stop - start, longest * len(spans) if pads else 0)
        yield Group(first, start, stop, spans, max(budget // widest, least))
        first = last


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
    rounded: bool,
) -> None:
    """`largest`, and the column of each largest into int32 winners [M, spans].

    Args:
        queries [M, d], documents [columns, d], inverse [columns] or None: what `similarity` was made of.
        rounded: whether its products were rounded to 16 bits; near-ties are then settled, and `similarity` is used up.
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
        best[:, places] = values
        if rounded:
            place = settle(view, values, place, queries, documents, inverse, rows)
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
    """Weighted sums of rows of `table`: per row of 2-D `rows`, or per `offsets` interval of 1-D `rows`.

    Adds in the order given, so that the result does not depend on threads; `index_add_` on CUDA would.
    """
    return F.embedding_bag(
        rows,
        table,
        None if offsets is None else offsets.to(rows.dtype),
        mode="sum",
        per_sample_weights=None if weights is None else weights.to(table.dtype),
        include_last_offset=offsets is not None,
    )


def inverse_norms(states: Tensor) -> Tensor:
    """1 / L2 norm of each row, fp32 (fp64 from fp64)."""
    states = states.detach()
    norms = states.new_empty(len(states), dtype=accumulation_dtype(states.dtype))
    # A few rows at a time: the norm of 16-bit states is taken of an fp32 copy, which need not be one of them all.
    kind = "cpu" if states.device.type == "cpu" else "other"
    rows = max(BLOCK_BYTES[kind] // (norms.element_size() * max(states.shape[1], 1)), 1)
    for part, into in zip(states.split(rows), norms.split(rows), strict=True):
        torch.linalg.vector_norm(part, dim=1, dtype=norms.dtype, out=into)
    return norms.clamp_(min=NORM_FLOOR).reciprocal_()
