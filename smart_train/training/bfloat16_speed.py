"""Whether bfloat16 pays on this processor."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

# Tokens and widths of a small layer: large enough that the products decide, small enough to take a fraction of a second
# also where they are slow.
TOKENS, WIDTH = 256, 512
ROUNDS = 2


def bfloat16_over_float32() -> float:
    """Time of a linear layer's forward and backward on the CPU in bfloat16, as a multiple of that in fp32.

    Measured, because it depends on the processor, on what the libraries may use of it and on torch's build. The best of
    a few rounds in which both run, so that a busy moment counts for neither.
    """
    made = torch.randn(TOKENS, WIDTH), torch.randn(WIDTH, WIDTH), torch.randn(TOKENS, WIDTH)
    steps = {dtype: _step(*(part.to(dtype) for part in made)) for dtype in (torch.float32, torch.bfloat16)}
    best = dict.fromkeys(steps, float("inf"))
    for step in steps.values():
        step()  # the first call loads code
    for _ in range(ROUNDS):
        for dtype, step in steps.items():
            start = time.perf_counter()
            step()
            best[dtype] = min(best[dtype], time.perf_counter() - start)
    return best[torch.bfloat16] / best[torch.float32]


def _step(states: Tensor, weight: Tensor, gradient: Tensor) -> Callable[[], object]:
    """One forward and backward of `weight` [WIDTH, WIDTH] on `states` [TOKENS, WIDTH]."""

    def run() -> object:
        with torch.enable_grad(), torch.autocast("cpu", enabled=False):
            leaves = [states.detach().requires_grad_(), weight.detach().requires_grad_()]
            return torch.autograd.grad(F.linear(*leaves), leaves, gradient)

    return run
