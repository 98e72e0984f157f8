"""The average of a run's weights: by hand, and beside the steps that it must not touch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import TrainerCallback, TrainingArguments

from smart_train.data import PairCollator
from smart_train.errors import RunError
from smart_train.training import SmartTrainer
from smart_train.training.averaging import AVERAGING_NAME, WeightAverage, check_averaging
from tests.training.batches import SMALL_RUN, example, tiny, training_module


def of_values(dtype: torch.dtype = torch.float32) -> tuple[nn.Linear, WeightAverage]:
    """A module of one weight, whose bias is frozen."""
    module = nn.Linear(1, 1).to(dtype)
    module.bias.requires_grad_(False)
    return module, WeightAverage(module, 0.5)


def after(average: WeightAverage, module: nn.Linear, *values: float) -> None:
    for step, value in enumerate(values, start=1):
        module.weight.data.fill_(value)
        average.add(step)


def test_a_step_counts_half_as_much_as_the_next_and_the_weights_before_the_first_not_at_all() -> None:
    module, average = of_values()
    after(average, module, 8.0)
    assert average.average["weight"].item() == 8.0
    after(average, module, 8.0, 2.0, 4.0)
    assert average.average["weight"].item() == pytest.approx((8 / 4 + 2 / 2 + 4) / (1 / 4 + 1 / 2 + 1))
    assert "bias" not in average.average


def test_the_weights_that_are_trained_come_back_bit_for_bit() -> None:
    """In 16 bits too, where the average is kept in 32."""
    module, average = of_values(torch.bfloat16)
    after(average, module, 1.0, 3.0)
    with average.in_place():
        assert module.weight.item() == torch.tensor(7 / 3, dtype=torch.bfloat16).item() == 2.328125
    assert average.average["weight"].item() == pytest.approx(7 / 3)
    with pytest.raises(ZeroDivisionError), average.in_place():
        raise ZeroDivisionError
    assert module.weight.item() == 3.0 and module.weight.dtype == torch.bfloat16


def test_before_the_first_step_nothing_is_in_the_place_of_the_weights() -> None:
    module, average = of_values()
    given = module.weight.item()
    with average.in_place():
        assert module.weight.item() == given


@pytest.mark.parametrize("keep", [True, False])
def test_where_training_is_over_nothing_is_averaged_any_more(keep: bool) -> None:
    """Without `keep` the module has the best checkpoint's weights, and they stay."""
    module, average = of_values()
    after(average, module, 3.0, 0.0)
    average.end(keep=keep)
    with average.in_place():
        assert module.weight.item() == pytest.approx(1.0 if keep else 0.0)


def test_another_average_goes_on_from_the_file(tmp_path: Path) -> None:
    module, average = of_values()
    after(average, module, 8.0, 2.0)
    average.save(tmp_path)
    other, resumed = of_values()
    resumed.load(tmp_path)
    assert other.weight.item() == 2.0
    for one in (module, other):
        one.weight.data.fill_(4.0)
    average.add(3)
    resumed.add(3)
    assert torch.equal(average.average["weight"], resumed.average["weight"])


@pytest.mark.parametrize("strategy", ["zero3", "fsdp2"])
def test_engines_that_shard_weights_are_refused_by_name(strategy: str) -> None:
    with pytest.raises(RunError, match=f"averaging cannot be combined with {strategy}, under which no process has the"):
        check_averaging(strategy)


# Runs -------------------------------------------------------------------------------------------------------------


class Recorded(TrainerCallback):
    """The trained weights after each step."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.steps: list[dict[str, Tensor]] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.steps.append(weights(self.module))


def weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in module.named_parameters() if weight.requires_grad}


def run(folder: Path, decay: float | None) -> tuple[SmartTrainer, list[dict[str, Tensor]]]:
    """Four steps of two batches each, with dropout; saved after each."""
    torch.manual_seed(0)
    args = TrainingArguments(
        output_dir=str(folder),
        **SMALL_RUN,
        gradient_accumulation_steps=2,
        learning_rate=0.01,
        lr_scheduler_type="constant",
        save_strategy="steps",
        save_steps=1,
        max_steps=4,
    )
    module = training_module(tiny("lora", dropout=0.2), "joint", learn_temperature=True)
    rows = [example(index) for index in range(12)]
    trainer = SmartTrainer(module, args, examples=rows, collator=PairCollator(module.model.family), average_decay=decay)
    recorded = Recorded(module)
    trainer.add_callback(recorded)
    trainer.train()
    return trainer, recorded.steps


def test_a_run_takes_the_steps_that_it_takes_without_an_average_and_ends_with_it(tmp_path: Path) -> None:
    plain, expected = run(tmp_path / "plain", None)
    averaged, found = run(tmp_path / "averaged", 0.5)
    assert len(expected) == len(found) == 4 and any("log_scales" in name for name in expected[0])
    for one, other in zip(expected, found, strict=True):
        assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    assert all(torch.equal(weight, expected[-1][name]) for name, weight in weights(plain.module).items())
    for name, weight in weights(averaged.module).items():
        mean = sum(step[name] * 0.5 ** (3 - place) for place, step in enumerate(expected)) / (1 + 1 / 2 + 1 / 4 + 1 / 8)
        torch.testing.assert_close(weight, mean, rtol=1e-5, atol=1e-7)
    assert any(not torch.equal(weight, expected[-1][name]) for name, weight in weights(averaged.module).items())
    # A checkpoint's model is the average after its step, and the weights of that step are beside it.
    kept = load_file(tmp_path / "averaged" / "checkpoint-2" / AVERAGING_NAME)
    other, _ = run(tmp_path / "another", None)
    other.module.load(tmp_path / "averaged" / "checkpoint-2")
    for name, weight in weights(other.module).items():
        assert torch.equal(kept[f"trained.{name}"], expected[1][name])
        torch.testing.assert_close(weight, (expected[0][name] / 2 + expected[1][name]) / 1.5, rtol=1e-5, atol=1e-7)
