"""Smaller states: fewer dimensions, fewer tokens, fewer bits. Tensors in, tensors out, without a graph.

What a form costs in quality differs from model to model: measure it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from smart_train.errors import ScoreError
from smart_train.scoring.int8 import quantized_rows

FLOAT_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
STORED_DTYPES = (*FLOAT_DTYPES, "int8")
_BLOCK_BYTES = 16 << 20  # of fp32 states on the way from one form to another


@torch.no_grad()
def shortened(states: Tensor, dim: int) -> Tensor:
    """The first `dim` dimensions of states [R, d], L2-normalised again, fp32."""
    return F.normalize(states[:, :dim].float(), dim=1)


@torch.no_grad()
def recoded(states: Tensor, scales: Tensor | None, dtype: str) -> tuple[Tensor, Tensor | None]:
    """States [R, d] in another dtype of `STORED_DTYPES`, and the fp32 scales [R] that int8 states have.

    int8 is symmetric with one scale per state (state = scale * integer), so that a state's few large dimensions coarsen
    only that state. States that are in the dtype already are returned as they are. Beside the result, only a block of
    states is held as fp32.

    Raises:
        ScoreError: another `dtype`, or states that are NaN or infinite when integers are asked for.
    """
    if dtype not in STORED_DTYPES:
        raise ScoreError(f"quantize: dtype is {dtype!r}; choose one of {', '.join(STORED_DTYPES)}")
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


@torch.no_grad()
def clustered(tokens: Tensor, factor: int) -> Tensor:
    """One item's tokens [T, d], fp32, as at most ceil(T / factor) L2-normalised cluster means, in order of first
    appearance. Ward clustering of the normalised states (Clavié, Chaffin, Adams, arXiv 2409.14683)."""
    from scipy.cluster.hierarchy import fcluster, linkage

    clusters = -(-len(tokens) // factor)
    if clusters >= len(tokens):
        return tokens
    states = F.normalize(tokens, dim=1)
    # Distances by one product: twenty times faster than scipy's own from the states.
    above = np.triu_indices(len(states), k=1)
    squared = (2 - 2 * (states @ states.T)).clamp_(min=0).cpu().numpy()[above].astype(np.float64)
    labels = fcluster(linkage(np.sqrt(squared), method="ward"), clusters, criterion="maxclust")
    _, first, member = np.unique(labels, return_index=True, return_inverse=True)
    place = np.argsort(np.argsort(first))  # clusters in order of their first token
    owner = torch.from_numpy(place[member]).to(tokens.device)
    sums = torch.zeros(len(first), tokens.shape[1], dtype=tokens.dtype, device=tokens.device)
    return F.normalize(sums.index_add_(0, owner, states), dim=1)
