"""Where the gradient of a pooled loss goes: its size at every position and layer, though only one position is pooled.

Shapes: B documents, L positions, H the hidden size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from smart_train.errors import ModelError
from smart_train.models.readout import on_device
from smart_train.models.smart_model import SmartModel
from smart_train.types import ModelInput

_TEMPERATURE = 0.05


def pooled_gradients(
    model: SmartModel, queries: Sequence[ModelInput], documents: Sequence[ModelInput]
) -> dict[tuple[int, str], tuple[int, float, float]]:
    """The gradient of one in-batch pooled loss with respect to the documents' hidden states.

        InfoNCE = - log softmax_j (q_i . d_j / 0.05) at j = i, mean over queries

    Args:
        queries, documents: document i answers query i and no other; at least two.

    Returns:
        (layer, kind of position) -> how many positions, the mean of their gradients' norms, and their share of the sum
        of all positions' norms in that layer. `layer` k is the state after k decoder layers. Kinds are "pooled",
        "visual", "text", and "other" for prompts and special tokens; those that no document has are left out.

    Raises:
        ModelError: fewer than two pairs, or the backbone's decoder layers are not found.
    """
    if len(queries) < 2 or len(queries) != len(documents):
        raise ModelError(
            f"pooled_gradients: {len(queries)} queries and {len(documents)} documents; it needs one document for each "
            "query, and at least two: each is the others' negative"
        )
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            asked = model(_on(model, queries, "query")).pooled
        features = _on(model, documents, "document")
        layers = decoder_layers(model)
        with torch.enable_grad(), _open(model), _outputs(layers) as states:
            answered = model(features).pooled
            scores = asked @ answered.T / _TEMPERATURE
            loss = F.cross_entropy(scores, torch.arange(len(scores), device=scores.device))
            gradients = torch.autograd.grad(loss, states, allow_unused=True)
    finally:
        model.train(training)
    kinds = _kinds(model, features)
    by_kind: dict[tuple[int, str], tuple[int, float, float]] = {}
    for number, (state, gradient) in enumerate(zip(states, gradients, strict=True), start=1):
        norms = torch.zeros(state.shape[:2]) if gradient is None else gradient.float().norm(dim=-1).cpu()
        total = sum(float(norms[mask].sum()) for mask in kinds.values())
        for kind, mask in kinds.items():
            if count := int(mask.sum()):
                summed = float(norms[mask].sum())
                by_kind[number, kind] = (count, summed / count, summed / total if total else 0.0)
    return by_kind


def decoder_layers(model: SmartModel) -> list[nn.Module]:
    """The backbone's layers in their order, without those of its vision tower.

    Raises:
        ModelError: no list of modules is as long as the configuration says that there are layers.
    """
    wanted = model.config.get_text_config().num_hidden_layers
    for name, module in model.backbone.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == wanted and not model.family.is_vision(f"{name}.0"):
            return list(module)
    raise ModelError(
        f"{type(model.backbone).__name__}: no list of {wanted} layers was found in it outside its vision tower"
    )


def _on(model: SmartModel, items: Sequence[ModelInput], role: Any) -> dict[str, Tensor]:
    return on_device(model.family.featurize(list(items), role), model.device)


@contextmanager
def _open(model: SmartModel) -> Iterator[None]:
    """The input embeddings ask for a gradient, so that there is a graph through a backbone that is frozen too."""
    frozen, model.backbone_frozen = model.backbone_frozen, False
    embeddings: Any = model.backbone
    handle = embeddings.get_input_embeddings().register_forward_hook(_asking)
    try:
        yield
    finally:
        handle.remove()
        model.backbone_frozen = frozen


def _asking(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    return output if output.requires_grad else output.detach().requires_grad_()


@contextmanager
def _outputs(layers: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """Fills with each layer's output [B, L, H], in the order in which they run."""
    outputs: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: Any) -> None:
        outputs.append(output if isinstance(output, Tensor) else output[0])

    handles = [layer.register_forward_hook(keep) for layer in layers]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def _kinds(model: SmartModel, features: dict[str, Tensor]) -> dict[str, Tensor]:
    """Kind -> bool [B, L] on the CPU; every valid position is of one kind. `other` is what no score reads."""
    ids, valid = features["input_ids"].cpu(), features["attention_mask"].bool().cpu()
    content = features["token_mask"].bool().cpu() & valid
    visual = torch.isin(ids, model.family.visual_ids) & valid
    pooled = torch.zeros_like(valid)
    if "pooled_index" in features:
        pooled[torch.arange(len(ids)), features["pooled_index"].cpu()] = True
    return {
        "pooled": pooled,
        "visual": visual & ~pooled,
        "text": content & ~visual & ~pooled,
        "other": valid & ~content & ~visual & ~pooled,
    }
