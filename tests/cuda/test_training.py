"""A training step, and a whole run with its checkpoint, export and search, on a device."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from smart_train import SmartModel
from smart_train.losses import OBJECTIVES
from smart_train.retrieval import DocumentIndex, search
from smart_train.run import train
from smart_train.training import GradientCaching, TrainingModule
from tests.run.test_resume import at_step, killed
from tests.runs import MODES, logged, tiny_recipe
from tests.training.batches import batch, tiny, training_module

UNEVEN = GradientCaching(mini_batch_size=3)  # 7 rows: 3, 3 and 1


def placed(inputs: dict[str, Any], device: str) -> dict[str, Any]:
    """The batch as the Trainer places it."""
    moved = {}
    for name, value in inputs.items():
        if isinstance(value, dict):
            value = {key: tensor.to(device) for key, tensor in value.items()}
        moved[name] = value.to(device) if isinstance(value, Tensor) else value
    return moved


def step(module: TrainingModule, inputs: dict, device: str, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
    """Loss and gradients, fp32 on the CPU, by name."""
    module = copy.deepcopy(module).to(device)
    torch.manual_seed(5)
    with torch.autocast(device, dtype or torch.bfloat16, enabled=dtype is not None):
        loss = module(placed(inputs, device)).total
    loss.backward()
    found = {name: p.grad.float().cpu() for name, p in module.named_parameters() if p.grad is not None}
    assert found
    return {"loss": loss.detach().float().cpu(), **found}


def assert_near(found: dict[str, Tensor], expected: dict[str, Tensor], within: float) -> None:
    """Each to `within` of the largest gradient (of one, for the loss)."""
    assert found.keys() == expected.keys()
    largest = max(value.abs().max().item() for name, value in expected.items() if name != "loss")
    for name, value in expected.items():
        error = (found[name] - value).abs().max().item()
        assert error <= within * (1 if name == "loss" else largest), f"{name}: {error:.1e}, largest {largest:.1e}"


# A projection does not touch the pooled vector, so the pooled objective has nothing to train there.
TRAINED = [
    (mode, objective)
    for mode in ("lora", "full", "projection")
    for objective in OBJECTIVES
    if (mode, objective) != ("projection", "pooled")
]


@pytest.mark.parametrize(("mode", "objective"), TRAINED)
def test_a_cached_step_there_is_a_plain_step_on_the_cpu(device: str, mode: str, objective: str) -> None:
    model = tiny(mode)
    inputs = batch(model, 7)
    plain = training_module(model, objective, learn_temperature=True)
    cached = training_module(model, objective, learn_temperature=True, caching=UNEVEN)
    expected = step(plain, inputs, "cpu")
    assert_near(step(plain, inputs, device), expected, 1e-4)
    assert_near(step(cached, inputs, device), expected, 1e-4)


def test_a_teachers_step_there_is_that_of_the_cpu(device: str) -> None:
    model = tiny("lora")
    inputs = batch(model, 5, negatives=2)
    taught = training_module(model, "joint", taught=True)
    cached = training_module(model, "joint", taught=True, caching=UNEVEN)
    assert_near(step(cached, inputs, device), step(taught, inputs, "cpu"), 1e-4)


@pytest.mark.parametrize("mode", ["lora", "full"])
def test_recomputed_activations_take_the_same_step(device: str, mode: str) -> None:
    model = tiny(mode)
    inputs = batch(model, 5)
    checkpointed = training_module(copy.deepcopy(model), "joint", caching=UNEVEN)
    checkpointed.activation_checkpointing_enable()
    expected = step(training_module(model, "joint", caching=UNEVEN), inputs, device)
    assert_near(step(checkpointed, inputs, device), expected, 1e-5)


def test_under_autocast_a_cached_step_is_a_plain_one(device: str) -> None:
    model = tiny("lora")
    inputs = batch(model, 7)
    plain = step(training_module(model, "joint"), inputs, device, torch.bfloat16)
    cached = step(training_module(model, "joint", caching=UNEVEN), inputs, device, torch.bfloat16)
    # Chunks are padded otherwise than the whole batch, and bf16 rounds their products otherwise.
    assert_near(cached, plain, 0.1)
    exact = step(training_module(model, "joint"), inputs, device)
    assert 0 < (plain["loss"] - exact["loss"]).abs() < 0.05, "no autocast, or a loss that it spoils"


@pytest.mark.slow
def test_a_run_cut_off_resumes_exports_and_is_searched(
    device: str, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smart_train.run.stages.plot_run", lambda *_, **__: None)
    training = {"use_cpu": device == "cpu", "dataloader_pin_memory": device == "cuda"}
    training |= {"max_steps": 4, "eval_strategy": "no", "save_strategy": "steps", "save_steps": 2}
    sections = {**MODES["lora"], "evaluation": {"before": False}, "training": training}
    recipes = [tiny_recipe(tiny_data, tmp_path / name, **sections) for name in ("whole", "cut")]
    whole = train(recipes[0])
    with killed(*at_step(3)):
        train(recipes[1])
    cut = train(recipes[1])
    assert len(logged(whole)) == len(logged(cut)) == 4
    expected, found = (load_file(run / "final" / "adapter_model.safetensors") for run in (whole, cut))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-5)

    there = SmartModel.from_pretrained(whole / "export", dtype="float32", device=device)
    here = SmartModel.from_pretrained(whole / "export", dtype="float32", device="cpu")
    pages = sorted(tiny_data.glob("held_out-*.png"))
    index = DocumentIndex.build(there, [page.name for page in pages], pages)
    on_cpu = DocumentIndex.build(here, [page.name for page in pages], pages, batch_size=1)
    torch.testing.assert_close(index.embeddings.packed, on_cpu.embeddings.packed, rtol=0, atol=2e-5)
    for candidates in (None, 5):
        hits = search(there, ["red green", "blue pink black"], index.to(device), top_k=3, candidates=candidates)
        same = search(here, ["red green", "blue pink black"], on_cpu, top_k=3, candidates=candidates)
        for row, expected_row in zip(hits, same, strict=True):
            assert [hit.document_id for hit in row] == [hit.document_id for hit in expected_row]
