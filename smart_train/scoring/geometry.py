"""How a set of token states lies in space: whether they all point one way, how many directions they use, and how many
of them a search ever chooses.

Shapes: T token states of N items, R query tokens, d dimensions. States are L2-normalised.
"""

from __future__ import annotations

import torch
from torch import Tensor

from smart_train.errors import ScoreError


def mean_cosine(states: Tensor, offsets: Tensor) -> float:
    """The mean cosine between tokens of different items, from -1 to 1: 0 where directions are used evenly, near 1 where
    all states point one way (anisotropy; Ethayarajh 2019, arXiv 1909.00512).

    Exact, over all pairs: the squared length of the sum of all states, less that of each item's own sum.

    Args:
        states: float [T, d]. offsets: int64 [N + 1], where each item's tokens begin.

    Raises:
        ScoreError: fewer than two items have tokens.
    """
    counts = offsets.diff().double()
    pairs = float(counts.sum() ** 2 - (counts**2).sum())
    if pairs == 0:
        raise ScoreError("mean_cosine: fewer than two items have tokens, so no two tokens belong to different ones")
    sums = torch.stack(
        [states[start:end].double().sum(0) for start, end in zip(offsets[:-1], offsets[1:], strict=True)]
    )
    return float((sums.sum(0).square().sum() - sums.square().sum()) / pairs)


def effective_rank(states: Tensor) -> float:
    """How many directions the states vary in, from 1 to min(T - 1, d): exp of the entropy of the components' shares of
    the variance around the mean (after Roy and Vetterli 2007, "The effective rank"). 1 where they do not vary.

    They take the shares of the singular values, which are higher for weak directions, and do not subtract the mean. The
    variance says what a cosine sees of a direction, and the mean is common to all states.

    Args:
        states: float [T, d].
    """
    variances = torch.linalg.svdvals(states - states.mean(dim=0)).double().square()
    total = variances.sum()
    if total == 0:
        return 1.0
    shares = variances / total
    return torch.exp(-torch.special.xlogy(shares, shares).sum()).item()


def winners(query: Tensor, document: Tensor) -> Tensor:
    """How often each document token is the best match of a query token: int64 [T], adding up to R.

    Args:
        query: float [R, d]. document: float [T, d], T of at least 1.
    """
    best = (query.float() @ document.float().T).argmax(dim=1)
    return torch.bincount(best, minlength=len(document))
