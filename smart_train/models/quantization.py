"""Backbones whose frozen weights are held in 4 or 8 bits (QLoRA, arXiv 2305.14314; LLM.int8(), arXiv 2208.07339).

Only what stays frozen is quantised: linear layers outside the vision tower. An adapter or projection trained on top is
saved as on any other base, and exported onto the full-precision weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from functools import cache
from importlib.util import find_spec
from typing import Any, cast

import torch
from torch import Tensor, nn

from smart_train.errors import ModelError
from smart_train.models.family import Family
from smart_train.scoring.processor_arithmetic import cut_integer_products

QUANTIZATIONS = ("4bit", "8bit")


def is_installed() -> bool:
    """Whether the library that quantises is there (the `quantization` extra)."""
    return find_spec("bitsandbytes") is not None


def loading_arguments(quantization: str | None, family: Family, config: Any, device: torch.device) -> dict[str, Any]:
    """What to tell transformers' `from_pretrained` so that the backbone's weights come out quantised; {} for None.

    4 bits are NormalFloat with double quantisation. Products are computed in bfloat16 on a GPU, in float32 on a CPU.

    Raises:
        ModelError: an unknown name, bitsandbytes is not installed, the checkpoint itself is quantised already, or 8-bit
            products are wrong on this CPU.
    """
    if getattr(config, "quantization_config", None) is not None:
        raise ModelError(
            f"{family.folder}: its weights are already quantised; name full-precision weights, and set quantization "
            f"({' or '.join(QUANTIZATIONS)}) to hold them in fewer bits"
        )
    if quantization is None:
        return {}
    if quantization not in QUANTIZATIONS:
        raise ModelError(f"model.quantization {quantization!r}: choose {' or '.join(QUANTIZATIONS)}")
    if not is_installed():
        raise ModelError(
            f"model.quantization {quantization}: needs bitsandbytes; pip install 'smart_train[quantization]'"
        )
    cut = cut_integer_products() if quantization == "8bit" and device.type == "cpu" else None
    if cut is not None:
        raise ModelError(
            f"model.quantization 8bit: its products of 8-bit integers are wrong here: {cut}; unset it, or choose 4bit"
        )
    from transformers import BitsAndBytesConfig

    return {
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=quantization == "4bit",
            load_in_8bit=quantization == "8bit",
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16 if device.type == "cuda" else torch.float32,
            llm_int8_skip_modules=list(family.vision_modules),
        )
    }


def is_upcast(name: str, module: nn.Module, family: Family, upcast: str) -> bool:
    """Whether `prepare` makes the 16-bit weights of `module`, called `name` in the backbone, float32."""
    if upcast == "norms":
        # RMS norms multiply whatever they are given; a LayerNorm wants its input in the precision of its weights.
        return type(module).__name__.endswith("RMSNorm") and not family.is_vision(name)
    return upcast == "all"


def prepare(backbone: nn.Module, family: Family, upcast: str) -> None:
    """PEFT's preparation of a quantised backbone for training, in place: all of it frozen, and what `upcast` says of
    its 16-bit weights in float32. Activation checkpointing is the Trainer's to switch on.

    Args:
        upcast: "norms", the language model's norms, which decide in what precision the states between the quantised
            layers are kept; "all", as PEFT does it by itself, embeddings and vision tower too; "none".
    """
    from peft import prepare_model_for_kbit_training

    held = [
        (module, key, weight)
        for name, module in backbone.named_modules()
        for key, weight in module._parameters.items()
        if weight is not None and not is_upcast(name, module, family, upcast)
    ]
    # PEFT converts every weight that it finds, so those that are to stay as they are leave for the moment.
    for module, key, _ in held:
        module._parameters[key] = None
    try:
        prepare_model_for_kbit_training(backbone, use_gradient_checkpointing=False)
    finally:
        for module, key, weight in held:
            module._parameters[key] = weight.requires_grad_(False)


def correct_for_cpu(backbone: nn.Module) -> None:
    """Undoes two things, in place, that bitsandbytes 0.50 does with 4-bit layers on a CPU with AVX512. Other processors
    and GPUs compute the same with and without it.

    - With AVX512-BF16, the first forward in eval mode repacks a layer's weights for inference, and later gradients
      through it vanish: an evaluation before training would leave nothing to train.
    - Rows that end inside a block are read with the scales of other blocks: weights of 96 inputs were off by a quarter
      of their size, and not by a tenth as elsewhere. Read as one long row, all are right. To refuse such a layer was
      rejected, since every other processor computes it.
    """
    for module in cast(Iterable[Any], backbone.modules()):
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
            on_cpu = module.weight.device.type == "cpu"
            if on_cpu and module.in_features % module.weight.quant_state.blocksize:
                module.__class__ = _read_as_one_row()


@cache
def _read_as_one_row() -> type[nn.Module]:
    """bitsandbytes' 4-bit layer, for rows that do not end where a block ends."""
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn import Linear4bit

    class ReadAsOneRow(Linear4bit):
        """The product with the weights [out, in] that a flat reading of the blocks gives."""

        def forward(self, x: Tensor) -> Tensor:
            stored = cast(Any, self.weight)
            state = copy(stored.quant_state)
            state.shape = torch.Size([self.out_features * self.in_features])
            dtype = self.compute_dtype or x.dtype
            weight = dequantize_4bit(stored.data, state).view(self.out_features, self.in_features).to(dtype)
            bias = None if self.bias is None else self.bias.to(dtype)
            return nn.functional.linear(x.to(dtype), weight, bias).to(x.dtype)

    return ReadAsOneRow
