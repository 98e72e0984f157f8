"""Ranks and what travels between them. One process works like a world of one; nothing here starts a process group.

What must hold for a gradient across ranks to be that of one process: each rank's loss is the mean over its own queries,
and the ranks' gradients are averaged (as DistributedDataParallel does). With unequal numbers of queries per rank,
multiply each rank's loss by the `weight` of `scoring.across_ranks.Meeting`. Do not multiply by the world size, and do
not detach.
"""

from smart_train.distributed.ranks import (
    any_rank,
    barrier,
    gather_numbers,
    gather_objects,
    is_distributed,
    is_main,
    leave_at_exit,
    rank,
    world_size,
)
from smart_train.distributed.stages import on_each, on_main
from smart_train.distributed.tensors import exchange, gather_all, tensors_to_main

__all__ = [
    "any_rank",
    "barrier",
    "exchange",
    "gather_all",
    "gather_numbers",
    "gather_objects",
    "is_distributed",
    "is_main",
    "leave_at_exit",
    "on_each",
    "on_main",
    "rank",
    "tensors_to_main",
    "world_size",
]
