"""The passes into which an engine's cached step comes apart, with nothing but a counter in the engine's place."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from smart_train.training import GradientCaching, TrainingModule
from smart_train.training.engine_caching import cached_backward
from tests.training.batches import batch, tiny, training_module

ROWS = 7
CHUNKS = 2 * 3  # of 3, 3 and 1 rows, on either side


class Wrapped(nn.Module):
    """Counts what an engine would see: forwards of the loss, and of features."""

    def __init__(self, module: TrainingModule) -> None:
        super().__init__()
        self.module, self.seen = module, Counter[str]()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        self.seen["features" if kwargs.get("encode") else "loss"] += 1
        return self.module(*args, **kwargs)


def gradients(module: TrainingModule) -> dict[str, Tensor]:
    found = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
    module.zero_grad()
    return found


@pytest.mark.parametrize(("mode", "objective"), [("full", "joint"), ("lora", "hybrid"), ("projection", "late")])
def test_an_engine_sees_a_chunk_twice_and_the_loss_once(mode: str, objective: str) -> None:
    """Of a projection too: its first forward gives the states of the frozen backbone with the tokens."""
    model = tiny(mode)
    inputs = batch(model, ROWS)
    module = training_module(model, objective, caching=GradientCaching(mini_batch_size=3)).eval()
    plain = training_module(model, objective).eval()
    expected = plain(inputs).total
    expected.backward()
    wanted = gradients(plain)
    wrapped, last = Wrapped(module), []

    def backward(value: Tensor, is_last: bool) -> None:
        last.append(is_last)
        value.backward()

    loss = cached_backward(wrapped, module, inputs, wrapped, backward, precision=nullcontext, share=1.0)
    torch.testing.assert_close(loss, expected.detach(), atol=1e-6, rtol=0)
    assert wrapped.seen == {"features": 2 * CHUNKS, "loss": 1}
    assert last == [False] * CHUNKS + [True]
    found = gradients(module)
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6 * gradient.abs().max().item() + 1e-7)
