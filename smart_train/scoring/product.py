"""The matrix product under every score, on the fastest exact route of the device."""

from __future__ import annotations

import torch
from torch import Tensor

from smart_train.scoring.processor_arithmetic import arithmetic

# oneDNN's fp32 product is up to twice as fast as MKL's on AMD processors and never behind it on wide states; torch.mm
# always asks MKL. The operator is what torch.compile itself emits for a linear layer.
_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
_ONEDNN_WORK = 1 << 24  # multiply-adds below which its set-up costs more than it saves
WIDE_OUTPUT = hasattr(torch.ops.aten.mm, "dtype")  # since torch 2.8, CUDA only
# Of documents that are widened: what is copied at a time. On a CPU the copy is to be in the cache when it is read.
SLICE_BYTES = {"cpu": 2 << 20, "other": 64 << 20}
LEAST_ROWS = 64  # fewer would waste the units


def multiplicand(queries: Tensor) -> Tensor:
    """Query states [M, d] as `inner_products` takes them: in fp32 where their dtype is widened, else as they are.

    Queries are few and are multiplied with every block of documents, so they are widened once and whole.
    """
    return queries.float() if arithmetic(queries.dtype, queries.device).widened else queries


def product_dtype(states: Tensor) -> torch.dtype:
    """The dtype of the products of such states; native int8 states make int32."""
    if arithmetic(states.dtype, states.device).widened:
        return torch.float32
    if states.dtype == torch.int8:
        return torch.int32
    return torch.float32 if _widens_output(states) else states.dtype


def inner_products(left: Tensor, right: Tensor, scales: Tensor | None = None) -> Tensor:
    """[M, d] x [R, d] -> [M, R], added up in fp32 or wider; of the input's dtype, or fp32 where that is free.

    Call without a graph and outside autocast. A 2-D product always: batched and einsum forms of bf16 are several times
    slower on CPU.

    Args:
        left: what `multiplicand` returned.
        right: of any dtype. Where it is narrower than `left`, a few rows at a time are copied to `left`'s dtype.
        scales: fp32 [R], of int8 rows that mean nothing without them: a state is its scale times its integers.
    """
    if left.dtype != right.dtype:
        return _slice_by_slice(left, right, scales)
    if left.device.type == "cpu":
        work = left.shape[0] * right.shape[0] * right.shape[1]
        if _ONEDNN and left.dtype == torch.float32 and work > _ONEDNN_WORK:
            return torch.ops.mkldnn._linear_pointwise(left, right, None, "none", [], "")
    elif _widens_output(left):
        return torch.mm(left, right.T, out_dtype=torch.float32)
    return torch.mm(left, right.T)


def _slice_by_slice(left: Tensor, right: Tensor, scales: Tensor | None) -> Tensor:
    size = SLICE_BYTES["cpu" if right.device.type == "cpu" else "other"]
    rows = max(size // (left.element_size() * max(right.shape[1], 1)), LEAST_ROWS)
    if len(right) <= rows:
        return inner_products(left, _widened(right, scales, left.dtype))
    products = left.new_empty(len(left), len(right))
    factors = [None] * -(-len(right) // rows) if scales is None else scales.split(rows)
    for part, factor, into in zip(right.split(rows), factors, products.split(rows, dim=1), strict=True):
        into.copy_(inner_products(left, _widened(part, factor, left.dtype)))
    return products


def _widened(states: Tensor, scales: Tensor | None, dtype: torch.dtype) -> Tensor:
    # Scaled before they are multiplied, not after: the score is that of the same numbers as if all were widened first.
    wide = states.to(dtype)
    return wide if scales is None else wide.mul_(scales.unsqueeze(1))


def _widens_output(states: Tensor) -> bool:
    return WIDE_OUTPUT and states.device.type == "cuda" and states.dtype in (torch.bfloat16, torch.float16)
