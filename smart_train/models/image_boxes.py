"""Where the tokens of an image lie on it."""

from __future__ import annotations

import torch
from torch import Tensor


def grid_boxes(rows: int, columns: int) -> Tensor:
    """fp32 [rows * columns, 4]: left, top, right and bottom of every cell of an even grid, row by row, as shares of the
    image's width and height."""
    across, down = torch.arange(columns + 1) / columns, torch.arange(rows + 1) / rows
    top, left = torch.meshgrid(down[:-1], across[:-1], indexing="ij")
    bottom, right = torch.meshgrid(down[1:], across[1:], indexing="ij")
    return torch.stack([left, top, right, bottom], dim=-1).reshape(-1, 4)
