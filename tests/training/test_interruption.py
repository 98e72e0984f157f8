"""SIGTERM to one rank of several: all of them stop at the same step, each with a checkpoint to make."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from transformers import TrainerControl, TrainerState, TrainingArguments

from smart_train.training.interruption import StopOnTerminate
from tests.ranks import start_ranks

HEARD_BY, HEARD_AT, STEPS = 1, 3, 5


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
