"""The token projection: a small trained map on kept token states, the backbone untouched.

SMART, section on post-training a frozen backbone: LayerNorm over the hidden size, then a linear map without bias to the
token width, then L2 normalisation. The pooled vector does not pass through it.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from smart_train.errors import ModelError

CONFIG_NAME = "projection_config.json"
WEIGHTS_NAME = "projection.safetensors"


class TokenProjection(nn.Module):
    """LayerNorm(H), then Linear(H -> dim) without bias.

    Args:
        hidden_size: H, the backbone's width.
        dim: d, the width of the projected tokens, at most H. Smaller: a smaller index and a cheaper score.
    """

    def __init__(self, hidden_size: int, dim: int) -> None:
        super().__init__()
        if not 1 <= dim <= hidden_size:
            raise ModelError(f"projection.dim {dim} must lie between 1 and the backbone's hidden size {hidden_size}")
        self.norm = nn.LayerNorm(hidden_size)
        self.linear = nn.Linear(hidden_size, dim, bias=False)

    @property
    def hidden_size(self) -> int:
        return self.linear.in_features

    @property
    def dim(self) -> int:
        return self.linear.out_features

    def forward(self, states: Tensor) -> Tensor:
        """[sum T, H] any float dtype -> [sum T, d] in the projection's dtype, not yet normalised."""
        return self.linear(self.norm(states.to(self.linear.weight.dtype)))

    def save(self, folder: Path) -> None:
        """Weights (safetensors) and shape (JSON) into `folder`."""
        state = {name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()}
        save_file(state, folder / WEIGHTS_NAME, metadata={"format": "pt"})
        (folder / CONFIG_NAME).write_text(json.dumps({"hidden_size": self.hidden_size, "dim": self.dim}, indent=2))

    @classmethod
    def load(cls, folder: Path, *, hidden_size: int) -> TokenProjection:
        """The projection saved in `folder`, for a backbone of width `hidden_size`.

        Raises:
            ModelError: it was trained on another width, or its weights do not fit its configuration.
        """
        shape = json.loads((folder / CONFIG_NAME).read_text())
        if shape["hidden_size"] != hidden_size:
            raise ModelError(
                f"{folder}: this projection was trained on hidden size {shape['hidden_size']}, "
                f"the backbone has {hidden_size}"
            )
        projection = cls(shape["hidden_size"], shape["dim"])
        try:
            projection.load_state_dict(load_file(folder / WEIGHTS_NAME))
        except (RuntimeError, OSError) as error:
            raise ModelError(f"{folder / WEIGHTS_NAME}: {str(error).splitlines()[0]}") from error
        return projection

    @torch.no_grad()
    def reset(self, seed: int) -> None:
        """Orthogonal rows, seeded: the untrained projection keeps distances as well as d directions can."""
        generator = torch.Generator().manual_seed(seed)
        nn.init.orthogonal_(self.linear.weight, generator=generator)
