"""Ranks, and the score across them. One process works like a world of one; nothing here starts a process group."""

from __future__ import annotations

from typing import Any

import torch.distributed as dist


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


def gather_objects(obj: Any) -> list[Any]:
    """Every rank's `obj`, in rank order, on every rank. Pickles: for small things such as metrics."""
    if not is_distributed():
        return [obj]
    gathered: list[Any] = [None] * world_size()
    dist.all_gather_object(gathered, obj)
    return gathered
