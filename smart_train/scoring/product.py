"""The matrix product under every score, on the fastest exact route of the device."""

from __future__ import annotations

import torch
from torch import Tensor

# oneDNN's fp32 product is up to twice as fast as MKL's on AMD processors and never behind it on wide states; torch.mm
# always asks MKL. The operator is what torch.compile itself emits for a linear layer.
_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
_ONEDNN_WORK = 1 << 24  # multiply-adds below which its set-up costs more than it saves
_WIDE_OUTPUT = hasattr(torch.ops.aten.mm, "dtype")  # since torch 2.8, CUDA only


def inner_products(left: Tensor, right: Tensor) -> Tensor:
    """[M, d] x [R, d] -> [M, R], added up in fp32 or wider; of the input's dtype, or fp32 where that is free.

    Call without a graph and outside autocast. A 2-D product always: batched and einsum forms of bf16 are several times
    slower on CPU.
    """
    if left.device.type == "cpu":
        work = left.shape[0] * right.shape[0] * right.shape[1]
        if _ONEDNN and left.dtype == torch.float32 and work > _ONEDNN_WORK:
            return torch.ops.mkldnn._linear_pointwise(left, right, None, "none", [], "")
    elif left.device.type == "cuda" and _WIDE_OUTPUT and left.dtype in (torch.bfloat16, torch.float16):
        return torch.mm(left, right.T, out_dtype=torch.float32)
    return torch.mm(left, right.T)
