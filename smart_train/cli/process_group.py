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
    until then each does the same. Anything else is of one process, or found by several, as a loss that is NaN: the
    first one tells it.
    """
    if _started() == 1:
        return True
    first = _first_of_this_machine()
    if error.from_main and first <= error.told_by < first + number_from_launcher("LOCAL_WORLD_SIZE", 1):
        return False
    if error.from_main or isinstance(error, (RecipeError, Interrupted)) or not (_joined or _are_joined()):
        return number_from_launcher("LOCAL_RANK", 0) == 0
    if not _are_joined():
        return True
    from smart_train.distributed.stages import says_first

    return says_first(str(error), first)


def _first_of_this_machine() -> int:
    """Its rank: launchers number the processes of a machine one after the other."""
    return number_from_launcher("RANK", 0) - number_from_launcher("LOCAL_RANK", 0)


def _are_joined() -> bool:
    """Whether the processes of this launch know each other now."""
    dist = sys.modules.get("torch.distributed")  # where it is not imported, nothing has joined them
    return dist is not None and dist.is_available() and dist.is_initialized()


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
    except SmartTrainError as error:
        if not tells(error):  # asked now, while the others can be: another one of this machine tells it
            error.from_main, error.told_by = True, _first_of_this_machine()
        raise
    finally:
        dist.destroy_process_group()
