"""Which token wins a maximum where similarities were rounded: fp32 products of a few tokens decide.

`settle` is for states of 16 bits, whose products a CPU rounds, `better_of_two` for wider states that were rounded to 16
bits before they were multiplied.

A bf16 product is added up in fp32 and then rounded to 8 bits. The score only loses the rounding, but with it goes which
token won: on anisotropic states every second maximum is shared by several tokens, and the gradient would go to the
first of them rather than the best. Rounding keeps order, so the true winner is always among the tied ones.
"""

from __future__ import annotations

import torch
from torch import Tensor

CANDIDATES = 4  # of one maximum; collapsed states may tie by the hundred, and then it hardly matters which one wins
CHUNK_ROWS = 1024  # candidates compared at a time


def settle(
    similarity: Tensor,
    best: Tensor,
    places: Tensor,
    queries: Tensor,
    documents: Tensor,
    inverse: Tensor | None,
    columns: Tensor,
) -> tuple[Tensor, Tensor]:
    """`best`, and `places` [m, g] with near-ties decided by the exact inner products.

    Args:
        similarity: [m, g, T], made of 16-bit products; its winners are overwritten.
        best, places: [m, g], the largest similarity and its first place, int64 in 0..T - 1.
        queries: [m, d]. documents: [rows, d]. columns: int64 [g, T], which row of `documents` each similarity is of.
        inverse: fp32 [rows] that the products were multiplied by afterwards, or None. Such a factor reorders rounded
            values, so then everything within one rounding step of the best is a candidate.
    """
    _strike_out(similarity, places)
    lowest = best if inverse is None else best - best.abs() * torch.finfo(documents.dtype).eps
    token, document = (similarity.amax(dim=2) >= lowest).nonzero(as_tuple=True)
    if not len(token):
        return best, places
    pair, place = (similarity[token, document] >= lowest[token, document].unsqueeze(1)).nonzero(as_tuple=True)
    count = torch.arange(len(pair), device=pair.device) - torch.searchsorted(pair, pair)  # 0, 1, .. within each pair
    few = count < CANDIDATES - 1
    pair = torch.cat([torch.arange(len(token), device=pair.device), pair[few]])  # the first winners are candidates too
    place = torch.cat([places[token, document], place[few]])
    exact = torch.cat(
        [
            _products(queries, documents, inverse, token[some], columns[document[some], spot])
            for some, spot in zip(pair.split(CHUNK_ROWS), place.split(CHUNK_ROWS), strict=True)
        ]
    )
    largest = exact.new_full((len(token),), -torch.inf).scatter_reduce_(0, pair, exact, "amax")
    won = exact == largest[pair]
    first = place.new_full((len(token),), similarity.shape[2]).scatter_reduce_(0, pair[won], place[won], "amin")
    settled = places.clone()
    settled[token, document] = first
    return best, settled


def better_of_two(
    similarity: Tensor,
    best: Tensor,
    places: Tensor,
    queries: Tensor,
    documents: Tensor,
    inverse: Tensor | None,
    columns: Tensor,
) -> tuple[Tensor, Tensor]:
    """Of the two largest similarities of rounded states the one whose states, as they are, have the larger product:
    that product and its place, [m, g] each. In the number of operators, and without a wait for the device.

    Args: as `settle`; queries and documents as they are, in fp32 or fp64.

    Returns: NaN where a state or a product was too large for 16 bits and could have won.
    """
    _strike_out(similarity, places)
    next_best, second = similarity.max(dim=2)
    second = torch.where(next_best == -torch.inf, places, second)  # there is one token
    spans = torch.arange(places.shape[1], device=places.device)
    candidates = torch.stack([columns[spans, places], columns[spans, second]], dim=2)
    exact = _row_products(queries, documents, candidates.flatten(1)).view(candidates.shape)
    if inverse is not None:
        exact = exact * inverse[candidates]
    first, other = exact.unbind(2)
    wins = (other > first) | ((other == first) & (second < places))
    return torch.where(wins, other, first) + 0 * best, torch.where(wins, second, places)


def _strike_out(similarity: Tensor, places: Tensor) -> None:
    """Takes the winner of each maximum out, in place: similarity [m, g, T], places [m, g]."""
    rows, spans = (torch.arange(size, device=places.device) for size in places.shape)
    similarity[rows.unsqueeze(1), spans, places] = -torch.inf  # `scatter_` would copy all of it


def _row_products(queries: Tensor, documents: Tensor, rows: Tensor) -> Tensor:
    """[m, n]: products of each query state [m, d] with n rows of `documents`, rows int64 [m, n].

    By the operator of embedding_bag's gradient, which reads rows where they are. Gathered first, they would be copied
    whole, or be a launch for every thousand of them."""
    count, each = rows.shape
    owners = torch.arange(count, device=rows.device)
    operator = torch.ops.aten._embedding_bag_per_sample_weights_backward
    products = operator(queries, documents, rows.flatten(), owners * each, owners.repeat_interleave(each), 0)  # 0: sum
    return products.view(count, each)


def _products(queries: Tensor, documents: Tensor, inverse: Tensor | None, token: Tensor, row: Tensor) -> Tensor:
    # 16-bit factors, each product rounded, fp32 sum: the roundings of d products cancel to far below one of their sum.
    # But not of fp16, whose products may overflow where their sum does not.
    factors = queries[token].float() if queries.dtype == torch.float16 else queries[token]
    products = (factors * documents[row]).sum(dim=1, dtype=torch.float32)
    return products if inverse is None else products * inverse[row]
