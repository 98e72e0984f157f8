"""One encoding that holds every choice of tokens: the states of several layers at all positions, and the mask of each
token filter. `smart_train.evaluation.tune` measures settings on it without the backbone.

Shapes: B items, T_i valid positions of item i, H the hidden size, d the width of a token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from smart_train.errors import NonFiniteError
from smart_train.models.family import Family, Features, Role
from smart_train.models.smart_model import SmartModel
from smart_train.models.token_filter import token_filter
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.hybrid import POOLED_TOKEN_CHOICES, TOKEN_FILTERS
from smart_train.types import ModelInput

Filter = tuple[str, str]  # of `scoring.query_tokens` or `document_tokens`, and of `pooled_token`
FILTERS: tuple[Filter, ...] = tuple(product(TOKEN_FILTERS, POOLED_TOKEN_CHOICES))


@dataclass(frozen=True)
class LayeredStates:
    """What all settings of one batch of inputs are made of, on the CPU.

    Args:
        pooled: fp32 [B, D], L2-normalised.
        states: layer -> fp32 [sum T, d], L2-normalised: the tokens of every valid position.
        masks: filter -> bool [sum T], which of them it keeps.
        offsets: int64 [B + 1].
    """

    pooled: Tensor
    states: dict[int, Tensor]
    masks: dict[Filter, Tensor]
    offsets: Tensor

    @property
    def nbytes(self) -> int:
        tensors = (self.pooled, *self.states.values(), *self.masks.values())
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def select(self, layer: int, keep: str, pooled_token: str) -> Embeddings:
        """The embeddings that the model would give with this layer and filter."""
        mask = self.masks[keep, pooled_token]
        return Embeddings(self.pooled, self.states[layer][mask], F.pad(mask.cumsum(0), (1, 0))[self.offsets])

    def to_tensors(self) -> dict[str, Tensor]:
        """Every tensor under a name of its own, for a file."""
        named = {f"layer {layer}": value for layer, value in self.states.items()}
        named |= {f"mask {keep} {pooled}": value for (keep, pooled), value in self.masks.items()}
        return {"pooled": self.pooled, "offsets": self.offsets, **named}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> LayeredStates:
        """What `to_tensors` gave."""
        words = {name: name.split() for name in tensors}
        return cls(
            tensors["pooled"],
            {int(parts[1]): tensors[name] for name, parts in words.items() if parts[0] == "layer"},
            {(parts[1], parts[2]): tensors[name] for name, parts in words.items() if parts[0] == "mask"},
            tensors["offsets"],
        )


@torch.no_grad()
def encode_layers(
    model: SmartModel,
    inputs: Sequence[ModelInput],
    role: Role,
    layers: Sequence[int],
    *,
    batch_size: int = 32,
    show_progress_bar: bool | None = None,
    share: tuple[int, int] = (0, 1),
) -> Iterator[tuple[list[int], LayeredStates]]:
    """Every input once through `model`: the places in `inputs` of a batch's items, and their states.

    Args:
        layers: numbered as `scoring.layer`. Of a model with a head (`SmartModel.head`), which reads layers of its own,
            the one that `model.scoring` names.
        batch_size: inputs per forward. show_progress_bar: None shows it from 10 batches on.
        share: which of how many: (1, 3) is the second, fifth, ... of all batches.

    Raises:
        NonFiniteError: the model gives NaN. DataError: an input cannot be read.
    """
    # Long inputs first, as in `SmartModel.encode_document`.
    order = sorted(
        range(len(inputs)),
        key=lambda i: (inputs[i].video is None, -len(inputs[i].images), -len(inputs[i].text or ""), i),
    )
    first, step = share
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)][first::step]
    loader: DataLoader[Any] = DataLoader(
        cast("Dataset[Any]", [(i, inputs[i]) for batch in batches for i in batch]),
        batch_size=batch_size,
        collate_fn=lambda rows: ([i for i, _ in rows], model.family.featurize([item for _, item in rows], role)),
        generator=torch.Generator(),
    )
    show = len(loader) >= 10 if show_progress_bar is None else show_progress_bar
    training = model.training
    model.eval()
    try:
        for places, features in tqdm(loader, desc=f"Encoding, {role}", disable=not show):
            yield places, _read(model, features, layers)
    finally:
        model.train(training)


def _read(model: SmartModel, features: Features, layers: Sequence[int]) -> LayeredStates:
    valid = features["attention_mask"].bool()
    masks = {filters: _mask(model.family, features, *filters)[valid] for filters in FILTERS}
    everything = {name: value.to(model.device) for name, value in {**features, "token_mask": valid}.items()}
    if model.head is None:
        pooled, token_states, offsets = model.read_states(everything, layers)
        states = [F.normalize(part.float(), dim=-1) for part in token_states]
    else:
        pooled, token_states, offsets = model.read_states(everything)
        states = [model.tokens_of(token_states)]
    if not all(bool(tensor.isfinite().all()) for tensor in (pooled, *states)):
        raise NonFiniteError(
            "the model gives vectors that hold NaN at some layer or position: its weights are damaged, or its dtype "
            "cannot hold its values; fetch it again, or load it as float32"
        )
    return LayeredStates(
        pooled.cpu(),
        {layer: part.cpu() for layer, part in zip(layers, states, strict=True)},
        masks,
        offsets.cpu(),
    )


def _mask(family: Family, features: Features, keep: str, pooled_token: str) -> Tensor:
    """bool [B, T], what `family` would keep under another filter than its own."""
    return token_filter(
        features["input_ids"],
        features["attention_mask"],
        features.get("pooled_index"),
        keep=keep,
        pooled_token=pooled_token,
        special_ids=family.special_ids,
        visual_ids=family.visual_ids,
    )
