"""The number formats that token states are stored in, and states of one format in another. Without a graph.

What a format costs in quality differs from model to model: measure it.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from smart_train.errors import ScoreError
from smart_train.scoring.int8_products import quantized_rows
from smart_train.utils.terms import NUMBER_FORMATS

FLOAT_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_BLOCK_BYTES = 16 << 20  # of fp32 states on the way from one format to another


@torch.no_grad()
def recoded(states: Tensor, scales: Tensor | None, dtype: str) -> tuple[Tensor, Tensor | None]:
    """States [R, d] in another dtype of `NUMBER_FORMATS`, and the fp32 scales [R] that int8 states have.

    int8 is symmetric with one scale per state (state = scale * integer), so that a state's few large dimensions coarsen
    only that state. States that are in the dtype already are returned as they are. Beside the result, only a block of
    states is held as fp32.

    Raises:
        ScoreError: another `dtype`, or states that are NaN or infinite when integers are asked for.
    """
    if dtype not in NUMBER_FORMATS:
        raise ScoreError(f"quantize: dtype is {dtype!r}; choose one of {', '.join(NUMBER_FORMATS)}")
    if dtype != "int8" and scales is None:
        return states.to(FLOAT_DTYPES[dtype]), None
    if scales is not None:
        return (states, scales) if dtype == "int8" else (_unscaled(states, scales, FLOAT_DTYPES[dtype]), None)
    integers = torch.empty_like(states, dtype=torch.int8)
    steps = states.new_empty(len(states), dtype=torch.float32)
    for rows in _blocks(states):
        integers[rows], steps[rows] = quantized_rows(states[rows].float())
    if not steps.isfinite().all():
        bad = (~steps.isfinite()).nonzero().flatten().tolist()
        raise ScoreError(f"quantize: token rows {bad[:5]} are NaN or infinite and have no integer form")
    return integers, steps


def _unscaled(integers: Tensor, scales: Tensor, dtype: torch.dtype) -> Tensor:
    made = torch.empty_like(integers, dtype=dtype)
    for rows in _blocks(integers):
        made[rows] = integers[rows].float().mul_(scales[rows].unsqueeze(1))
    return made


def _blocks(states: Tensor) -> Iterator[slice]:
    """Runs of rows of states [R, d] that take `_BLOCK_BYTES` as fp32."""
    size = max(_BLOCK_BYTES // (4 * max(states.shape[1], 1)), 1)
    for start in range(0, len(states), size):
        yield slice(start, start + size)
