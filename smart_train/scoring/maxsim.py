"""Late interaction (MaxSim), lean: forward in blocks, backward through the winners only.

    late(q, d) = (1 / |M_q|) * sum over i in M_q of  max over j in M_d of  <h_i, h_j>

(ColBERT's MaxSim, arXiv 2004.12832; the mean over the query's tokens is SMART's, arXiv 2605.24938.)

The gradient reaches one document token per query token. Autograd through the similarity matrix runs two dense products
over a gradient that is almost all zeros, and keeps the matrix alive until then. Here the forward builds the matrix
block by block under a byte budget, without a graph, and keeps an int32 winner per query token and document; the
backward gathers and scatters winners. Both are sums over bags of rows (`embedding_bag`), each bag added up in a fixed
order: the same input gives the same bits.

Shapes inside this file: M query tokens in all, R document rows in all, N documents that have tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from smart_train.errors import ScoreError
from smart_train.scoring.checks import Checks
from smart_train.scoring.document_groups import BLOCK_BYTES, groups
from smart_train.scoring.inputs import (
    Tokens,
    TokenSet,
    accumulation_dtype,
    check_finite,
    check_pair,
    packed_set,
    token_set,
    total,
)
from smart_train.scoring.kernels import maxsim_by_kernels
from smart_train.scoring.product import check_products, inner_products, multiplicand, rounds_to
from smart_train.scoring.reference import EMPTY_DOCUMENT_SCORE
from smart_train.scoring.segments import Decide, bag, largest, largest_and_where
from smart_train.scoring.tied_winners import better_of_two, settle
from smart_train.utils.terms import EXACT

BACKENDS = ("auto", "torch", "kernels")
REDUCTIONS = ("mean", "sum")
CORRECTED_ROWS = 512
NORM_FLOOR = 1e-12  # as torch.nn.functional.normalize: a zero state stays zero


@torch.compiler.disable
def maxsim(
    queries: Tokens,
    documents: Tokens,
    query_mask: Tensor | None = None,
    document_mask: Tensor | None = None,
    *,
    reduction: str = "mean",
    normalize: bool = False,
    backend: str = "auto",
    block_bytes: int | None = None,
    products: str = EXACT,
) -> Tensor:
    """Late score of every query against every document. Differentiable once, deterministic, indifferent to autocast.

    `torch.compile` leaves it out: a compiled caller breaks its graph here, and with `fullgraph=True` cannot call it.

    Args:
        queries: padded [Q, Tq, d], or a list of [T_i, d], or packed: a tuple (values [sum T, d], offsets [Q + 1]).
        documents: the same choice, on its own; widths, dtype (fp32, fp64, fp16 or bf16) and device as the queries.
        query_mask: bool [Q, Tq], True at tokens that count, anywhere in a row; only with padded queries.
        document_mask: bool [N, Td], likewise. What padding holds, NaN included, is never read as a state.
        reduction: "mean" over a query's tokens (SMART), or "sum" (ColBERT).
        normalize: L2-normalise every state, without keeping a normalised copy of the documents.
        backend: "torch" is this file, on any device; "kernels" is the package late-interaction-kernels or an error;
            "auto" is "torch" (no measurement has shown the kernels ahead of it yet, and their backward is not
            deterministic).
        block_bytes: budget for the similarities held at a time; None takes 4 MiB on CPU and
            256 MiB elsewhere. No effect on the scores beyond rounding.
        products: "exact"; or "bfloat16" or "float16": fp32 states are rounded to these to find the two tokens of a
            document that are nearest to a query token, and the better of the two by exact products wins. Scores and
            gradients are those of the exact products of the token that won. No effect on states of 16 bits.

    Returns: fp32 [Q, N] (fp64 from fp64). A query without tokens scores 0 against every document; a document without
        tokens scores `EMPTY_DOCUMENT_SCORE`, and no gradient flows.

    Raises:
        ScoreError: shapes, widths, dtypes, devices, masks or offsets that do not fit; states that are NaN or infinite;
            products that overflow; an unknown `reduction`, `backend` or `products`, a backend that is unavailable; a
            `block_bytes` below 1.
    """
    check_products(products, "maxsim: products")
    _check_choice("reduction", reduction, REDUCTIONS)
    _check_choice("backend", backend, BACKENDS)
    if block_bytes is not None and (type(block_bytes) is not int or block_bytes < 1):
        raise ScoreError(f"maxsim: block_bytes is {block_bytes!r}; it must be a whole number of at least 1, or None")
    left = token_set(queries, query_mask, "query")
    right = token_set(documents, document_mask, "document")
    if left is None or right is None:
        return _no_scores(left, right)
    check_pair(left.values, right.values)
    narrow = rounds_to(products, left.values, right.values)
    options: dict[str, Any] = {"mean": reduction == "mean", "normalize": normalize, "block_bytes": block_bytes}
    score: Callable[[TokenSet], Tensor]
    packed = left.packed()
    if backend == "kernels":
        score = partial(maxsim_by_kernels, packed, **options)
    else:
        score = partial(_score, packed.values, packed.offsets(), narrow=narrow, **options)
    checks = Checks()
    scores = _checked_scores(score, len(left), left.values, lambda: left, right, checks, narrow)
    checks.read()
    return scores


@torch.compiler.disable
def late_scores(
    queries: Tensor, offsets: Tensor, documents: TokenSet, checks: Checks, *, products: str = EXACT
) -> Tensor:
    """`maxsim` for callers that read `checks` themselves: means, without normalisation.

    Args:
        queries: packed [sum T, d]; offsets: int64 [Q + 1], which need not be known in main memory.
        documents: may be of a narrower dtype than `queries`, where no gradient is wanted; a block at a time is widened.
        checks: gets what `maxsim` would raise of the numbers.
        products: as `maxsim`.
    """
    check_pair(queries, documents.values, stored=True)
    narrow = rounds_to(products, queries, documents.values)
    score = partial(_score, queries, offsets, mean=True, normalize=False, block_bytes=None, narrow=narrow)
    return _checked_scores(
        score, len(offsets) - 1, queries, lambda: packed_set(queries, offsets, "query"), documents, checks, narrow
    )


def _checked_scores(
    score: Callable[[TokenSet], Tensor],
    count: int,
    queries: Tensor,
    named: Callable[[], TokenSet],
    documents: TokenSet,
    checks: Checks,
    narrow: torch.dtype | None,
) -> Tensor:
    """Scores [Q, N] by `score`, which takes the documents that have tokens.

    Args:
        count: Q. queries: all their states, as they were given. named: the same as a set, to say what is wrong with.
        narrow: what `score` rounds states to, if anything.
    """

    def complain_of_states() -> None:
        check_finite(named(), "query")
        check_finite(documents, "document")

    def complain_of_overflow() -> None:
        if not scores.isfinite().all():
            hint = "" if narrow is None else f"; choose other products, such as {EXACT}"
            raise ScoreError(f"maxsim: finite states whose products overflow {narrow or queries.dtype}{hint}")

    with torch.no_grad():
        checks.add((total(queries) + total(documents.values, documents.scales)).isfinite(), complain_of_states)
    scored, places = documents.without_empty()
    with torch.autocast(queries.device.type, enabled=False):
        scores = score(scored)
    checks.add(scores.detach().sum().isfinite(), complain_of_overflow)
    if len(places) == len(documents):
        return scores
    full = scores.new_full((count, len(documents)), EMPTY_DOCUMENT_SCORE)
    return full.index_copy(1, torch.tensor(places, dtype=torch.int64, device=scores.device), scores)


def _no_scores(queries: TokenSet | None, documents: TokenSet | None) -> Tensor:
    """[Q, 0], [0, N] or [0, 0], of the kind that the side with items asks for."""
    side = queries or documents
    return torch.zeros(
        len(queries or ()),
        len(documents or ()),
        dtype=accumulation_dtype(side.values.dtype) if side else torch.float32,
        device=side.values.device if side else None,
    )


@dataclass(frozen=True)
class _Plan:
    """What the autograd function needs besides the states."""

    query_offsets: Tensor  # int64 [Q + 1]
    starts: tuple[int, ...]  # documents as in TokenSet; every one has tokens
    lengths: tuple[int, ...]
    holes: Tensor | None
    scales: Tensor | None
    mean: bool
    normalize: bool
    block_bytes: int | None
    narrow: torch.dtype | None  # what states are rounded to, to find the winners


def _score(
    queries: Tensor,
    offsets: Tensor,
    documents: TokenSet,
    *,
    mean: bool,
    normalize: bool,
    block_bytes: int | None,
    narrow: torch.dtype | None,
) -> Tensor:
    plan = _Plan(
        query_offsets=offsets,
        starts=documents.starts,
        lengths=documents.lengths,
        holes=documents.holes,
        scales=documents.scales,
        mean=mean,
        normalize=normalize,
        block_bytes=block_bytes,
        narrow=narrow,
    )
    if torch.is_grad_enabled() and (queries.requires_grad or documents.values.requires_grad):
        return _WinnersOnly.apply(queries, documents.values, plan)
    norms = _norms(queries, documents.values, plan)
    return _forward(queries, documents.values, plan, *norms, winners=None, cosines=None)


class _WinnersOnly(torch.autograd.Function):
    """Scores [Q, N] of query states [M, d] and document rows [R, d]."""

    @staticmethod
    def forward(ctx: Any, queries: Tensor, documents: Tensor, plan: _Plan) -> Tensor:
        shape = (len(queries), len(plan.starts))
        winners = torch.empty(shape, dtype=torch.int32, device=queries.device)
        norms = _norms(queries, documents, plan)
        # Normalisation's own gradient needs the winning cosines; without it they would be dead weight.
        cosines = winners.new_empty(shape, dtype=accumulation_dtype(queries.dtype)) if plan.normalize else None
        scores = _forward(queries, documents, plan, *norms, winners, cosines)
        ctx.save_for_backward(queries, documents, winners, *norms, cosines)
        ctx.plan = plan
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        queries, documents, *saved = ctx.saved_tensors
        plan: _Plan = ctx.plan
        lengths = plan.query_offsets.diff()
        if plan.mean:
            grad = grad / lengths.clamp(min=1).unsqueeze(1)
        # The query each of the M tokens belongs to. Told how many there are, it need not wait for their sum.
        owner = torch.repeat_interleave(lengths, output_size=len(queries))
        weights = grad.index_select(0, owner)
        with torch.autocast(queries.device.type, enabled=False):
            grad_queries = grad_documents = None
            if ctx.needs_input_grad[0]:
                grad_queries = _query_gradient(queries, documents, weights, *saved)
            if ctx.needs_input_grad[1]:
                grad_documents = _document_gradient(queries, documents, weights, *saved)
        return grad_queries, grad_documents, None


def _norms(queries: Tensor, documents: Tensor, plan: _Plan) -> tuple[Tensor | None, Tensor | None]:
    """1 / norm of every query state [M] and document row [R], where they are wanted."""
    return (_inverse_norms(queries), _inverse_norms(documents)) if plan.normalize else (None, None)


def _inverse_norms(states: Tensor) -> Tensor:
    """1 / L2 norm of each row, fp32 (fp64 from fp64)."""
    states = states.detach()
    norms = states.new_empty(len(states), dtype=accumulation_dtype(states.dtype))
    # A few rows at a time: the norm of 16-bit states is taken of an fp32 copy, which need not be one of them all.
    kind = "cpu" if states.device.type == "cpu" else "other"
    rows = max(BLOCK_BYTES[kind] // (norms.element_size() * max(states.shape[1], 1)), 1)
    for part, into in zip(states.split(rows), norms.split(rows), strict=True):
        torch.linalg.vector_norm(part, dim=1, dtype=norms.dtype, out=into)
    return norms.clamp_(min=NORM_FLOOR).reciprocal_()


def _forward(
    queries: Tensor,
    documents: Tensor,
    plan: _Plan,
    query_inverse: Tensor | None,
    inverse: Tensor | None,
    winners: Tensor | None,
    cosines: Tensor | None,
) -> Tensor:
    """Scores [Q, N]; fills `winners` and `cosines` [M, N] where given. Builds no graph."""
    queries, documents = queries.detach(), documents.detach()
    wide = accumulation_dtype(queries.dtype)
    scores = queries.new_empty(len(plan.query_offsets) - 1, len(plan.starts), dtype=wide)
    if query_inverse is not None:
        queries = (queries * query_inverse.unsqueeze(1)).to(queries.dtype)
    factor = multiplicand(queries if plan.narrow is None else queries.to(plan.narrow))
    rows = torch.arange(len(queries), device=queries.device)
    scaled = inverse is not None
    sizes = (plan.starts, plan.lengths, len(queries), plan.block_bytes)
    for group in groups(documents, *sizes, factor=factor.dtype, rounded=plan.narrow, scaled=scaled):
        columns = group.columns
        best = queries.new_empty(len(queries), len(group.spans), dtype=wide)
        block = documents[group.start : group.stop]
        multiplied = block if plan.narrow is None else block.to(plan.narrow)
        scales = None if plan.scales is None else plan.scales[group.start : group.stop]
        for top in range(0, len(queries), group.query_rows):
            part = slice(top, top + group.query_rows)
            similarity = inner_products(factor[part], multiplied, scales)
            decide: Decide | None = settle if similarity.element_size() == 2 else None
            asked = factor
            if plan.narrow is not None:
                decide, asked = better_of_two, queries
            factors = None if inverse is None else inverse[group.start : group.stop]
            if factors is not None:
                similarity = similarity.to(wide).mul_(factors)
            if plan.holes is not None:
                similarity.masked_fill_(plan.holes[group.start : group.stop], -torch.inf)
            if winners is None and plan.narrow is None:
                largest(similarity, group.spans, best[part])
            else:
                into = best[part].int() if winners is None else winners[part, columns]
                largest_and_where(similarity, group.spans, best[part], into, asked[part], block, factors, decide)
            del similarity  # else two blocks are alive while the next one is made
        if winners is not None:
            winners[:, columns] += group.start
        if cosines is not None:
            cosines[:, columns] = best
        scores[:, columns] = bag(best, rows, offsets=plan.query_offsets)
    return scores.div_(plan.query_offsets.diff().clamp(min=1).unsqueeze(1)) if plan.mean else scores


def _query_gradient(
    queries: Tensor,
    documents: Tensor,
    weights: Tensor,
    winners: Tensor,
    query_inverse: Tensor | None,
    inverse: Tensor | None,
    cosines: Tensor | None,
) -> Tensor:
    """Each query state's gradient: the sum of the rows that won for it, weighted [M, N]."""
    if not winners.numel():
        return torch.zeros_like(queries)
    if inverse is None or query_inverse is None or cosines is None:  # all three or none
        return bag(documents, winners, weights)
    # The gradient of <q / |q|, d^> is what is orthogonal to q in d^, over |q|.
    toward = bag(documents, winners, weights * inverse[winners]).to(weights.dtype)
    query_inverse = query_inverse.unsqueeze(1)
    along = (weights * cosines).sum(dim=1, keepdim=True) * query_inverse
    return (toward.sub_(along * queries).mul_(query_inverse)).to(queries.dtype)


def _document_gradient(
    queries: Tensor,
    documents: Tensor,
    weights: Tensor,
    winners: Tensor,
    query_inverse: Tensor | None,
    inverse: Tensor | None,
    cosines: Tensor | None,
) -> Tensor:
    """Each document row's gradient: the sum of the query states it won for, weighted [M, N]; zero for most rows."""
    if not winners.numel():
        return torch.zeros_like(documents)
    hits, order = winners.flatten().sort(stable=True)
    edges = torch.arange(len(documents) + 1, dtype=torch.int32, device=hits.device)
    offsets = torch.searchsorted(hits, edges, out_int32=True)  # row r is hit by hits[offsets[r] : offsets[r + 1]]
    tokens = torch.div(order, winners.shape[1], rounding_mode="floor").int()
    weights = weights.flatten()[order]
    if inverse is None or query_inverse is None or cosines is None:  # all three or none
        # A bag for every row, most of them empty: one write, where zeros and a scatter would be two.
        return bag(queries, tokens, weights, offsets)
    unit = (queries * query_inverse.unsqueeze(1)).to(queries.dtype)
    gradient = bag(unit, tokens, weights * inverse[hits], offsets)
    shares = (weights * cosines.flatten()[order]).unsqueeze(1)
    along = bag(shares, torch.arange(len(hits), dtype=torch.int32, device=hits.device), offsets=offsets)
    along *= inverse.square().unsqueeze(1)
    # Rows that won something only (padding may be NaN), a few at a time so that the copies stay in cache.
    for rows in hits.unique_consecutive().split(CORRECTED_ROWS):
        gradient[rows] -= (along[rows] * documents[rows]).to(gradient.dtype)
    return gradient


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ScoreError(f"maxsim: {name} is {value!r}; choose one of {', '.join(allowed)}")
