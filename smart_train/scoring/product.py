"""The matrix product under every score, on the fastest route of the device, and the choice of narrower products."""

from __future__ import annotations

import torch
from torch import Tensor

from smart_train.errors import ScoreError
from smart_train.scoring.number_formats import FLOAT_DTYPES
from smart_train.scoring.processor_arithmetic import arithmetic
from smart_train.utils.terms import EXACT, PRODUCTS

# oneDNN's fp32 product is up to twice as fast as MKL's on AMD processors and never behind it on wide states; torch.mm
# always asks MKL. The operator is what torch.compile itself emits for a linear layer.
_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
_ONEDNN_WORK = 1 << 24  # multiply-adds below which its set-up costs more than it saves
WIDE_OUTPUT = hasattr(torch.ops.aten.mm, "dtype")  # since torch 2.8, CUDA only
# Of documents that are widened: what is copied at a time. On a CPU the copy is to be in the cache when it is read.
SLICE_BYTES = {"cpu": 2 << 20, "other": 64 << 20}
LEAST_ROWS = 64  # fewer would waste the units


def check_products(products: str, where: str) -> None:
    """Raises ScoreError where `products` is not one of `PRODUCTS`; `where` names the setting."""
    if products not in PRODUCTS:
        raise ScoreError(f"{where} is {products!r}; choose one of {', '.join(PRODUCTS)}")


def check_wide_sums(products: str, device: torch.device) -> None:
    """Raises ScoreError where a GPU could add up narrow products in 16 bits."""
    if device.type == "cuda" and not WIDE_OUTPUT:
        raise ScoreError(
            f"products {products} on a GPU need torch 2.8 or newer, and this is {torch.__version__}: older ones may "
            f"sum in 16 bits; choose {EXACT}"
        )


def rounds_to(products: str, queries: Tensor, documents: Tensor) -> torch.dtype | None:
    """The dtype that states of both sides are rounded to before they are multiplied. None: they are multiplied as they
    are, because `products` is exact, or because one side has no more bits.

    Raises:
        ScoreError: the GPU's products could be summed in 16 bits.
    """
    if products == EXACT or min(queries.dtype.itemsize, documents.dtype.itemsize) <= 2:
        return None
    check_wide_sums(products, queries.device)
    return FLOAT_DTYPES[products]


def multiplicand(queries: Tensor) -> Tensor:
    """Query states [M, d] as `inner_products` takes them: in fp32 where their dtype is widened, else as they are.

    Queries are few and are multiplied with every block of documents, so they are widened once and whole.
    """
    return queries.float() if arithmetic(queries.dtype, queries.device).widened else queries


def product_dtype(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """The dtype of the products of such states; native int8 states make int32."""
    if arithmetic(dtype, device).widened:
        return torch.float32
    if dtype == torch.int8:
        return torch.int32
    return torch.float32 if _widens_output(dtype, device) else dtype


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
    elif _widens_output(left.dtype, left.device):
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


def _widens_output(dtype: torch.dtype, device: torch.device) -> bool:
    return WIDE_OUTPUT and device.type == "cuda" and dtype in (torch.bfloat16, torch.float16)
