"""SIGTERM, as schedulers send it before they take a machine away, and SIGINT, which is Ctrl-C: finish the step, save,
leave. What the user is then told is in `trainer.py` (that the run stopped) and in `checkpoint_search.py` (what is
left)."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from multiprocessing.util import Finalize
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from smart_train.distributed import any_rank

SIGNALS = (signal.SIGTERM, signal.SIGINT)
_PATIENCE = b"\nsmart-train: finishing the step and saving it; Ctrl-C again stops at once, without saving\n"


class StopOnTerminate(TrainerCallback):
    """After a SIGTERM or a Ctrl-C to any rank, every rank ends training at the same step, with a checkpoint of it.

    Ranks hear the signal at different moments, so they ask each other after every step; a rank that stopped alone would
    leave the others waiting for it. An evaluation that is due at that step still runs, because a resumed run will not
    come by again. Further signals change nothing: a scheduler and the launcher below it may both send one. But a second
    Ctrl-C to a run of one process is its user's, who will not wait.

    Attributes:
        stopped: the step that training ended at because of the signal, or None.
        signal: which one this rank heard; SIGTERM where another rank heard it.
        ends: whether training ends because of the signal alone, and not also by itself.
    """

    def __init__(self) -> None:
        self.stopped: int | None = None
        self.signal = signal.SIGTERM
        self.ends = False
        self._heard = False
        self._alone = self._speaks = True
        self._previous: dict[signal.Signals, Any] = {}

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._alone, self._speaks = args.world_size == 1, state.is_world_process_zero
        # Python allows handlers in the main thread only; a run inside another thread keeps that program's own.
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                # A shell lets its background jobs ignore Ctrl-C, which is meant for another then.
                if number != signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._hear)

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
        if self.stopped is not None and not control.should_training_stop:
            self.ends = control.should_training_stop = True
        return control

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        # The Trainer takes the end of its loop for that of the epoch. What is due there comes in the resumed run.
        if self.stopped is not None and not math.isclose(state.epoch or 0, round(state.epoch or 0), abs_tol=1e-6):
            control.should_save = control.should_evaluate = control.should_log = False
        return control

    @contextlib.contextmanager
    def unnoticed(self, control: TrainerControl) -> Iterator[None]:
        """Within, the control does not say that training ends where only the signal ends it: for a checkpoint that is
        written after `on_save`, where an epoch ends with the step."""
        if self.ends:
            control.should_training_stop = False
        try:
            yield
        finally:
            control.should_training_stop = control.should_training_stop or self.ends

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.restore()

    def restore(self) -> None:
        """Gives the signal back to whoever had it; safe to call twice."""
        while self._previous:
            signal.signal(*self._previous.popitem())

    def _hear(self, number: int, frame: Any) -> None:
        if number == signal.SIGINT and self._alone:
            if self._heard:
                raise KeyboardInterrupt
            if self._speaks:
                os.write(2, _PATIENCE)  # print may be what the signal interrupted, and cannot be entered twice
        self._heard, self.signal = True, signal.Signals(number)


class OutliveTerminate:
    """A loader's worker that a signal to the whole job does not take from under the step that is to be finished.

    The worker still ends with its loader or its parent: torch's own watch in the worker sees to that. A parent that
    ends while its loader lives kills it (`_end_workers`).

    Args:
        then: the `worker_init_fn` that the loader had, or None.
    """

    def __init__(self, then: Callable[[int], None] | None) -> None:
        self.then = then
        Finalize(None, _end_workers, exitpriority=0)  # several do no harm

    def __call__(self, worker: int) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        if self.then is not None:
            self.then(worker)


def _end_workers() -> None:
    """Kills the workers that are left when the interpreter ends. An error that stopped the training keeps the loader
    alive, as the frames of its traceback do. multiprocessing would ask the workers to end by a SIGTERM, which they do
    not hear, and wait for them for ever."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's handler would raise an error for a worker that is killed
    for worker in multiprocessing.active_children():
        if worker.daemon:
            worker.kill()
