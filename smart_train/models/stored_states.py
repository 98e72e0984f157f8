"""States that a frozen backbone gave earlier, in the place of features: a forward then only has to read them.

Shapes: B inputs, L layers, H the backbone's width, D the pooled vector's, sum T kept tokens of all inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from smart_train.models.family import Features, Role
from smart_train.types import ModelInput

if TYPE_CHECKING:
    from smart_train.models.smart_model import SmartModel

POOLED = "stored_pooled"  # fp32 [B, D], L2-normalised
OFFSETS = "stored_offsets"  # int64 [B + 1]
STATES = "stored_states"  # [sum T, L, H]
SCALES = "stored_scales"  # fp32 [sum T, L], with int8 states only: a state is its scale times its integers


class StateSource(Protocol):
    """What knows states of inputs. Picklable for a loader's workers."""

    def serves(self, model: SmartModel) -> bool:
        """Whether its states are those of the tokens that `model` keeps now, in all layers that it reads now."""
        ...

    def features(self, items: Sequence[ModelInput], role: Role, layers: Sequence[int]) -> Features | None:
        """The states of `items` in `layers`, in the form of `stored`; None where one of them is not known."""
        ...


def stored(pooled: Tensor, offsets: Tensor, states: Tensor, scales: Tensor | None) -> Features:
    """Features that hold states, see the names above."""
    features = {POOLED: pooled, OFFSETS: offsets, STATES: states}
    return features if scales is None else {**features, SCALES: scales}


def is_stored(features: Features) -> bool:
    """Whether `features` hold states, and not what a backbone reads."""
    return OFFSETS in features


def read_stored(features: Features) -> tuple[Tensor, list[Tensor], Tensor]:
    """What `SmartModel.read_states` returns, of features that hold states."""
    states = features[STATES]
    if SCALES in features:
        states = states.float() * features[SCALES].unsqueeze(-1)
    return features[POOLED], list(states.unbind(dim=1)), features[OFFSETS]


def select_stored(features: Features, rows: Sequence[int]) -> Features:
    """The features of `rows`, at least one, in that order, of features that hold states."""
    offsets, wanted = features[OFFSETS], list(rows)
    bounds = offsets.tolist()
    # By index: `torch.cat` of float16 is an error under a CPU's autocast.
    places = torch.cat([torch.arange(bounds[row], bounds[row + 1], device=offsets.device) for row in wanted])
    states = {name: features[name][places] for name in (STATES, SCALES) if name in features}
    lengths = offsets.diff()[wanted]
    starts = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
    return {POOLED: features[POOLED][wanted], OFFSETS: starts, **states}


def token_counts(features: Features) -> list[int]:
    """Tokens of every row that a forward has to hold."""
    if is_stored(features):
        return features[OFFSETS].diff().tolist()
    return features["attention_mask"].sum(dim=1).tolist()
