"""How much memory one process of a run needs at its peak, from shapes alone.

Per token and decoder layer a backward pass keeps what the products and element-wise functions of the layer need.
Counted on the layers of transformers with fused attention (docs/benchmarks.md compares the sums with measured runs):

    all weights trained    6 h + 4 q + 4 kv + 4 i   numbers, gated feed-forward; 2 i where it has no gate
    LoRA                   4 h + 3 q + 3 kv + 4 i   frozen weights need no input of their own
    ... with dropout       8 h + 2 q + i more       each adapted map keeps its own dropped-out input and mask

with h the hidden size, q and kv the widths of queries and of keys or values, i the feed-forward width. The form of the
sum is that of Korthikanti et al. (arXiv 2205.05198), equation 1, whose 34 bytes per unit hold for one such layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from smart_train.losses.contrastive import OBJECTIVES
from smart_train.models import Family, SmartModel
from smart_train.models.family import Features
from smart_train.models.quantization import is_upcast
from smart_train.recipe import Recipe
from smart_train.recipe.sections import filled
from smart_train.run import build
from smart_train.training.engines import SHARDED
from smart_train.training.kept_vision import budget, trains_vision

FP32 = 4
# 4 bits, an 8-bit scale per 64 weights, and an fp32 scale per 256 of those (arXiv 2305.14314, section 3); 8 bits.
QUANTIZED_BYTES = {"4bit": 0.5 + 1 / 64 + 4 / (64 * 256), "8bit": 1.0}


@dataclass(frozen=True)
class BatchSide:
    """One side of a process's batch: `inputs` of `tokens` each (mean, padding left out), `kept` of them late, and
    `patches` that the vision tower reads."""

    inputs: int
    tokens: float
    kept: float
    patches: float

    @classmethod
    def of(cls, features: Features, inputs: int, family: Family) -> BatchSide:
        """From the features that `family` made of a sample, for a batch of `inputs`."""
        rows = len(features["attention_mask"])
        return cls(
            inputs=inputs,
            tokens=features["attention_mask"].sum().item() / rows,
            kept=features["token_mask"].sum().item() / rows,
            patches=family.patches(features) / rows,
        )


def estimate(recipe: Recipe, model: SmartModel, loads: dict[str, BatchSide], processes: int) -> dict[str, float]:
    """Bytes of one process by what holds them, at the peak of a training step; libraries and caches come on top.

    Args:
        model: as it will be trained, weights on any device (the meta device does). loads: "query" and "document".
        processes: how many share what the recipe's strategy shards.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    parts = {
        "weights": weights(recipe, model),
        "gradients": float(sum(parameter.numel() for parameter in trained) * FP32),
        "optimiser": _optimiser(recipe, trained),
        "averaged weights": 0.0 if recipe.averaging is None else float(sum(map(torch.numel, trained)) * FP32),
        "activations": _activations(recipe, model, loads),
        "token states": 0.0,
        "pixels": _pixels(recipe, model, loads),
        "kept for the second forward": _kept(recipe, model, loads),
    }
    if "late" in OBJECTIVES[filled(recipe.objective.name)]:
        width = model.projection.dim if model.projection is not None else model.config.get_text_config().hidden_size
        # Each state and its gradient, fp32.
        parts["token states"] = 2 * FP32 * width * sum(load.kept * load.inputs for load in loads.values())
    for name in SHARDED.get(recipe.distributed.strategy, ()):
        parts[name] /= processes
    return parts


def weights(recipe: Recipe, model: SmartModel) -> float:
    """Bytes of all weights, as every process loads them: whole, also under an engine that shards them later."""
    wide = 2 if recipe.model.dtype == "bfloat16" else FP32
    special: dict[int, float] = {}  # by id: bytes of a number of those weights that quantisation changes
    if recipe.model.quantization is not None:
        family, small = model.family, QUANTIZED_BYTES[recipe.model.quantization]
        for name, module in model.backbone.named_modules():
            if is_upcast(name, module, family, filled(recipe.model.quantization_upcast)):
                special |= {id(parameter): FP32 for parameter in module.parameters(recurse=False)}
            if isinstance(module, nn.Linear) and not module.weight.requires_grad and not family.is_vision(name):
                special[id(module.weight)] = small
    return sum(
        parameter.numel() * special.get(id(parameter), FP32 if parameter.requires_grad else wide)
        for parameter in model.parameters()
    )


def together(recipe: Recipe, loads: dict[str, BatchSide]) -> dict[str, int]:
    """How many inputs of each side keep their activations at a time."""
    caching = build.gradient_caching(recipe)
    if caching is None:
        return {side: load.inputs for side, load in loads.items()}
    return {side: min(load.inputs, caching.rows(round(load.tokens))) for side, load in loads.items()}


def number_bytes(recipe: Recipe) -> int:
    """Bytes of a number in the forward pass: 2 under autocast or with 16-bit weights, but for norms in float32 between
    quantised layers, which give back what they are given."""
    training = recipe.training
    if recipe.model.quantization is not None and recipe.model.quantization_upcast != "none":
        return FP32
    half = bool(training.get("bf16") or training.get("fp16")) or recipe.model.dtype == "bfloat16"
    return 2 if half else FP32


def _optimiser(recipe: Recipe, trained: list[nn.Parameter]) -> float:
    """State of `training.optim`: moments in fp32, in 8 bits, or factored into rows and columns."""
    name = str(recipe.training.get("optim", "adamw_torch"))
    count = sum(parameter.numel() for parameter in trained)
    if "adafactor" in name:
        return float(sum(FP32 * sum(parameter.shape[-2:]) for parameter in trained))
    if name.startswith("sgd"):
        return 0.0
    moments = 1 if "lion" in name or "rmsprop" in name or "adagrad" in name else 2
    return float(count * moments * (1 if "8bit" in name else FP32))


def _activations(recipe: Recipe, model: SmartModel, loads: dict[str, BatchSide]) -> float:
    text, wide = model.config.get_text_config(), number_bytes(recipe)
    live = together(recipe, loads)
    sides = {side: (load.tokens * live[side], load.patches * live[side]) for side, load in loads.items()}
    # Plain: both sides wait for the backward pass. Cached: a chunk of one side at a time.
    combine = sum if build.gradient_caching(recipe) is None else max
    tokens = combine(side[0] for side in sides.values())
    patches = combine(side[1] for side in sides.values())
    layers = text.num_hidden_layers
    layer = _text_layer(recipe, model, text, wide) * tokens
    states = text.hidden_size * wide * tokens
    checkpointed = recipe.training.get("activation_checkpointing") or recipe.training.get("gradient_checkpointing")
    if model.backbone_frozen:
        numbers = layer  # of the one layer that is at work
    elif checkpointed:
        numbers = layers * states + layer
    else:
        numbers = layers * layer
    numbers += len(model.inner_layers) * states
    vision = model.family.vision_shape(model.config)
    if vision is not None and patches:
        block = (9 * vision.width + 2 * vision.inner) * wide * patches
        depth = vision.layers if trains_vision(model) and not checkpointed else 1
        numbers += depth * block
    return float(numbers)


def _kept(recipe: Recipe, model: SmartModel, loads: dict[str, BatchSide]) -> float:
    """What gradient caching keeps instead of computing or sending it again: see `training/kept_vision.py`,
    `kept_inputs.py` and `grad_cache.py`."""
    caching, in_shards = build.gradient_caching(recipe), "weights" in SHARDED.get(recipe.distributed.strategy, ())
    if caching is None:
        return 0.0
    wide = number_bytes(recipe)
    if model.backbone_frozen and model.projection is not None:
        width = model.config.get_text_config().hidden_size * len(model.token_layers)
        return wide * width * sum(load.kept * load.inputs for load in loads.values())
    vision = model.family.vision_shape(model.config)
    if vision is None:
        return 0.0
    on_cpu = recipe.training.get("use_cpu") or not torch.cuda.is_available()
    room = budget(caching.keep_vision, torch.device("cpu" if on_cpu else "cuda")) // 2  # of each side
    if in_shards or trains_vision(model):  # its pixels in 8 bits, where they are sent; at most: a still has one frame
        numbers = 0.0 if on_cpu else float(vision.patch_numbers)
    else:
        numbers = wide * vision.output_numbers
    return sum(min(numbers * load.patches * load.inputs, room) for load in loads.values())


def _text_layer(recipe: Recipe, model: SmartModel, text: Any, wide: int) -> float:
    """Bytes that one token keeps in one decoder (or encoder) layer."""
    hidden, inner = text.hidden_size, text.intermediate_size
    heads = text.num_attention_heads
    head = getattr(text, "head_dim", None) or hidden // heads
    queries, keys = heads * head, (getattr(text, "num_key_value_heads", None) or heads) * head
    gated = any("gate" in name for name, _ in model.backbone.named_parameters())
    between = (4 if gated else 2) * inner
    if recipe.lora is None:
        numbers = 6 * hidden + 4 * queries + 4 * keys + between
    else:
        numbers = 4 * hidden + 3 * queries + 3 * keys + between
        if recipe.lora.dropout:
            numbers += 8 * hidden + 2 * queries + inner
    # Norms work in fp32 whatever the rest does.
    return numbers * wide + 2 * hidden * (FP32 - wide)


def _pixels(recipe: Recipe, model: SmartModel, loads: dict[str, BatchSide]) -> float:
    """The batch's patches as the processor hands them over, fp32."""
    vision = model.family.vision_shape(model.config)
    if vision is None:
        return 0.0
    live = together(recipe, loads)
    return FP32 * vision.patch_numbers * sum(load.patches * live[side] for side, load in loads.items())
