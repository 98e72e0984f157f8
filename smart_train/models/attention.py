"""Which kind of attention a model computes with, where `attn_implementation: auto` leaves that to the machine.

Flash attention computes no padding and reads the pages of a batch one after the other inside one kernel; torch's own
attention (sdpa) computes padding, and in a vision tower splits the images in every layer, for which it waits for the
GPU. Both give the same up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import nn
from transformers.models.auto.modeling_auto import MODEL_MAPPING
from transformers.utils import is_flash_attn_2_available

from smart_train.errors import ModelError
from smart_train.models.saving import weights_dtype

AUTO, FLASH, SDPA = "auto", "flash_attention_2", "sdpa"
_TAKEN = ("float16", "bfloat16")
_LEAST_CAPABILITY = (8, 0)  # Ampere


class Attention(NamedTuple):
    """What transformers is told, None where it is to choose, and why; "" where the user chose."""

    implementation: str | None
    reason: str = ""


def choose_attention(
    asked: str | None,
    config: Any,
    folder: Path,
    *,
    dtype: str | torch.dtype,
    device: torch.device,
    quantized: bool = False,
) -> Attention:
    """The attention for the backbone of `config`, whose weights lie in `folder`, where `asked` was asked for.

    Args:
        asked: "auto", or one of transformers' names, which is taken as it is; None: transformers' own choice.
        dtype: of the weights on `device`; "auto": as they are stored.
        quantized: the weights are held in fewer bits. Then "auto" means sdpa: what is multiplied with them may be
            float32.

    Raises:
        ModelError: flash attention is asked for by name, and the weights have a dtype that it does not take.
    """
    if asked not in (AUTO, FLASH):
        return Attention(asked)
    stored = _name(dtype, config, folder)
    if asked == FLASH:
        if is_flash_attn_2_available() and stored not in _TAKEN:  # where it is missing, transformers says so
            raise ModelError(
                f"attn_implementation: {FLASH} takes {' or '.join(_TAKEN)}, and the weights are {stored}: set "
                f"attn_implementation to {SDPA}, or the dtype (a recipe's model.dtype) of weights that are loaded, and "
                "not drawn, to bfloat16"
            )
        return Attention(FLASH)
    missing = _missing(config, stored, device, quantized)
    return Attention(SDPA, missing) if missing else Attention(FLASH, "flash-attn is installed")


def attend_both_ways(decoder: nn.Module) -> None:
    """Lets every token of a decoder of transformers see all others, in place; what is saved of it says so.

    Its masks follow the configuration. Flash attention, which is given none, asks every layer.
    """
    cast(Any, decoder.config).is_causal = False
    for module in cast(Iterable[Any], decoder.modules()):
        if hasattr(module, "is_causal"):
            module.is_causal = False


def _missing(config: Any, dtype: str, device: torch.device, quantized: bool) -> str:
    """Why flash attention is not taken; empty where it is."""
    if device.type != "cuda":
        return f"flash attention needs a GPU, and this is {device.type}"
    if not is_flash_attn_2_available():
        return "flash-attn 2 is not installed"
    if torch.cuda.get_device_capability(device) < _LEAST_CAPABILITY:
        return "flash attention needs an Ampere GPU or newer"
    if quantized:
        return "the weights are quantised"
    if dtype not in _TAKEN:
        return f"flash attention takes {' or '.join(_TAKEN)}, and the weights are {dtype}"
    parts = [config, *(getattr(config, name, None) for name in getattr(config, "sub_configs", {}))]
    kinds = [MODEL_MAPPING.get(type(part), None) for part in parts if part is not None]
    # A part without a class of its own is one of the whole model's, which speaks for it.
    if kinds[0] is None or not all(getattr(kind, "_supports_flash_attn", False) for kind in kinds if kind is not None):
        return f"transformers has no flash attention for {type(config).__name__.removesuffix('Config')}"
    return ""


def _name(dtype: str | torch.dtype, config: Any, folder: Path) -> str:
    """ "float32", "bfloat16" and the like."""
    if dtype == AUTO:
        dtype = getattr(config, "dtype", None) or weights_dtype(folder)
    return str(dtype).removeprefix("torch.")
