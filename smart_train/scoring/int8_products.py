"""Token states as 8-bit integers that can be multiplied as such, calibrated so that scores hold.

Hidden states have a few dimensions far larger than the rest, and a step sized for those is too coarse for the others.
A rotation leaves every inner product as it is and spreads such dimensions over many (as in QuaRot, arXiv 2404.00456):
after it, one scale per document and one per query token are enough. A scale per document costs nothing in the score:
it is positive, so it can wait until after the maximum.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

LEVELS = 127  # without -128, so that a state and its negative are stored alike
SEED = 2026
UNIT = 64  # widths are padded with zeros to a multiple of this, so that any width can be mixed and multiplied
MIXED = 256  # dimensions that one Hadamard block mixes; more would cost more and flatten little further


class Rotation:
    """x [T, width] -> fp32 [T, padded]: shuffled dimensions, random signs, Hadamard blocks. Keeps inner products."""

    def __init__(self, width: int, device: torch.device) -> None:
        self.padded = max(-(-width // UNIT), 1) * UNIT
        block = min(self.padded & -self.padded, MIXED)  # the largest power of two that divides the width
        generator = torch.Generator().manual_seed(SEED)
        self.order = torch.randperm(self.padded, generator=generator).to(device)
        signs = torch.randint(0, 2, (self.padded,), generator=generator).mul_(2).sub_(1)
        self.signs = signs.to(device, torch.float32)
        hadamard = torch.ones(1, 1)
        while len(hadamard) < block:
            hadamard = torch.cat([torch.cat([hadamard, hadamard], 1), torch.cat([hadamard, -hadamard], 1)])
        self.hadamard = (hadamard / block**0.5).to(device)

    def __call__(self, states: Tensor) -> Tensor:
        states = F.pad(states.float(), (0, self.padded - states.shape[1]))[:, self.order] * self.signs
        with torch.autocast(states.device.type, enabled=False):
            return (states.view(-1, len(self.hadamard)) @ self.hadamard).view(-1, self.padded)


def quantized_rows(states: Tensor) -> tuple[Tensor, Tensor]:
    """fp32 [M, w] -> int8 [M, w] and fp32 scales [M]: a scale per row, not finite where the row is not."""
    scales = _scale(states.abs().amax(dim=1) if states.numel() else states.new_zeros(len(states)))
    return _rounded(states, scales), scales


def quantized_documents(
    values: Tensor,
    starts: tuple[int, ...],
    lengths: tuple[int, ...],
    rotation: Rotation,
    row_scales: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Rotated documents as int8 [R + UNIT, w] (the surplus rows are zero) and their fp32 scales [N].

    Args:
        row_scales: fp32 [R], of `values` that are integers with a scale per row.

    The surplus lets a product run over a rounded-up number of rows, which CUDA's integer product demands.
    """
    integers = torch.zeros(len(values) + UNIT, rotation.padded, dtype=torch.int8, device=values.device)
    scales = torch.empty(len(starts), device=values.device)
    for place, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        states = values[start : start + length]
        if row_scales is not None:
            states = states.float().mul_(row_scales[start : start + length].unsqueeze(1))
        rotated = rotation(states)
        scales[place] = _scale(rotated.abs().amax())
        integers[start : start + length] = _rounded(rotated, scales[place].expand(length))
    return integers, scales


def integer_products(left: Tensor, right: Tensor, rows: int) -> Tensor:
    """int8 [M, w] x [rows + surplus, w] -> int32 [M, rows]; `right` must reach to `rows` rounded up to 8."""
    height = len(left)
    if height % 8 or height < 32:
        left = F.pad(left, (0, 0, 0, max(-(-height // 8) * 8, 32) - height))
    return torch._int_mm(left, right[: -(-rows // 8) * 8].T)[:height, :rows]


def _scale(largest: Tensor) -> Tensor:
    return (largest / LEVELS).clamp(min=torch.finfo(torch.float32).tiny)


def _rounded(states: Tensor, scales: Tensor) -> Tensor:
    return (states / scales.unsqueeze(1)).round_().to(torch.int8)
