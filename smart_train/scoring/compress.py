"""Smaller embeddings: fewer dimensions, fewer tokens, fewer bits.

Every function returns new Embeddings, without a graph, and stores tokens in the dtype it found them in. What a form
costs in quality differs from model to model: measure it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from smart_train.errors import ScoreError
from smart_train.scoring.int8 import quantized_rows
from smart_train.types import Embeddings

FLOAT_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
PROGRESS_FROM = 200  # items, from which clustering takes long enough to want a progress bar


@torch.no_grad()
def truncate(embeddings: Embeddings, dim: int) -> Embeddings:
    """The first `dim` dimensions of pooled vectors and tokens, L2-normalised again.

    A model keeps its quality under this only if it was trained for it (Matryoshka representation learning,
    arXiv 2205.13147).

    Raises:
        ScoreError: `dim` below 1, or above the pooled or the token width.
    """
    widest = min(embeddings.pooled.shape[1], embeddings.packed.shape[1])
    if not 1 <= dim <= widest:
        raise ScoreError(
            f"truncate: dim is {dim}; it must lie between 1 and {widest} (pooled vectors are "
            f"{embeddings.pooled.shape[1]} wide, tokens {embeddings.packed.shape[1]})"
        )
    stored = embeddings.packed.dtype
    plain = quantize(embeddings, "float32")
    pooled = F.normalize(plain.pooled[:, :dim].float(), dim=1).to(embeddings.pooled.dtype)
    cut = Embeddings(pooled, F.normalize(plain.packed[:, :dim], dim=1), plain.offsets)
    return stored_as(cut, stored)


@torch.no_grad()
def quantize(embeddings: Embeddings, dtype: str) -> Embeddings:
    """Tokens stored as "float32", "bfloat16", "float16" or "int8"; pooled vectors stay as they are.

    int8 is symmetric with one fp32 scale per token (state = scale * integer), so that a token's few large dimensions
    coarsen only that token. "float32" undoes it up to half a step.

    Raises:
        ScoreError: another `dtype`, or states that are NaN or infinite when integers are asked for.
    """
    if dtype != "int8" and dtype not in FLOAT_DTYPES:
        raise ScoreError(f"quantize: dtype is {dtype!r}; choose one of {', '.join(FLOAT_DTYPES)}, int8")
    states = embeddings.packed
    if embeddings.scales is not None:
        if dtype == "int8":
            return embeddings
        states = states.float().mul_(embeddings.scales.unsqueeze(1))
    if dtype != "int8":
        return Embeddings(embeddings.pooled, states.to(FLOAT_DTYPES[dtype]), embeddings.offsets)
    integers, scales = quantized_rows(states.float())
    if not scales.isfinite().all():
        bad = (~scales.isfinite()).nonzero().flatten().tolist()
        raise ScoreError(f"quantize: token rows {bad[:5]} are NaN or infinite and have no integer form")
    return Embeddings(embeddings.pooled, integers, embeddings.offsets, scales=scales)


@torch.no_grad()
def pool_tokens(embeddings: Embeddings, factor: int, show_progress_bar: bool | None = None) -> Embeddings:
    """Each item's T tokens as at most ceil(T / factor) L2-normalised cluster means, in order of first appearance.

    Ward clustering of the normalised states (Clavié, Chaffin, Adams, arXiv 2409.14683). Similar neighbours, such as the
    patches of an empty margin, become one token.

    Args:
        factor: at least 1; 1 changes nothing.
        show_progress_bar: None shows one for `PROGRESS_FROM` items or more.

    Raises:
        ScoreError: `factor` is not a whole number of at least 1.
    """
    from tqdm.auto import tqdm

    if isinstance(factor, bool) or not isinstance(factor, int) or factor < 1:
        raise ScoreError(f"pool_tokens: factor is {factor!r}; it must be a whole number of at least 1")
    if factor == 1 or not len(embeddings):
        return embeddings
    stored = embeddings.packed.dtype
    plain = quantize(embeddings, "float32")
    show = len(embeddings) >= PROGRESS_FROM if show_progress_bar is None else show_progress_bar
    items = [_clustered(item, factor) for item in tqdm(plain.tokens, desc="Pooling tokens", disable=not show)]
    pooled = Embeddings(plain.pooled, items)
    return stored_as(pooled, stored)


def _clustered(tokens: Tensor, factor: int) -> Tensor:
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


def stored_as(embeddings: Embeddings, dtype: torch.dtype) -> Embeddings:
    """Tokens stored as those of another set are, whose dtype is `dtype`: `quantize` by the dtype; float32 for one that
    it does not know."""
    name = str(dtype).removeprefix("torch.")
    return quantize(embeddings, name if name in FLOAT_DTYPES or name == "int8" else "float32")
