"""The memory estimate against what autograd really keeps, and its parts by hand."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from smart_train import SmartModel
from smart_train.recipe import Recipe
from smart_train.run import build, memory_estimate
from smart_train.types import ModelInput
from tests.runs import MODES, TINY, tiny_recipe

# Wide enough that a layer's states, not its odds and ends, are what counts.
CONFIG = {
    "text_config": {"hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 4, "head_dim": 32},
    "vision_config": {"out_hidden_size": 128},
}
PAGES = [ModelInput(None, (Image.new("RGB", (160, 160), colour),)) for colour in ("red", "blue", "white")]


def recipe(mode: str, **sections: Any) -> Recipe:
    drawn = {"model": {"name_or_path": str(TINY), "from_config": {"overrides": CONFIG, "init_std": 0.05}}}
    return tiny_recipe(Path("unused"), Path("unused"), **{**MODES[mode], **drawn, **sections})


def model_and_load(chosen: Recipe) -> tuple[SmartModel, dict[str, torch.Tensor], memory_estimate.BatchSide]:
    model = build.prepare_for_training(build.base_model(chosen), chosen).train()
    features = model.family.featurize(PAGES, "document")
    return model, features, memory_estimate.BatchSide.of(features, len(PAGES), model.family)


def kept_by_autograd(model: SmartModel, features: dict[str, torch.Tensor]) -> int:
    """Bytes that a forward keeps for its backward, weights left out, each storage once."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, tuple[int, torch.Tensor]] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)  # the tensor, so that its place is not used again
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(features)
    return sum(size for size, _ in kept.values())


@pytest.mark.parametrize(
    ("mode", "sections"),
    [
        ("full", {}),
        ("full", {"full": {"freeze_vision": True}}),
        ("lora", {"lora": {"r": 4, "alpha": 8, "dropout": 0.0}}),
        ("lora", {}),
    ],
)
def test_activations_are_what_autograd_keeps(mode: str, sections: dict[str, Any]) -> None:
    chosen = recipe(mode, **sections)
    model, features, load = model_and_load(chosen)
    parts = memory_estimate.estimate(chosen, model, {"document": load}, 1)
    assert parts["activations"] == pytest.approx(kept_by_autograd(model, features), rel=0.3)


def test_a_load_counts_the_sample_and_scales_to_the_batch() -> None:
    model, features, _ = model_and_load(recipe("full"))
    load = memory_estimate.BatchSide.of(features, 12, model.family)
    assert load.inputs == 12 and load.patches == 100  # 160 / 16 squared
    assert load.tokens == features["attention_mask"].sum().item() / 3
    assert load.kept == features["token_mask"].sum().item() / 3 < load.tokens


def test_optimiser_states_follow_the_optimiser() -> None:
    found = {}
    for optimiser in ("adamw_torch", "adamw_8bit", "paged_adamw_8bit", "lion_32bit", "sgd", "adafactor"):
        chosen = recipe("full", training={"optim": optimiser})
        model, _, load = model_and_load(chosen)
        parts = memory_estimate.estimate(chosen, model, {"document": load}, 1)
        found[optimiser] = parts["optimiser"] / (parts["gradients"] / 4)
    assert found.pop("adafactor") < 0.2
    assert found == {"adamw_torch": 8, "adamw_8bit": 2, "paged_adamw_8bit": 2, "lion_32bit": 4, "sgd": 0}


@pytest.mark.parametrize("quantization", ["4bit", "8bit"])
def test_quantised_weights_are_counted_small_and_the_rest_in_full(quantization: str) -> None:
    plain, small = recipe("lora"), recipe("lora", model={"quantization": quantization})
    model, _, load = model_and_load(plain)
    whole = memory_estimate.estimate(plain, model, {"document": load}, 1)["weights"]
    assert whole == 4 * sum(parameter.numel() for parameter in model.parameters())
    linear = sum(
        module.weight.numel()
        for name, module in model.backbone.named_modules()
        if isinstance(module, torch.nn.Linear) and not module.weight.requires_grad and "visual" not in name
    )
    saved = whole - memory_estimate.estimate(small, model, {"document": load}, 1)["weights"]
    assert saved == pytest.approx(linear * (4 - {"4bit": 0.516, "8bit": 1.0}[quantization]), rel=1e-3)


def test_what_a_quantised_base_keeps_in_float32_is_counted() -> None:
    """Weights are those of the loaded base that the recipe makes; states between layers are as wide as the norms."""
    pytest.importorskip("bitsandbytes")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        SmartModel.from_config(TINY, overrides=CONFIG).save_pretrained(folder)
        for upcast in (None, "all", "none"):
            model = {"name_or_path": folder, "from_config": None, "dtype": "bfloat16", "quantization": "4bit"}
            chosen = recipe("lora", model={**model, "quantization_upcast": upcast})
            _, _, load = model_and_load(recipe("lora"))
            parts = memory_estimate.estimate(chosen, build.skeleton(chosen, Path(folder)), {"document": load}, 1)
            base = build.base_model(chosen)
            held = [parameter for parameter in base.parameters() if parameter.dtype != torch.uint8]
            packed = sum(2 * parameter.numel() for parameter in base.parameters() if parameter.dtype == torch.uint8)
            adapter = parts["gradients"]
            expected = adapter + sum(p.nbytes for p in held) + packed * memory_estimate.QUANTIZED_BYTES["4bit"]
            assert parts["weights"] == pytest.approx(expected, rel=1e-6), upcast
            found[upcast] = parts
    assert found["none"]["weights"] < found[None]["weights"] < 1.01 * found["none"]["weights"]
    assert found[None]["activations"] == found["all"]["activations"] > 1.5 * found["none"]["activations"]


def test_caching_and_checkpointing_keep_less() -> None:
    def activations(**sections: Any) -> float:
        chosen = recipe("lora", **sections)
        model, features, _ = model_and_load(chosen)
        loads = {side: memory_estimate.BatchSide.of(features, 64, model.family) for side in ("query", "document")}
        return memory_estimate.estimate(chosen, model, loads, 1)["activations"]

    plain = activations()
    assert activations(gradient_caching={"mini_batch_size": 8}) == pytest.approx(plain / 16)  # of 128 inputs
    assert activations(training={"gradient_checkpointing": True}) < plain / 3
