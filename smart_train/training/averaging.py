"""A moving average of the trained weights, which is measured, saved and exported in the place of the last step's.

At a learning rate that does not fall, the weights of single steps scatter, and their mean lies in the middle. The
average after step t is the sum of decay^(t - s) w_s over all steps s up to t, divided by the sum of these factors: a
plain exponential moving average that starts at the weights before training would hold on to them for 1 / (1 - decay)
steps. It never reaches the step that is trained next; the run takes the steps that it takes without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from smart_train.errors import RunError
from smart_train.training.engines import SHARDED

# Beside the model of a checkpoint, which is the average: the average in float32, and the weights that are trained on.
AVERAGING_NAME = "averaging.safetensors"
_AVERAGE, _TRAINED = "average.", "trained."


def check_averaging(strategy: str) -> None:
    """Raises RunError where `strategy` leaves no rank with whole weights to average."""
    if "weights" in SHARDED.get(strategy, ()):
        raise RunError(
            f"averaging cannot be combined with {strategy}, under which no process has the whole weights; use zero2 or "
            "ddp, or remove it"
        )


class WeightAverage(TrainerCallback):
    """The average of what is trained in `module`, in float32, one step at a time.

    Args:
        module: whole weights, equal on all ranks.
        decay: how much less a step counts than the next one, between 0 and 1.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module = module
        self.decay = decay
        self.average: dict[str, Tensor] = {}  # empty before the first step

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.add(state.global_step)

    @torch.no_grad()
    def add(self, step: int) -> None:
        """Takes the weights after `step`, the first one being 1."""
        share = (1 - self.decay) / (1 - self.decay**step)
        for name, weight in self._trained().items():
            if name in self.average:
                self.average[name].lerp_(weight.float(), share)
            else:
                self.average[name] = weight.float().clone()

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within, the module has the average, rounded to the dtype of its weights. Before the first step: nothing."""
        trained = {name: weight.clone() for name, weight in self._trained().items()} if self.average else {}
        self._put(self.average)
        try:
            yield
        finally:
            self._put(trained)

    def end(self, *, keep: bool) -> None:
        """Training is over. With `keep` the module has the average from now on, else what it has."""
        if keep:
            self._put(self.average)
        self.average = {}

    def save(self, checkpoint: Path) -> None:
        """Writes what `load` needs to go on."""
        trained = self._trained()
        kept = {f"{_AVERAGE}{name}": value for name, value in self.average.items()}
        save_file(
            kept | {f"{_TRAINED}{name}": weight.contiguous() for name, weight in trained.items()},
            checkpoint / AVERAGING_NAME,
        )

    def load(self, checkpoint: Path) -> None:
        """Goes on from `checkpoint`: with the weights that were trained when it was written, and their average."""
        kept = load_file(checkpoint / AVERAGING_NAME)
        trained = self._trained()
        self.average = {name: kept[f"{_AVERAGE}{name}"].to(weight.device) for name, weight in trained.items()}
        self._put({name: kept[f"{_TRAINED}{name}"] for name in trained})

    def _trained(self) -> dict[str, Tensor]:
        return {name: weight.detach() for name, weight in self.module.named_parameters() if weight.requires_grad}

    def _put(self, values: Mapping[str, Tensor]) -> None:
        trained = self._trained()
        for name, value in values.items():
            trained[name].copy_(value)
