"""Which process this is, and small things that all of them learn from each other."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import time
from typing import Any

import torch
import torch.distributed as dist

from smart_train.errors import RunError

_LAST_MOMENT = 0.5  # seconds


def is_distributed() -> bool:
    """Whether a process group is running."""
    return dist.is_available() and dist.is_initialized()


def rank() -> int:
    """This process's number, 0 in a single process."""
    return dist.get_rank() if is_distributed() else 0


def world_size() -> int:
    """How many processes work together, 1 in a single process."""
    return dist.get_world_size() if is_distributed() else 1


def is_main() -> bool:
    """Whether this process prints, logs and writes files."""
    return rank() == 0


def barrier() -> None:
    """Waits until every rank has come here."""
    if is_distributed():
        dist.barrier()


def check_launched() -> None:
    """Raises RunError where the environment says in part that a launcher started this process, as a cluster's job does
    that sets WORLD_SIZE for something else: the libraries would take it for one of several, and not find the others."""
    alone = {"WORLD_SIZE": ("", "1"), "LOCAL_RANK": ("", "-1")}
    told = [name for name, values in alone.items() if os.environ.get(name, "") not in values]
    missing = [name for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]
    if told and missing:
        values = " and ".join(f"{name}={os.environ[name]}" for name in told)
        raise RunError(
            f"{values} in the environment says that a launcher started this process, and {', '.join(missing)} must be "
            "set then, too. Start it with ./launch.sh, accelerate launch or torchrun; or unset "
            f"{' and '.join(told)}, for a single process"
        )


def leave_at_exit() -> None:
    """Lets this process leave its process group before the interpreter ends. gloo's threads free the tensors of the
    last collectives, for which they need the interpreter. One that comes late ends the process with an abort, after all
    its work is done ("terminate called without an active exception"; pytorch/pytorch pull request 179291)."""
    atexit.unregister(_leave)
    atexit.register(_leave)


def _leave() -> None:
    if not is_distributed():
        return
    # After an error that nobody caught, others may wait in a collective for this rank, and leaving would wait for them.
    if getattr(sys, "last_value", None) is None:
        dist.destroy_process_group()
    gc.collect()  # of a group that nothing refers to, the threads are waited for
    time.sleep(_LAST_MOMENT)  # a wrapped model may refer to it in a cycle of C++: then they get the time to come


def gather_objects(obj: Any) -> list[Any]:
    """Every rank's `obj`, in rank order, on every rank. Pickles: for small things such as metrics."""
    if not is_distributed():
        return [obj]
    gathered: list[Any] = [None] * world_size()
    dist.all_gather_object(gathered, obj)
    return gathered


def gather_numbers(numbers: list[int], device: torch.device) -> list[list[int]]:
    """Every rank's whole numbers, in rank order; all ranks give equally many.

    Args:
        numbers: this rank's.
        device: where this rank's collectives take tensors.
    """
    sent = torch.tensor(numbers, dtype=torch.int64, device=device)
    gathered = sent.new_empty(world_size() * len(numbers))
    dist.all_gather_into_tensor(gathered, sent)
    return gathered.view(world_size(), -1).tolist()


def any_rank(flag: bool, device: torch.device) -> bool:
    """Whether `flag` is true on any rank, on every rank. `device`: where this rank's collectives take tensors."""
    return flag if world_size() == 1 else any(row[0] for row in gather_numbers([int(flag)], device))
