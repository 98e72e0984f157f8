"""SIGTERM to one rank of several: all of them stop at the same step, each with a checkpoint to make. Workers that do
not hear it end with their process all the same."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch.utils.data import DataLoader
from transformers import TrainerControl, TrainerState, TrainingArguments

from smart_train.training.interruption import OutliveTerminate, StopOnTerminate
from tests.ranks import IMPORTS, kill_group, start_ranks

HEARD_BY, HEARD_AT, STEPS = 1, 3, 5
PATIENCE = 900  # seconds, in which only a process that waits for ever has not ended


def one_rank(rank: int, folder: Path) -> None:
    """Steps as the Trainer makes them; what each of them was told is left in `folder`."""
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meet'}", rank=rank, world_size=2)
    args = TrainingArguments(output_dir=str(folder), use_cpu=True, report_to="none")
    callback, control, told = StopOnTerminate(), TrainerControl(), []
    callback.on_train_begin(args, TrainerState(), control)
    for step in range(1, STEPS + 1):
        if (rank, step) == (HEARD_BY, HEARD_AT):
            os.kill(os.getpid(), signal.SIGTERM)
        state = TrainerState(global_step=step)
        control = callback.on_step_end(args, state, control)
        if control.should_save:
            assert not control.should_training_stop, "a checkpoint that says it has ended"
            control = callback.on_save(args, state, control)
        told.append((control.should_save, control.should_training_stop))
        if control.should_training_stop:
            break
    callback.on_train_end(args, TrainerState(), control)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    torch.save((callback.stopped, told), folder / f"rank{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.dist
def test_a_signal_to_one_rank_stops_all_at_the_same_step(tmp_path: Path) -> None:
    start_ranks(one_rank, tmp_path)
    nothing, stop = (False, False), (True, True)
    for rank in range(2):
        assert torch.load(tmp_path / f"rank{rank}.pt") == (HEARD_AT, [nothing] * (HEARD_AT - 1) + [stop])


def keep_a_loader() -> None:
    """Ends while a worker waits for the next batch: what stopped a training keeps the loader, as `sys.last_value`
    does."""
    os.setsid()
    batches = iter(DataLoader(list(range(8)), num_workers=1, worker_init_fn=OutliveTerminate(None)))  # type: ignore[arg-type]
    next(batches)
    sys.last_value = batches  # type: ignore[assignment]


def test_a_process_that_ends_with_an_error_does_not_wait_for_its_workers() -> None:
    multiprocessing.set_forkserver_preload(IMPORTS)
    process = multiprocessing.get_context("forkserver").Process(target=keep_a_loader)
    process.start()
    process.join(PATIENCE)
    if process.exitcode is None:
        kill_group(process)
        pytest.fail("it waits for a worker that does not hear SIGTERM")
    assert process.exitcode == 0
