"""The Dense layers that sentence-transformers puts behind the pooling, read as one linear map.

Only layers without bias, activation and residual are read: of such a map it does not matter whether states are pooled
before or after it, so that a token can be mapped as its pooled vector is. sentence-transformers does the same where it
makes a multi-vector model of such a folder (6.2, `multi_vector_encoder/model.py`, `_load_converted_modules`).
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from smart_train.errors import ModelError
from smart_train.models.reading import read_json, read_json_value, read_weights
from smart_train.models.sentence_transformers_files import MODULES, pooled_modules

DENSE = "Dense"
# The name by which vLLM knows a Dense layer: it puts every state that it answers through those of this name, one after
# the other (`try_get_dense_modules`, `TokenEmbeddingPoolerHead` of github.com/vllm-project/vllm, 0.12 to 0.32).
SERVED_DENSE = "sentence_transformers.models.Dense"
DENSE_NAME = "dense.safetensors"  # in folders of smart_train, beside the weights
_KEY, _LIBRARY_KEY = "weight", "linear.weight"
_IDENTITY = "torch.nn.modules.linear.Identity"


class LinearHead(nn.Module):
    """x [..., H] -> x W^T [..., H], computed in the dtype of x, also under autocast: pooled vectors are fp32. W is not
    trained, and not among the saved weights."""

    weight: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight, persistent=False)

    def forward(self, states: Tensor) -> Tensor:
        with torch.autocast(states.device.type, enabled=False):
            return F.linear(states, self.weight.to(states.dtype))


def read_dense(folder: Path, width: int) -> Tensor:
    """fp32 [H, H]: the Dense layers in `folder`, one after the other, as one map of states of `width` H.

    Raises:
        ModelError: there are none, their weights are missing, or they are not such a map.
    """
    saved = folder / DENSE_NAME
    if saved.is_file():
        return _checked(_tensor(saved, _KEY), width, width, saved)
    kinds = [entry["type"].rsplit(".", 1)[-1] for entry in pooled_modules(folder)]
    if DENSE not in kinds:
        raise ModelError(
            f"{folder}: {MODULES} names no {DENSE} module and there is no {DENSE_NAME}; fetch the whole folder of the "
            "model again"
        )
    ends = [kind for kind in kinds if kind in (DENSE, "Pooling", "Normalize")]
    if ends != ["Pooling", *([DENSE] * kinds.count(DENSE)), *(["Normalize"] * kinds.count("Normalize"))]:
        raise ModelError(f"{folder / MODULES}: {', '.join(kinds)}; {DENSE} is read between Pooling and Normalize alone")
    parts = [entry["path"] for entry, kind in zip(pooled_modules(folder), kinds, strict=True) if kind == DENSE]
    product, size = torch.eye(width, dtype=torch.float64), width
    for part in parts:
        weight = _layer(folder / part, size)
        product, size = weight.double() @ product, len(weight)
    if size != width:
        raise ModelError(f"{folder}: its {DENSE} modules give {size} numbers; the model's states have {width}")
    return product.float()


def names_served_dense(folder: Path) -> bool:
    """Whether a server that holds `folder` puts states through its Dense layers before it answers."""
    return any(entry["type"] == SERVED_DENSE for entry in read_json_value(folder / MODULES) or [])


def save_dense(weight: Tensor, folder: Path) -> None:
    """Writes what `read_dense` returned into `folder`."""
    save_file({_KEY: weight.contiguous()}, folder / DENSE_NAME, {"format": "pt"})


def _layer(folder: Path, width: int) -> Tensor:
    """The weight [O, `width`] of the Dense module in `folder`."""
    config = read_json(folder / "config.json") or {}
    stated = {name: config.get(name) for name in ("bias", "activation_function", "use_residual")}
    if stated["bias"] is not False or stated["activation_function"] != _IDENTITY or stated["use_residual"]:
        raise ModelError(
            f"{folder / 'config.json'}: {stated}; a {DENSE} module is read where bias is false, activation_function is "
            f"{_IDENTITY} and use_residual is false or left out"
        )
    path = folder / "model.safetensors"
    return _checked(_tensor(path, _LIBRARY_KEY), config.get("out_features"), width, path)


def _tensor(path: Path, key: str) -> Tensor:
    tensors = read_weights(path)
    if set(tensors) != {key}:
        raise ModelError(f"{path}: holds {sorted(tensors)}; it must hold {key!r} alone; fetch or save it again")
    return tensors[key].float()


def _checked(weight: Tensor, rows: int | None, columns: int, path: Path) -> Tensor:
    if tuple(weight.shape) != (rows, columns):
        raise ModelError(f"{path}: its weight is {list(weight.shape)}; it must be {[rows, columns]}")
    return weight
