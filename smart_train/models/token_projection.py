"""The token projection: a small trained map on kept token states, the backbone untouched.

SMART (arXiv 2605.24938), section on post-training a frozen backbone, and the authors' public code: token states of one
or several layers, mixed into one; LayerNorm over the hidden size; a linear map without bias to the token width, or two
with a GELU between. L2 normalisation follows in `SmartModel`. The pooled vector does not pass through any of it.

Shapes: N kept tokens, L layers, H the backbone's width, d the token's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from smart_train.errors import ModelError
from smart_train.models.reading import read_json, read_weights

CONFIG_NAME = "projection_config.json"
WEIGHTS_NAME = "projection.safetensors"
_RMS_EPS = 1e-6  # the authors'
_QUERY_STD = 0.02  # the authors': at the start the mixture is nearly even


class TokenProjection(nn.Module):
    """LayerNorm(H), then Linear(H -> dim), or Linear(H -> hidden_dim), GELU, Linear(hidden_dim -> dim); no biases.

    Several layers are mixed first, each token by weights of its own: a learned vector scores the token's state in every
    layer, and the states are averaged by the softmax of the scores (see `layer_weights`).

    Args:
        hidden_size: H, the backbone's width.
        dim: d, the width of the projected tokens, at most H. Smaller: a smaller index and a cheaper score.
        hidden_dim: width between the two linear maps; None is a single one.
        layers: which hidden states it reads, numbered as `scoring.layer`: -1 is the last, k >= 0 the state after k
            decoder layers.

    Raises:
        ModelError: a width or the choice of layers makes no projection.
    """

    def __init__(
        self, hidden_size: int, dim: int, *, hidden_dim: int | None = None, layers: Sequence[int] = (-1,)
    ) -> None:
        super().__init__()
        if not 1 <= dim <= hidden_size:
            raise ModelError(f"projection.dim {dim} must lie between 1 and the backbone's hidden size {hidden_size}")
        if hidden_dim is not None and hidden_dim < 1:
            raise ModelError(f"projection.hidden_dim {hidden_dim} must be at least 1, or null for a single linear map")
        if not layers or len(set(layers)) != len(layers):
            raise ModelError(f"projection.layers {list(layers)} must name at least one layer, and none twice")
        self.layers = tuple(layers)
        self.norm = nn.LayerNorm(hidden_size)
        self.hidden = nn.Linear(hidden_size, hidden_dim, bias=False) if hidden_dim is not None else None
        self.linear = nn.Linear(hidden_dim or hidden_size, dim, bias=False)
        self.layer_query = nn.Parameter(torch.empty(hidden_size)) if len(layers) > 1 else None
        if self.layer_query is not None:
            nn.init.normal_(self.layer_query, std=_QUERY_STD)

    @property
    def hidden_size(self) -> int:
        return self.norm.normalized_shape[0]

    @property
    def dim(self) -> int:
        return self.linear.out_features

    @property
    def hidden_dim(self) -> int | None:
        return None if self.hidden is None else self.hidden.out_features

    def forward(self, *states: Tensor) -> Tensor:
        """[N, H] of each layer, in the order of `layers`, any float dtype -> [N, d] in the projection's dtype, not yet
        normalised."""
        mixed = self.norm(self._mix([state.to(self.linear.weight.dtype) for state in states]))
        return self.linear(mixed if self.hidden is None else F.gelu(self.hidden(mixed)))

    def layer_weights(self, *states: Tensor) -> Tensor:
        """How much of each layer every token is made of: [N, L], each row adding up to 1.

        weights = softmax over layers of <rms(state), rms(query)> / sqrt(H), with rms(x) = x / sqrt(mean(x^2) + 1e-6).
        """
        assert len(states) == len(self.layers), f"{len(states)} states for {len(self.layers)} layers"
        if self.layer_query is None:
            return states[0].new_ones(len(states[0]), 1)
        query = _rms_normalize(self.layer_query)
        scores = [_rms_normalize(state.to(query.dtype)) @ query for state in states]
        return F.softmax(torch.stack(scores, dim=1) * self.hidden_size**-0.5, dim=1)

    def _mix(self, states: Sequence[Tensor]) -> Tensor:
        weights = self.layer_weights(*states)
        if self.layer_query is None:
            return states[0]
        # One layer at a time: stacking them would hold every state a second time.
        mixed = weights[:, :1] * states[0]
        for index, state in enumerate(states[1:], start=1):
            mixed = mixed + weights[:, index : index + 1] * state
        return mixed

    @property
    def shape(self) -> dict[str, Any]:
        """The arguments that make this projection again, as JSON values."""
        return {
            "hidden_size": self.hidden_size,
            "dim": self.dim,
            "hidden_dim": self.hidden_dim,
            "layers": list(self.layers),
        }

    def save(self, folder: Path) -> None:
        """Weights (safetensors) and shape (JSON) into `folder`."""
        state = {name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()}
        save_file(state, folder / WEIGHTS_NAME, metadata={"format": "pt"})
        (folder / CONFIG_NAME).write_text(json.dumps(self.shape, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> TokenProjection:
        """The projection saved in `folder`.

        Raises:
            ModelError: a file is missing or damaged, or the two do not fit together.
        """
        shape = read_shape(folder / CONFIG_NAME)
        projection = cls(**shape)
        try:
            projection.load_state_dict(read_weights(folder / WEIGHTS_NAME))
        except RuntimeError as error:
            reason = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise ModelError(f"{folder / WEIGHTS_NAME}: {' '.join(reason[:2])}") from error
        return projection

    def check_fit(self, config: Any, scoring_layer: int, *, source: str | Path | None = None) -> None:
        """Raises ModelError, naming `source`, unless this projection can stand on a backbone.

        Args:
            config: the backbone's Hugging Face configuration: its width must be ours, and it must have our layers.
            scoring_layer: `scoring.layer`, which may not ask for tokens of another layer than we read.
        """
        at, text, layers = f"{source}: " if source else "", config.get_text_config(), list(self.layers)
        if self.hidden_size != text.hidden_size:
            widths = f"hidden size {self.hidden_size}, the backbone has {text.hidden_size}"
            raise ModelError(f"{at}this projection was trained on {widths}")
        depth = text.num_hidden_layers
        for layer in layers:
            check_layer(layer, config, f"{at}projection.layers")
        if len({layer % (depth + 1) for layer in layers}) < len(layers):
            raise ModelError(
                f"{at}projection.layers {layers} name one layer twice: with {depth} layers, -1 is layer {depth}"
            )
        if scoring_layer != -1 and layers != [scoring_layer]:
            rule = f"the token projection reads its own layers, {layers}; leave it at -1"
            raise ModelError(f"{at}scoring.layer {scoring_layer}: {rule}")

    @torch.no_grad()
    def reset(self, seed: int) -> None:
        """Seeded, orthogonal rows: the untrained projection keeps distances as well as d directions can."""
        generator = torch.Generator().manual_seed(seed)
        nn.init.orthogonal_(self.linear.weight, generator=generator)
        if self.hidden is not None:
            nn.init.orthogonal_(self.hidden.weight, generator=generator)
        if self.layer_query is not None:
            self.layer_query.copy_(torch.randn(self.hidden_size, generator=generator) * _QUERY_STD)


def read_shape(path: Path) -> dict[str, Any]:
    """The arguments of the projection whose `projection_config.json` this is. Raises ModelError when it is none."""
    shape = read_json(path)
    if shape is None:
        raise ModelError(f"{path}: no such file")
    keys = ("hidden_size", "dim", "hidden_dim", "layers")
    if sorted(shape) != sorted(keys):
        raise ModelError(f"{path}: must hold {', '.join(keys)}; holds {', '.join(shape) or 'nothing'}")
    widths = [shape["hidden_size"], shape["dim"], *([] if shape["hidden_dim"] is None else [shape["hidden_dim"]])]
    layers = shape["layers"] if isinstance(shape["layers"], list) else [None]
    if not all(isinstance(value, int) for value in (*widths, *layers)):
        raise ModelError(f"{path}: {shape}: widths must be whole numbers, layers a list of them")
    return shape


def check_layer(layer: int, config: Any, key: str) -> None:
    """Raises ModelError, naming `key`, unless hidden state `layer` exists: -1, or 0 .. the number of decoder layers."""
    count = config.get_text_config().num_hidden_layers
    if not -count - 1 <= layer <= count:
        raise ModelError(f"{key} {layer} is out of range: the model has hidden states {-count - 1} .. {count}")


def _rms_normalize(states: Tensor) -> Tensor:
    return states * torch.rsqrt(states.pow(2).mean(dim=-1, keepdim=True) + _RMS_EPS)
