"""late-interaction-kernels against `maxsim`'s own path, for `test_kernels.py`.

    python -m tests.scoring.kernels_parity

On CUDA, or else on Triton's interpreter, which runs the package's kernels a line at a time on a CPU. A process of its
own, because Triton decides for the interpreter when it is first imported.
"""

from __future__ import annotations

import os

import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

import torch.nn.functional as F
from late_interaction_kernels import varlen
from torch import Tensor
from triton.runtime.autotuner import Autotuner

from smart_train.scoring import kernels, maxsim

WIDTH = 48  # no power of two: the kernels pad it


def interpret() -> None:
    """The interpreter cannot time configurations, so each kernel keeps one; and CPU states may pass."""
    for kernel in vars(varlen).values():
        if isinstance(kernel, Autotuner):
            kernel.configs = kernel.configs[:1]
    kernels.what_is_missing = lambda states: None


def results(backend: str, states: list[Tensor], lengths: list[list[int]], **options: object) -> list[Tensor]:
    """Scores, then the gradients of both sides."""
    leaves = [side.clone().requires_grad_() for side in states]
    sides = [list(leaf.split(counts)) for leaf, counts in zip(leaves, lengths, strict=True)]
    scores = maxsim(*sides, backend=backend, **options)
    wanted = torch.linspace(-1, 1, scores.numel(), device=scores.device).view_as(scores)
    kept = scores > -1e6  # what an empty document scores has no gradient
    return [scores, *torch.autograd.grad((scores * wanted)[kept].sum(), leaves)]


def compare(dtype: torch.dtype, device: str, within: float) -> None:
    torch.manual_seed(0)
    lengths = [[3, 9, 0, 1], [5, 0, 17, 4]]
    states = [(torch.randn(sum(counts), WIDTH) / WIDTH**0.5).to(device, dtype) for counts in lengths]
    for reduction in ("mean", "sum"):
        for normalize in (False, True):
            options = {"reduction": reduction, "normalize": normalize}
            ours, theirs = (results(backend, states, lengths, **options) for backend in ("torch", "kernels"))
            for found, expected in zip(theirs, ours, strict=True):
                assert found.dtype == expected.dtype
                torch.testing.assert_close(found, expected, rtol=within, atol=within)
            with torch.no_grad():
                plain = maxsim(
                    *(list(side.split(counts)) for side, counts in zip(states, lengths, strict=True)),
                    backend="kernels",
                    **options,
                )
            torch.testing.assert_close(plain, theirs[0], rtol=0, atol=1e-6)


def unit_scores_stay_one(dtype: torch.dtype, device: str) -> None:
    """Norms are taken in fp32: a document that holds the query's states scores 1, not 1 less a rounded norm."""
    states = (F.normalize(torch.randn(4, 8, WIDTH), dim=2) * 5.3).to(device, dtype)
    scores = maxsim(states, states, backend="kernels", normalize=True)
    torch.testing.assert_close(scores.diagonal(), torch.ones(4, device=device), rtol=0, atol=2e-3)


def main() -> None:
    if torch.cuda.is_available():
        cases = [(torch.float16, "cuda", 2e-3), (torch.bfloat16, "cuda", 1e-2)]
    else:
        interpret()
        # The interpreter holds bfloat16 as bare bits and multiplies those.
        cases = [(torch.float16, "cpu", 2e-3)]
    for case in cases:
        compare(*case)
        unit_scores_stay_one(*case[:2])
    print("parity holds")


if __name__ == "__main__":
    main()
