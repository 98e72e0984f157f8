"""Where the rows and tokens of each chunk belong among those of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor


class Order:
    """Worked out in main memory and sent to the device once a batch; each chunk then takes a slice. Working it out on
    the device made the process wait for it once per chunk and pass.

    Args:
        numbers: where each row's tokens begin among all of them, rows + 1 numbers.
        chunks: the rows of each, every row once.

    Attributes:
        numbers: as given. offsets: the same as int64 [rows + 1] on the device.
    """

    def __init__(self, numbers: list[int], chunks: Sequence[Sequence[int]], device: torch.device) -> None:
        self.numbers = numbers
        offsets = torch.tensor(numbers, dtype=torch.int64)
        rows = torch.tensor([row for chunk in chunks for row in chunk], dtype=torch.int64)
        starts, lengths = offsets[rows], offsets.diff()[rows]
        first = starts - (lengths.cumsum(0) - lengths)  # a row's start, less the tokens before it in this order
        tokens = torch.arange(numbers[-1]) + first.repeat_interleave(lengths)
        self.offsets, self._rows, self._tokens = (
            part.to(device, non_blocking=True) for part in (offsets, rows, tokens)
        )
        self._row_stops = list(accumulate((len(chunk) for chunk in chunks), initial=0))
        before = [0, *lengths.cumsum(0).tolist()]
        self._token_stops = [before[stop] for stop in self._row_stops]

    def rows(self, chunk: int) -> Tensor:
        """int64 [rows of the chunk]: the rows of the chunk with this number."""
        return self._rows[self._row_stops[chunk] : self._row_stops[chunk + 1]]

    def tokens(self, chunk: int) -> Tensor:
        """int64 [tokens of the chunk]: where the tokens of its rows belong among all tokens, row by row."""
        return self._tokens[self._token_stops[chunk] : self._token_stops[chunk + 1]]
