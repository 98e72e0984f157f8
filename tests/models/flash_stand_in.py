"""Flash attention's two functions on a CPU, so that the path that transformers takes to them can be followed without a
GPU: what it unpads, where it sees one sequence and where several."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import modeling_flash_attention_utils as flash

from smart_train import SmartModel


def install(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Puts the functions below in the place of flash-attn's; returns the names of those that are called."""
    called: list[str] = []

    def whole(q: Tensor, k: Tensor, v: Tensor, **kwargs: Any) -> Tensor:
        called.append("whole")
        return _attend(q, k, v, **kwargs)

    def ragged(q: Tensor, k: Tensor, v: Tensor, *, cu_seqlens_q: Tensor, cu_seqlens_k: Tensor, **kwargs: Any) -> Tensor:
        called.append("ragged")
        bounds = cu_seqlens_q.numpy().tolist()
        assert bounds == cu_seqlens_k.numpy().tolist()
        rows = [slice(*pair) for pair in zip(bounds, bounds[1:], strict=False)]
        parts = [_attend(*(part[row].unsqueeze(0) for part in (q, k, v)), **kwargs)[0] for row in rows]
        return torch.cat(parts)

    functions = (whole, ragged, None, flash._pad_input, flash._unpad_input)
    monkeypatch.setattr(flash, "lazy_import_flash_attention", lambda *_, **__: (functions, (_options, _options)))
    return called


def _options(
    *, is_causal: bool, softmax_scale: float | None = None, sliding_window: int | None = None, **_: Any
) -> dict[str, Any]:
    return {"is_causal": is_causal, "scale": softmax_scale, "window": sliding_window}


def _attend(q: Tensor, k: Tensor, v: Tensor, *, is_causal: bool, scale: float | None, window: int | None) -> Tensor:
    """[B, T, heads, d] each, as flash attention has them; a token sees those nearer than `window`, on either side."""
    groups = q.shape[2] // k.shape[2]
    k, v = (part.repeat_interleave(groups, dim=2) if groups > 1 else part for part in (k, v))
    parts = (part.transpose(1, 2) for part in (q, k, v))
    if window is None:
        return F.scaled_dot_product_attention(*parts, is_causal=is_causal, scale=scale).transpose(1, 2)
    places = torch.arange(q.shape[1])
    apart = places.unsqueeze(1) - places
    seen = (apart.abs() < window) & ((apart >= 0) | (not is_causal))
    return F.scaled_dot_product_attention(*parts, attn_mask=seen, scale=scale).transpose(1, 2)


def take(model: SmartModel) -> None:
    """Makes a model that is loaded compute with flash attention, in all its parts."""
    config = model.config
    parts = [config, *(getattr(config, name, None) for name in getattr(config, "sub_configs", {}))]
    for part in (part for part in parts if part is not None):
        part._attn_implementation_internal = "flash_attention_2"
