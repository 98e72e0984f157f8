"""The processes that a launcher started, for commands that share work without training."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from typing import Any

from smart_train.errors import Interrupted, RecipeError, RunError, SmartTrainError
from smart_train.utils.cpu import number_from_launcher

_PATIENCE = timedelta(days=1)  # one process may wait so long for another; the launcher ends all when one has died
_joined = False  # by `joined_processes`, which takes them apart again before an error comes to its end


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


def tells(error: SmartTrainError) -> bool:
    """Whether this process tells the user of `error`. What all processes of a launch have is told once on each machine,
    by its first one: the output of a machine may be all that its user sees, and its files may be others.

    All have a mistake in the recipe, a stop, what one of them has handed on, and what comes before they have joined:
    until then each does the same. Anything else is of one process, which tells it.
    """
    if _started() == 1:
        return True
    place = number_from_launcher("LOCAL_RANK", 0)
    first = number_from_launcher("RANK", 0) - place  # launchers number the processes of a machine one after the other
    if error.from_main and first <= error.told_by < first + number_from_launcher("LOCAL_WORLD_SIZE", 1):
        return False
    of_all = error.from_main or isinstance(error, (RecipeError, Interrupted)) or not _have_joined()
    return place == 0 or not of_all


def _have_joined() -> bool:
    """Whether the processes of this launch know, or have known, each other."""
    dist = sys.modules.get("torch.distributed")  # where it is not imported, nothing has joined them
    return _joined or (dist is not None and dist.is_available() and dist.is_initialized())


def _started() -> int:
    """How many processes a launcher started, this one included."""
    return number_from_launcher("WORLD_SIZE", 1)


def in_one_process(command: Callable[..., None]) -> Callable[..., None]:
    """`command` after `refuse_several`, for one that is not registered through `quietly`, which can do so, too."""

    @wraps(command)
    def alone(*args: Any, **options: Any) -> None:
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

    from smart_train.distributed.ranks import check_launched

    check_launched()
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("gloo", timeout=_PATIENCE)
    global _joined
    _joined = True
    try:
        yield
    finally:
        dist.destroy_process_group()
