"""The passes into which an engine's cached step comes apart, with nothing but a counter in the engine's place."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from smart_train.models import in_step
from smart_train.models.slicing import select_rows
from smart_train.training import GradientCaching, TrainingModule, grad_cache
from smart_train.training.engine_caching import cached_backward
from smart_train.training.grad_cache import ChunkedEncoder
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
    wrapped, last = compared(module, plain, inputs)
    assert wrapped.seen == {"features": 2 * CHUNKS, "loss": 1}
    assert last == [False] * CHUNKS + [True]


def compared(module: TrainingModule, plain: TrainingModule, inputs: dict) -> tuple[Wrapped, list[bool]]:
    """What an engine sees of a step of `module`, whose loss and gradients are those of `plain`; and of each backward
    whether it was called the last."""
    expected = plain(inputs).total
    expected.backward()
    wanted = gradients(plain)
    wrapped, last = Wrapped(module), []

    def backward(value: Tensor, is_last: bool) -> None:
        last.append(is_last)
        value.backward()

    loss = cached_backward(wrapped, module, inputs, wrapped, backward, precision=nullcontext, share=1.0)
    torch.testing.assert_close(loss, expected.detach(), atol=1e-6, rtol=0)
    found = gradients(module)
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6 * gradient.abs().max().item() + 1e-7)
    return wrapped, last


@pytest.fixture
def two_for_company(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another rank has two chunks more, on either side."""
    monkeypatch.setattr(in_step, "any_rank", lambda seen, device: seen)
    monkeypatch.setattr(grad_cache, "gather_objects", lambda own: [own, own + 2])


def test_passes_for_other_ranks_sake_add_nothing_and_are_never_the_last(two_for_company: None) -> None:
    model = tiny("full")
    inputs = batch(model, ROWS)
    plain = training_module(model, "joint").eval()
    module = training_module(model, "joint", caching=GradientCaching(mini_batch_size=3)).eval()
    model.in_step = True
    wrapped, last = compared(module, plain, inputs)
    assert wrapped.seen == {"features": 2 * (CHUNKS + 2 * 2), "loss": 1}
    assert last == [False] * (CHUNKS + 2 * 2) + [True]


def test_one_row_keeps_others_company(two_for_company: None) -> None:
    model = tiny("full")
    model.in_step = True
    features = select_rows(batch(model, 2)["query"], [0], model.family.visual_fields)
    encoder = ChunkedEncoder(model, features, GradientCaching(mini_batch_size=3))
    pooled, packed = encoder.encode()
    encoder.replay(torch.ones_like(pooled), torch.ones_like(packed))
    assert len(pooled) == 1 and gradients(training_module(model, "joint"))


@pytest.mark.parametrize(
    ("mode", "replays", "keeps"), [("lora", True, True), ("lora", False, False), ("projection", True, False)]
)
def test_there_is_room_only_for_what_a_second_forward_would_compute(mode: str, replays: bool, keeps: bool) -> None:
    """Of a projection the states are kept, and no inputs; without gradients there is no second forward."""
    model = tiny(mode)
    with torch.set_grad_enabled(replays):
        encoder = ChunkedEncoder(model, batch(model, 2)["document"], GradientCaching(2, keep_vision=1.0))
    assert encoder.inputs.left == (2**30 // 2 if keeps else 0)
