"""The processes that a launcher started, for commands that share work without training."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from typing import Any

from smart_train.errors import RunError, SmartTrainError

_PATIENCE = timedelta(days=1)  # one process may wait so long for another; the launcher ends all when one has died


def refuse_several(command: str) -> None:
    """Raises RunError where a launcher started several processes, each of which would do all of the work of `command`
    and write the same files.

    Args:
        command: the name of its function; the message has it as it is typed.
    """
    command = command.replace("_", "-")
    count = _started()
    if count == 1:
        return
    raise RunError(
        f"{command}: was started as {count} processes (WORLD_SIZE={count}), and it works in one; start it without "
        "accelerate launch or torchrun, or with WORLD_SIZE=1 where a cluster sets that variable"
    )


@contextmanager
def told_once_a_machine() -> Iterator[None]:
    """Within, where a launcher started several processes that have not joined yet, an error for users is told by the
    first one of each machine alone. Not by the first of all: files of machines may be apart."""
    try:
        yield
    except SmartTrainError as error:
        error.from_main = _started() > 1 and os.environ.get("LOCAL_RANK", "0") != "0"
        raise


def _started() -> int:
    """How many processes a launcher started, this one included."""
    return int(os.environ.get("WORLD_SIZE") or 1)


def in_one_process(command: Callable[..., None]) -> Callable[..., None]:
    """`command` after `refuse_several`, for one that is not registered through `quietly`, which can do so, too."""

    @wraps(command)
    def alone(*args: Any, **options: Any) -> None:
        with told_once_a_machine():
            refuse_several(command.__name__)
        command(*args, **options)

    return alone


@contextmanager
def joined_processes() -> Iterator[None]:
    """Joins the other processes of `accelerate launch` or torchrun, each with a GPU of its own where there are any;
    does nothing in a single process. What travels is small and on the CPU, so gloo serves on every machine."""
    if _started() == 1:
        yield
        return
    import torch
    from torch import distributed as dist

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("gloo", timeout=_PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()
