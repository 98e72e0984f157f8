"""What is read of a forward beside what the backbone computes: which features say it, and which states are kept.

How many tokens each row keeps is counted where the features still are in main memory. The device need not be waited
for then: everything behind a forward is queued with sizes that are known.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from smart_train.models.family import Features
from smart_train.models.slicing import IMAGE_COUNTS, VIDEO_COUNTS
from smart_train.models.stored_states import OFFSETS, is_stored

ROPE_POSITIONS = "rope_positions"  # int64 [B, T, 3]: row by row, as other features; a forward takes [3, B, T]
TOKEN_COUNTS = "token_counts"  # int64 [B], in main memory: how many tokens each row keeps
# Features that say where to read the states, whose the images are and where tokens stand; everything else goes to the
# backbone's forward as it is.
READOUT = ("token_mask", "pooled_index", "pooled_mask", IMAGE_COUNTS, VIDEO_COUNTS, ROPE_POSITIONS, TOKEN_COUNTS)


def on_device(features: Features, device: torch.device) -> Features:
    """`features` on `device`, sent without waiting for it; with `token_counts`, which stay in main memory."""
    counts = _counts(features)
    moved = {name: _sent(value, device) for name, value in features.items() if name != TOKEN_COUNTS}
    return {**moved, TOKEN_COUNTS: counts.cpu()}


def _sent(value: Tensor, device: torch.device) -> Tensor:
    if device.type == "cuda" and value.device.type == "cpu" and not value.is_pinned():
        value = value.pin_memory()  # from pageable memory the driver would first wait for all work before the copy
    return value.to(device, non_blocking=True)


def backbone_inputs(features: Features) -> dict[str, Any]:
    """The arguments of the backbone's forward."""
    inputs = {name: value for name, value in features.items() if name not in READOUT}
    if ROPE_POSITIONS in features:
        inputs["position_ids"] = features[ROPE_POSITIONS].permute(2, 0, 1)
    return inputs


def kept_numbers(features: Features) -> list[int]:
    """Where each row's kept tokens begin among all of them, B + 1 numbers. Waits for the device where nobody counted
    before the features were moved."""
    return [0, *_counts(features).cumsum(0).tolist()]


def _counts(features: Features) -> Tensor:
    """int64 [B]: how many tokens each row keeps."""
    if TOKEN_COUNTS in features:
        return features[TOKEN_COUNTS]
    return features[OFFSETS].diff() if is_stored(features) else features["token_mask"].sum(dim=1)


def kept_places(mask: Tensor, count: int) -> Tensor:
    """int64 [count]: the places of True in `mask` [B, T], flat and rising.

    As `mask.nonzero()`, which has to wait for their number: here every True writes its place where it belongs, and
    everything else into one slot behind the last.
    """
    flat = mask.flatten()
    places = torch.arange(len(flat), device=flat.device)
    slots = torch.where(flat, flat.cumsum(0) - 1, count)
    return places.new_empty(count + 1).scatter_(0, slots, places)[:count]
