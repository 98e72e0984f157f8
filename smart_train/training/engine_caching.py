"""Gradient caching under an engine that shards gradients or weights (ZeRO, FSDP2).

`grad_cache.encode_cached` runs a chunk's backward inside the batch's. These engines follow forward and backward by
hooks and cannot have one inside the other. So here the step comes apart into passes that each look like a micro-batch
to the engine: the loss down to the embeddings, then every chunk from its embeddings' gradient down. Gradients add up as
they do over accumulated micro-batches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from smart_train.scoring.embeddings import Embeddings
from smart_train.training.grad_cache import ChunkedEncoder
from smart_train.training.module import TrainingModule
from smart_train.types import LossOutput

SIDES = ("query", "document")
Backward = Callable[[Tensor, bool], None]  # a scalar, and whether nothing follows it in this micro-batch


def cached_backward(
    wrapped: nn.Module,
    module: TrainingModule,
    batch: Mapping[str, Any],
    loss_of: Callable[[dict[str, Any]], LossOutput],
    backward: Backward,
    *,
    precision: Callable[[], AbstractContextManager],
    share: float,
) -> Tensor:
    """One micro-batch, forward and backward. Every rank must call it.

    Args:
        wrapped: what the engine made of `module`.
        batch: what `HostCollator` returned. loss_of: a batch whose sides are Embeddings -> its loss, through `wrapped`.
        backward: hands a scalar to the engine.
        precision: the context in which forwards run.
        share: what this micro-batch's loss is multiplied by: 1 / accumulated micro-batches.

    Returns: the loss times `share`, detached.
    """
    leaves = {}
    assert module.caching is not None, "called for a cached step alone"
    with precision():  # encoders remember it
        encoders = {
            side: ChunkedEncoder(
                module.model,
                batch[side],
                module.caching,
                forward=partial(wrapped, encode=True),
            )
            for side in SIDES
        }
        for side, encoder in encoders.items():
            pooled, packed = encoder.encode()
            leaves[side] = Embeddings(
                pooled.requires_grad_(), packed.requires_grad_(), encoder.offsets, numbers=encoder.numbers
            )
        loss = loss_of({**batch, **leaves}).total * share
    backward(loss, False)
    for side in SIDES:

        def hand_on(values: list[Tensor], gradients: list[Tensor], last: bool, side: str = side) -> None:
            products = [(value * gradient).sum() for value, gradient in zip(values, gradients, strict=True)]
            backward(torch.stack(products).sum(), last and side == SIDES[-1])

        encoders[side].replay(leaves[side].pooled.grad, leaves[side].packed.grad, hand_on)
    return loss.detach()
