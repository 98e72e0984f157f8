"""Pixels as they travel from a loader's worker to the device: 8 bits each, a still image's frame once.

A processor turns each of 256 levels of each colour into one number of 32 bits, and writes a still image twice, because
the vision tower reads pairs of frames. Neither adds anything that has to be sent: both are undone here and made again
on the device, from the processor's own 256 numbers, so that the model reads what the processor gave, bit for bit. Where
that does not hold (a processor of another kind), pixels stay as they are.

Shapes: n patches, C colours, F frames that are the same, P other pixels of a patch; a row of pixels is [C, F, P], flat.
The frames of a video differ: there F is 1, and P counts the pixels of both frames. Of a family that reads whole images,
n are images, and F is 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

LEVELS = 256


def compacted(pixels: Tensor, levels: Tensor, frames: int) -> Tensor | None:
    """uint8 [n, C * P] of fp32 [n, C * F * P]; None where `expanded` would not give back the very same numbers."""
    colours = len(levels)
    if pixels.dtype != torch.float32 or pixels.ndim != 2 or pixels.shape[1] % (colours * frames):
        return None
    values = pixels.numpy().reshape(len(pixels), colours, frames, -1)
    first, table = values[:, :, 0], levels.numpy()
    if any(not np.array_equal(values[:, :, frame], first) for frame in range(1, frames)):
        return None
    codes = np.empty(first.shape, dtype=np.uint8)
    for colour in range(colours):
        low, high = table[colour, 0], table[colour, -1]
        guess = (first[:, colour] - low) * ((LEVELS - 1) / (high - low))
        codes[:, colour] = np.rint(guess, out=guess).clip(0, LEVELS - 1)
        if not np.array_equal(table[colour].take(codes[:, colour]), first[:, colour]):
            return None
    return torch.from_numpy(codes.reshape(len(pixels), -1))


def expanded(codes: Tensor, levels: Tensor, frames: int) -> Tensor:
    """What `compacted` was given, on the device of `codes`, in the dtype of `levels` [C, 256]."""
    by_colour = codes.view(len(codes), len(levels), -1)
    pixels = levels.new_empty(len(codes), len(levels), frames, by_colour.shape[2])
    for colour, table in enumerate(levels):
        pixels[:, colour] = F.embedding(by_colour[:, colour].int(), table.unsqueeze(1)).squeeze(2).unsqueeze(1)
    return pixels.flatten(1)


class CompactCollator:
    """A collator whose two sides have compact pixels. Picklable for the loader's workers.

    Args:
        collator: returns a dict with `query` and `document`. compact: of a model family.
    """

    def __init__(self, collator: Callable[..., dict[str, Any]], compact: Callable[[Any], Any]) -> None:
        self.collator, self.compact = collator, compact

    def __call__(self, examples: Any) -> dict[str, Any]:
        batch = self.collator(examples)
        return {**batch, **{side: self.compact(batch[side]) for side in ("query", "document")}}
