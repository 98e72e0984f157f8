"""A loss that is not a number stops the run, and the rows it came from are written down.

The scores are sums of cosines, so a finite loss never exceeds (largest difference of scores) / temperature + log of the
number of candidates. A run that diverges therefore shows as NaN or infinity, in the states, the loss or the gradient.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from smart_train.distributed import rank
from smart_train.errors import DivergedError
from smart_train.training.checkpoint_search import output_folder
from smart_train.utils.atomic import write_json

FOLDER_NAME = "bad_batch"
REMEMBERED = 1000  # micro-batches


class NonFiniteGuard(TrainerCallback):
    """Stops the run when a logged loss, part of it or gradient norm is NaN or infinite: later steps would be wasted.

    The parts are looked at too because `logging_nan_inf_filter`, where a recipe turns it on, keeps NaN out of the loss
    itself.
    Losses are read when they are logged and no sooner, so that no step waits for the device. fp16 training skips steps
    whose gradient overflows, by design; there the gradient norm says nothing.
    """

    def __init__(self) -> None:
        # Bounded, because a run may be told never to log.
        self._seen: deque[tuple[int, Tensor, Sequence[str]]] = deque(maxlen=REMEMBERED)

    def note(self, step: int, loss: Tensor, rows: Sequence[str]) -> None:
        """Remembers a micro-batch until the next log: its step, detached loss and the names of its rows."""
        self._seen.append((step, loss, rows))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        for name, value in (logs or {}).items():
            watched = name == "loss" or name.startswith("loss_") or (name == "grad_norm" and not args.fp16)
            if watched and not math.isfinite(value):
                raise self.stop(output_folder(args), state.global_step, f"{name} is {value}")
        if "loss" in (logs or {}):
            self._seen.clear()

    def stop(self, run: Path, step: int, what: str) -> DivergedError:
        """The error to raise, after this rank's rows of the first bad micro-batch (with a gradient that overflowed, of
        the last step) and of the one before it are in `run`/bad_batch/rank-N.json."""
        bad = next((i for i, (_, loss, _) in enumerate(self._seen) if not torch.isfinite(loss).all()), None)
        if bad is None:
            bad = len(self._seen) - 1
        batches = [
            {"step": at, "loss": repr(loss.item()), "rows": list(rows)}
            for at, loss, rows in list(self._seen)[max(bad - 1, 0) : bad + 1]
        ]
        path = run / FOLDER_NAME / f"rank-{rank()}.json"
        write_json(path, {"step": step, "what": what, "batches": batches})
        return diverged(run, step, f"{what}. The rows of the batch are in {path}")


def diverged(run: Path, step: int, what: str) -> DivergedError:
    """The error to raise for numbers that training has lost, and what to do."""
    return DivergedError(
        f"step {step}: {what}. Lower training.learning_rate or raise the objective's temperature (at the first step: "
        f"start from finite weights); the last complete checkpoint in {run} is untouched"
    )
