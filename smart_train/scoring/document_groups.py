"""Documents in groups, each as many as one product covers: the bytes of a block of similarities, and padding.

M query tokens, R document rows, as in `maxsim.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from smart_train.scoring.processor_arithmetic import arithmetic
from smart_train.scoring.product import product_dtype
from smart_train.scoring.segments import PADS

# One block of similarities. Small enough to stay in a CPU's last-level cache; a GPU wants fewer, larger launches.
BLOCK_BYTES = {"cpu": 4 << 20, "other": 256 << 20}
# Multiply-adds that cost as much as one more call: padding between two documents is multiplied along below that.
CALL_WORK = {"cpu": 1 << 20, "other": 1 << 32}
# A document that is widened is copied again for every part of the queries, so a part must be worth a copy.
LEAST_QUERY_ROWS = 256


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
    rounded: torch.dtype | None = None,
    scaled: bool = False,
) -> Iterator[Group]:
    """Documents in order, as many at a time as the byte budget and the padding between them allow.

    Args:
        values: [R, d], as they are stored.
        starts, lengths: the documents' spans, rising, none empty.
        query_tokens: M.
        block_bytes: budget for one block of similarities; None takes `BLOCK_BYTES`.
        factor: dtype of the query states that they are multiplied with; None: what `multiplicand` makes of theirs.
        rounded: dtype that they are rounded to first; None: they are multiplied as they are.
        scaled: similarities of 16 bits are copied to fp32 before they are used.
    """
    kind = "cpu" if values.device.type == "cpu" else "other"
    query_tokens = max(query_tokens, 1)
    dtype = values.dtype if rounded is None else rounded
    widened = arithmetic(dtype, values.device).widened if factor is None else factor != dtype
    entry = factor.itemsize if factor is not None and widened else product_dtype(dtype, values.device).itemsize
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
