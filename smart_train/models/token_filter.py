"""Which tokens of an input take part in late interaction: the one definition of `scoring.query_tokens` and
`scoring.document_tokens`."""

from __future__ import annotations

import torch
from torch import Tensor

from smart_train.errors import ModelError


def token_filter(
    input_ids: Tensor,
    attention_mask: Tensor,
    pooled_index: Tensor | None,
    *,
    keep: str,
    pooled_token: str,
    special_ids: Tensor,
    visual_ids: Tensor,
) -> Tensor:
    """Which positions take part in late interaction.

    Args:
        input_ids, attention_mask: int64 [B, T].
        pooled_index: int64 [B], the position of each row's pooled state; None where the pooled vector is the mean over
            all valid positions.
        keep: "content" drops padding and special tokens but keeps visual placeholders (the authors' filter); "text"
            also drops the placeholders; "visual" keeps nothing else; "all" drops padding only.
        pooled_token: "keep" leaves the pooled position to the filter; "drop" removes it (the paper's M). Under mean
            pooling there is no such position and both do the same.
        special_ids: ids of the tokenizer's special tokens. visual_ids: ids of image and video placeholders.

    Returns:
        bool [B, T]. A row of which nothing would be kept keeps what its pooled vector is made of: that position alone,
        or all valid ones. So no item is ever empty.
    """
    valid = attention_mask.bool()
    visual = torch.isin(input_ids, visual_ids)
    special = torch.isin(input_ids, special_ids) & ~visual
    if keep == "content":
        mask = valid & ~special
    elif keep == "text":
        mask = valid & ~special & ~visual
    elif keep == "visual":
        mask = valid & visual
    elif keep == "all":
        mask = valid.clone()
    else:
        raise ModelError(f"token filter {keep!r} is unknown; choose content, text, visual or all")
    if pooled_index is None:
        pooled = valid
    else:
        pooled = torch.zeros_like(valid).scatter_(1, pooled_index.unsqueeze(1), True)
        if pooled_token == "drop":
            mask &= ~pooled
    return torch.where(mask.any(dim=1, keepdim=True), mask, pooled)
