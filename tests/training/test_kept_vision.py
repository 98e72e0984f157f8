"""The second forward of gradient caching leaves out what no gradient reaches: the frozen tower, the frozen backbone.

Counted in calls, and equal bit for bit to the step that computes it twice."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import smart_train.models.in_step
from smart_train.errors import RunError
from smart_train.models import SmartModel, TokenProjection
from smart_train.training import GradientCaching, TrainingModule
from smart_train.training.kept_vision import budget
from tests.training.batches import batch, tiny, training_module

ROWS = 7
GIB = 2**30


class Calls:
    """How often a module's forward ran."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: nn.Module) -> None:
        self.count, forward = 0, module.forward

        def counted(*args, **kwargs):
            self.count += 1
            return forward(*args, **kwargs)

        monkeypatch.setitem(module.__dict__, "forward", counted)

    def taken(self) -> int:
        taken, self.count = self.count, 0
        return taken


def step(model: SmartModel, inputs: dict, keep: object, objective: str = "joint") -> tuple[Tensor, dict[str, Tensor]]:
    """Loss and gradients with chunks of two rows."""
    module = training_module(model, objective, caching=GradientCaching(2, keep_vision=keep))
    torch.manual_seed(5)
    loss = module(inputs).total
    loss.backward()
    found = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
    module.zero_grad()
    return loss.detach(), found


def assert_equal(one: tuple[Tensor, dict[str, Tensor]], other: tuple[Tensor, dict[str, Tensor]]) -> None:
    assert torch.equal(one[0], other[0])
    assert one[1].keys() == other[1].keys() and one[1]
    assert all(torch.equal(one[1][name], gradient) for name, gradient in other[1].items())


def tower(model: SmartModel) -> nn.Module:
    return next(module for name, module in model.backbone.named_modules() if name.rpartition(".")[2] == "visual")


def chunks_with_images(model: SmartModel, inputs: dict) -> int:
    features = inputs["document"]
    lengths = features["attention_mask"].sum(1).tolist()
    return sum(bool(features["image_counts"][chunk].sum()) for chunk in GradientCaching(2).chunks(lengths))


@pytest.mark.parametrize("mode", ["lora", "full"])
def test_a_frozen_tower_runs_once(monkeypatch, mode) -> None:
    model = tiny(mode, dropout=0.2)
    tower(model).requires_grad_(False)
    inputs = batch(model, ROWS)
    chunks = chunks_with_images(model, inputs)
    calls = Calls(monkeypatch, tower(model))

    twice = step(model, inputs, "off")
    assert calls.taken() == 2 * chunks
    once = step(model, inputs, "auto")
    assert calls.taken() == chunks > 1
    assert_equal(once, twice)


def test_checkpointed_layers_change_nothing() -> None:
    model = tiny("lora", dropout=0.2)
    inputs = batch(model, ROWS)
    module = TrainingModule(model, training_module(model, "joint").objective)
    module.activation_checkpointing_enable()
    assert_equal(step(model, inputs, "auto"), step(model, inputs, "off"))


def test_a_tower_that_is_trained_runs_twice(monkeypatch) -> None:
    model = tiny("full")
    inputs = batch(model, ROWS)
    calls = Calls(monkeypatch, tower(model))
    _, gradients = step(model, inputs, "auto")
    assert calls.taken() == 2 * chunks_with_images(model, inputs)
    assert any(".visual." in name for name in gradients)


def test_where_weights_lie_in_shards_the_tower_runs_twice(monkeypatch) -> None:
    model = tiny("lora")
    inputs = batch(model, ROWS)
    calls = Calls(monkeypatch, tower(model))
    for in_step, in_shards, times in ((True, False, 1), (True, True, 2)):  # zero1 and zero2; zero3 and fsdp2
        model.in_step, model.in_shards = in_step, in_shards
        monkeypatch.setattr(smart_train.models.in_step, "any_rank", lambda seen, device: seen)
        step(model, inputs, "auto")
        assert calls.taken() == times * chunks_with_images(model, inputs)


def test_a_budget_holds_and_what_does_not_fit_is_computed_again(monkeypatch) -> None:
    model = tiny("lora")
    inputs = batch(model, ROWS)
    chunks = chunks_with_images(model, inputs)
    calls = Calls(monkeypatch, tower(model))
    grids = inputs["document"]["image_grid_thw"]
    # Half of the budget is for each side. A token has a vector of the last layer, and of each that DeepStack reads.
    outputs = 1 + len(model.config.vision_config.deepstack_visual_indexes)
    every = int(grids.prod(1).sum()) // 4 * model.hidden_size * 4 * outputs

    assert_equal(step(model, inputs, 2 * (every - 1) / GIB), step(model, inputs, "off"))
    assert calls.taken() - 2 * chunks in range(chunks + 1, 2 * chunks), "some chunks, not all"
    step(model, inputs, 2 * every / GIB)
    assert calls.taken() == chunks
    step(model, inputs, 1 / GIB)
    assert calls.taken() == 2 * chunks


def test_random_numbers_behind_a_tower_with_dropout_are_the_same() -> None:
    model = tiny("lora", dropout=0.2)
    visual = tower(model)
    visual.merger = nn.Sequential(visual.merger, nn.Dropout(0.3))
    inputs = batch(model, ROWS)
    found = step(model, inputs, "auto")
    assert_equal(found, step(model, inputs, "off"))
    visual.merger[1].p = 0.0
    assert not torch.equal(step(model, inputs, "auto")[0], found[0]), "the tower's dropout drew nothing"


@pytest.mark.parametrize("layers", [1, 2])
def test_a_projection_alone_is_replayed(monkeypatch, layers) -> None:
    model = tiny("projection")
    if layers == 2:
        model.add_projection(TokenProjection(model.hidden_size, 16, layers=(1, 2)))
        model.projection.reset(0)
    inputs = batch(model, ROWS)
    plain = training_module(model, "late")
    loss = plain(inputs).total
    loss.backward()
    expected = {name: p.grad.clone() for name, p in plain.named_parameters() if p.grad is not None}
    plain.zero_grad()

    calls = Calls(monkeypatch, model.backbone)
    found = step(model, inputs, "auto", "late")
    assert calls.taken() == 2 * ((ROWS + 1) // 2), "four chunks of queries, four of documents, none of them twice"
    torch.testing.assert_close(found[0], loss.detach(), rtol=1e-5, atol=1e-6)
    assert found[1].keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[1][name], gradient, rtol=1e-4, atol=1e-6 * gradient.abs().max().item() + 1e-7)


def test_the_tower_is_itself_again_after_a_failure(monkeypatch) -> None:
    model = tiny("lora")
    monkeypatch.setattr(model, "read_states", lambda features: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        step(model, batch(model, ROWS), "auto")
    assert "forward" not in tower(model).__dict__


def test_budgets() -> None:
    cpu = torch.device("cpu")
    assert budget("off", cpu) == 0
    assert budget(0.5, cpu) == GIB // 2
    assert budget("auto", cpu) > 2**20


@pytest.mark.parametrize("value", ["on", 0, -1, True, None, float("nan"), float("inf")])
def test_other_values_are_named(value) -> None:
    with pytest.raises(RunError, match="gradient_caching.keep_vision is .*; it must be auto, off or a number of GiB"):
        GradientCaching(2, keep_vision=value)
