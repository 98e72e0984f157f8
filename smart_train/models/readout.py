"""What is read of one forward of the backbone: the features that say where, the pooled state, and the kept states.

How many tokens each row keeps is counted where the features still are in main memory. The device need not be waited
for then: everything behind a forward is queued with sizes that are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from smart_train.models.family import Features
from smart_train.models.slicing import IMAGE_COUNTS, IMAGE_TILES, TILE_ROWS, VIDEO_COUNTS
from smart_train.models.stored_states import OFFSETS, is_stored
from smart_train.scoring.embeddings import Embeddings

ROPE_POSITIONS = "rope_positions"  # int64 [B, T, 3]: row by row, as other features; a forward takes [3, B, T]
TOKEN_COUNTS = "token_counts"  # int64 [B], in main memory: how many tokens each row keeps
# Features that say where to read the states, whose the images are and where tokens stand; everything else goes to the
# backbone's forward as it is.
READOUT = (
    *("token_mask", "pooled_index", "pooled_mask", TOKEN_COUNTS, ROPE_POSITIONS),
    *(IMAGE_COUNTS, VIDEO_COUNTS, IMAGE_TILES, TILE_ROWS),
)


class ForwardOutput(NamedTuple):
    """What one forward gives.

    A tuple of tensors, because engines that shard a model look for tensors in what its modules return, and free weights
    too early where they find none: an `Embeddings` hides them.

    Attributes:
        pooled: fp32 [B, D], L2-normalised; D is 0 of a late-only family.
        packed: tokens of all rows, fp32 [sum T, d], L2-normalised.
        offsets: where each row's begin, int64 [B + 1].
        states: of a frozen backbone the kept states [sum T, H] that tokens were made of, one for each of
            `SmartModel.token_layers`, in its dtype: a later forward can start from them. Empty of one that is trained.
    """

    pooled: Tensor
    packed: Tensor
    offsets: Tensor
    states: tuple[Tensor, ...] = ()

    def embeddings(self, numbers: list[int] | None = None) -> Embeddings:
        """The same as a set. `numbers`: as of `Embeddings`."""
        return Embeddings(self.pooled, self.packed, self.offsets, numbers=numbers)


def on_device(features: Features, device: torch.device) -> Features:
    """`features` on `device`, sent without waiting for it; with `token_counts`, which stay in main memory."""
    counts = _counts(features)
    moved = {name: _sent(value, device) for name, value in features.items() if name != TOKEN_COUNTS}
    return {**moved, TOKEN_COUNTS: counts.cpu()}


def is_sent(features: Features, device: torch.device) -> bool:
    """Whether `on_device` copies anything of `features`."""
    return any(value.device != device for name, value in features.items() if name != TOKEN_COUNTS)


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


def without_cache(config: Any) -> dict[str, bool]:
    """The argument that keeps a backbone with this Hugging Face `config` from storing keys and values: decoders would,
    for text that is not generated here. Many encoders do not know it."""
    return {"use_cache": False} if hasattr(config.get_text_config(), "use_cache") else {}


def kept_numbers(features: Features) -> list[int]:
    """Where each row's kept tokens begin among all of them, B + 1 numbers. Waits for the device where nobody counted
    before the features were moved."""
    return [0, *_counts(features).cumsum(0).tolist()]


def _counts(features: Features) -> Tensor:
    """int64 [B]: how many tokens each row keeps."""
    if TOKEN_COUNTS in features:
        return features[TOKEN_COUNTS]
    return features[OFFSETS].diff() if is_stored(features) else features["token_mask"].sum(dim=1)


def kept_states(layers: Sequence[Tensor], features: Features, rows: int) -> tuple[list[Tensor], Tensor]:
    """Of each of `layers` [B, T, H] the kept states [sum T, H], and where those of the first `rows` inputs begin, int64
    [rows + 1]. Inputs behind them were added for other ranks' sake and keep none."""
    places = kept_places(features["token_mask"], kept_numbers(features)[-1])
    counts = features["token_mask"][:rows].sum(dim=1)
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return [states.flatten(0, 1).index_select(0, places) for states in layers], offsets


def kept_places(mask: Tensor, count: int) -> Tensor:
    """int64 [count]: the places of True in `mask` [B, T], flat and rising.

    As `mask.nonzero()`, which has to wait for their number: here every True writes its place where it belongs, and
    everything else into one slot behind the last.
    """
    flat = mask.flatten()
    places = torch.arange(len(flat), device=flat.device)
    slots = torch.where(flat, flat.cumsum(0) - 1, count)
    return places.new_empty(count + 1).scatter_(0, slots, places)[:count]


def pooled_states(states: Tensor, features: Features) -> Tensor:
    """[B, T, H] -> fp32 [B, H]: the state at `pooled_index`, or the mean of those in `pooled_mask`."""
    if "pooled_mask" not in features:
        rows = torch.arange(len(states), device=states.device)
        return states[rows, features["pooled_index"]].float()
    mask = features["pooled_mask"].unsqueeze(-1)
    return states.float().masked_fill(~mask, 0.0).sum(dim=1) / mask.sum(dim=1)
