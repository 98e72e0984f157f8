"""SIGTERM, as schedulers send it before they take a machine away: finish the step, save, leave."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from smart_train.distributed import any_rank


class StopOnTerminate(TrainerCallback):
    """After a SIGTERM to any rank, every rank ends training at the same step, with a checkpoint of it.

    Ranks hear the signal at different moments, so they ask each other after every step; a rank that stopped alone would
    leave the others waiting for it. An evaluation that is due at that step still runs, because a resumed run will not
    come by again. Further SIGTERMs change nothing: a scheduler and the launcher below it may both send one.

    Attributes:
        stopped: the step that training ended at because of the signal, or None.
    """

    def __init__(self) -> None:
        self.stopped: int | None = None
        self._heard = False
        self._previous: Any = None

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        # Python allows handlers in the main thread only; a run inside another thread keeps that program's own.
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGTERM, self._hear)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        if any_rank(self._heard, args.device):
            self.stopped = state.global_step
            control.should_save = True
        return control

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        # Not before: the control is part of the checkpoint, and one that says "stop" is of a training that has ended.
        if self.stopped is not None:
            control.should_training_stop = True
        return control

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.restore()

    def restore(self) -> None:
        """Gives the signal back to whoever had it; safe to call twice."""
        if self._previous is not None:
            signal.signal(signal.SIGTERM, self._previous)
            self._previous = None

    def _hear(self, number: int, frame: Any) -> None:
        self._heard = True


class OutliveTerminate:
    """A loader's worker that a SIGTERM to the whole job does not take from under the step that is to be finished.

    The worker still ends with its loader or its parent: torch's own watch in the worker sees to that.

    Args:
        then: the `worker_init_fn` that the loader had, or None.
    """

    def __init__(self, then: Callable[[int], None] | None) -> None:
        self.then = then

    def __call__(self, worker: int) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self.then is not None:
            self.then(worker)
