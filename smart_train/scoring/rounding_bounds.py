"""Late scores from states that are rounded to 16 bits, and how far they can be from those of the states themselves.

A GPU multiplies 16-bit states several times as fast as fp32 ones. What that can change of a score is bounded without a
guess, from the rounding that was done. Let x, y be states of a query and a document, x', y' the same rounded. Then

    |<x, y> - <x', y'>|  =  |<x - x', y'> + <x, y - y'>|  <=  |x - x'| |y'| + |x| |y - y'|        (Cauchy, Schwarz)

The largest of a document's tokens moves no further than its products do, and a mean over a query's tokens no further
than the mean of these. Added to it is what sums in fp32 lose, in either way of computing the score, and, where the
device rounds products to 16 bits, half a unit of their last place.

Shapes: Q queries, N documents, R token rows.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from smart_train.errors import ScoreError
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.hybrid import ScoringConfig
from smart_train.scoring.number_formats import FLOAT_DTYPES
from smart_train.scoring.processor_arithmetic import arithmetic
from smart_train.scoring.product import WIDE_OUTPUT, check_wide_sums, product_dtype
from smart_train.scoring.reference import EMPTY_DOCUMENT_SCORE
from smart_train.scoring.segments import bag
from smart_train.utils.terms import EXACT, PRODUCTS

_STEP = 2.0**-23  # a sum of d products in fp32 loses at most d halves of this; a matrix unit may cut off, not round
_SPARE = 1.001  # the lengths below are sums in fp32 themselves
_BLOCK_BYTES = 16 << 20  # of fp32 states whose rounding is measured at a time


class Rounded(NamedTuple):
    """Items with their tokens rounded, and the lengths that the bound is made of, fp32 [items] each: of a query the
    mean over its tokens, of a document the largest.

    Attributes:
        embeddings: tokens in the narrow dtype, pooled vectors as they were.
        off: of x - x'. length: of x or x', the longer of the two. pooled: of the pooled vector.
    """

    embeddings: Embeddings
    off: Tensor
    length: Tensor
    pooled: Tensor


def scan_products(products: str, queries: Embeddings, documents: Embeddings, device: str | torch.device) -> str:
    """By which products a scan of token states finds what may be among the first: `products`, or, where that is exact
    and the device multiplies 16-bit states as they are stored, their dtype. The ranking is the same.

    fp16 states that are large, of which products could overflow, are left to exact products."""
    stored, device = documents.packed.dtype, torch.device(device)
    name = str(stored).removeprefix("torch.")
    if products != EXACT or name not in PRODUCTS or arithmetic(stored, device).widened:
        return products
    if device.type == "cuda" and not WIDE_OUTPUT:
        return EXACT
    return name if stored != torch.float16 or _fits_fp16(queries.packed, documents.packed) else EXACT


def _fits_fp16(queries: Tensor, documents: Tensor) -> bool:
    """Whether no query state, and no product, can be more than fp16 holds. False of what is NaN or infinite, which is
    named where it is scored."""
    if not queries.numel() or not documents.numel():
        return True
    largest = [max(-float(low), float(high)) for low, high in (queries.aminmax(), documents.aminmax())]
    most = torch.finfo(torch.float16).max
    return largest[0] <= most and largest[0] * largest[1] * documents.shape[1] <= most


@torch.no_grad()
def rounded(items: Embeddings, products: str, *, queries: bool) -> Rounded:
    """`items`, of any stored dtype, with tokens in the dtype `products`.

    Raises:
        ScoreError: a state is too large for that dtype, or the GPU's products could be summed in 16 bits.
    """
    check_wide_sums(products, items.device)
    dtype = FLOAT_DTYPES[products]
    narrow = items.quantize(products).packed
    size = max(_BLOCK_BYTES // (4 * max(narrow.shape[1], 1)), 1)
    parts = [_lengths(items, narrow, slice(start, start + size)) for start in range(0, len(narrow), size)]
    none = torch.empty(0, device=items.device)
    off, before, after = (torch.cat([none, *part]) for part in zip(*parts, strict=True)) if parts else (none,) * 3
    if (before.isfinite() & ~after.isfinite()).any():  # what is NaN before is named where it is scored
        raise ScoreError(
            f"products {products}: token states of more than {torch.finfo(dtype).max:g} do not fit; choose bfloat16 or "
            f"{EXACT}"
        )
    each = _means if queries else _largest
    length = torch.maximum(before, after)
    made = Embeddings(items.pooled, narrow, items.offsets)
    pooled = torch.linalg.vector_norm(items.pooled.float(), dim=1)
    return Rounded(made, each(off, items.offsets), each(length, items.offsets), pooled)


def score_bounds(queries: Rounded, documents: Rounded, scoring: ScoringConfig) -> Tensor:
    """fp32 [Q, N]: how far a score of the rounded states can be from one of the states as they are, as fp32 computes
    it; in either, terms are weighed by `scoring`."""
    states = queries.embeddings.packed
    kind = torch.finfo(states.dtype)
    longest = int(queries.embeddings.offsets.diff().max()) if len(queries.embeddings) else 0
    lost = (2 * states.shape[1] + longest + 4) * _STEP
    if product_dtype(states.dtype, states.device) == states.dtype:
        lost += kind.eps / 2
    late = torch.outer(queries.off, documents.length) + torch.outer(
        queries.length, documents.off + lost * documents.length
    )
    late += kind.smallest_normal * kind.eps  # of products too small to have all their digits
    # The mean of the score of nothing, which is large, over a query's tokens.
    late += (documents.length == 0) * (-EMPTY_DOCUMENT_SCORE * (longest + 1) * _STEP)
    lost = (2 * queries.embeddings.pooled.shape[1] + 4) * _STEP
    pooled = torch.outer(queries.pooled, lost * documents.pooled)
    return (scoring.late_weight * late + scoring.pooled_weight * pooled) * _SPARE


def _lengths(items: Embeddings, narrow: Tensor, rows: slice) -> tuple[Tensor, Tensor, Tensor]:
    """Of some rows: the lengths of x - x', x and x'."""
    states, made = items.packed[rows].float(), narrow[rows].float()
    if items.scales is not None:
        states = states * items.scales[rows].unsqueeze(1)
    off, before, after = (torch.linalg.vector_norm(part, dim=1) for part in (states - made, states, made))
    return off, before, after


def _means(values: Tensor, offsets: Tensor) -> Tensor:
    """fp32 [items]: the mean over each item's rows; 0 of none."""
    rows = torch.arange(len(values), device=values.device)
    return bag(values.unsqueeze(1), rows, offsets=offsets)[:, 0] / offsets.diff().clamp(min=1)


def _largest(values: Tensor, offsets: Tensor) -> Tensor:
    """fp32 [items]: the largest of each item's rows; 0 of none."""
    owner = torch.repeat_interleave(offsets.diff(), output_size=len(values))
    return values.new_zeros(len(offsets) - 1).scatter_reduce_(0, owner, values, "amax")
