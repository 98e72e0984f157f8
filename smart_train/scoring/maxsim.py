"""Late interaction (MaxSim) over padded, listed or packed token states."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from smart_train.errors import ScoreError
from smart_train.scoring.reference import EMPTY_DOCUMENT_SCORE

Tokens = Tensor | Sequence[Tensor] | tuple[Tensor, Tensor]


def maxsim(
    queries: Tokens,
    documents: Tokens,
    query_mask: Tensor | None = None,
    document_mask: Tensor | None = None,
    *,
    reduction: str = "mean",
    normalize: bool = False,
) -> Tensor:
    """Late score of every query against every document, fp32 [Q, N]."""
    left, left_offsets = _pack(queries, query_mask, "query")
    right, right_offsets = _pack(documents, document_mask, "document")
    return maxsim_packed(left, left_offsets, right, right_offsets, reduction=reduction, normalize=normalize)


def maxsim_packed(
    queries: Tensor,
    query_offsets: Tensor,
    documents: Tensor,
    document_offsets: Tensor,
    *,
    reduction: str = "mean",
    normalize: bool = False,
) -> Tensor:
    """`maxsim` of packed states: values [sum T, d] and int64 offsets [items + 1] on either side."""
    if queries.shape[1] != documents.shape[1]:
        raise ScoreError(f"maxsim: queries are {queries.shape[1]} wide, documents {documents.shape[1]}")
    if queries.dtype != documents.dtype:
        raise ScoreError(f"maxsim: queries are {queries.dtype}, documents {documents.dtype}")
    wide = torch.float64 if queries.dtype == torch.float64 else torch.float32
    with torch.autocast(queries.device.type, enabled=False):
        left, right = queries.to(wide), documents.to(wide)
        if normalize:
            left, right = torch.nn.functional.normalize(left, dim=1), torch.nn.functional.normalize(right, dim=1)
        lengths = query_offsets.diff()
        owner = torch.repeat_interleave(torch.arange(len(lengths), device=left.device), lengths)
        columns = []
        for document in right.split(document_offsets.diff().tolist()):
            if not len(document):
                columns.append(left.new_full((len(lengths),), EMPTY_DOCUMENT_SCORE))
                continue
            best = (left @ document.T).amax(dim=1)
            total = best.new_zeros(len(lengths)).index_add(0, owner, best)
            columns.append(total / lengths.clamp(min=1) if reduction == "mean" else total)
        scores = torch.stack(columns, dim=1) if columns else left.new_zeros(len(lengths), 0)
    if not scores.isfinite().all():
        raise ScoreError("maxsim: NaN or infinite token states")
    return scores


def _pack(tokens: Tokens, mask: Tensor | None, what: str) -> tuple[Tensor, Tensor]:
    if isinstance(tokens, Tensor):
        if mask is None:
            mask = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        lengths, values = mask.sum(dim=1), tokens[mask]
    elif len(tokens) == 2 and tokens[1].ndim == 1:
        return tokens[0], tokens[1]
    else:
        lengths = torch.tensor([len(item) for item in tokens], device=tokens[0].device)
        values = torch.cat(list(tokens))
    return values, torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
