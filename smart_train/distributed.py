"""Ranks and what travels between them. One process works like a world of one; nothing here starts a process group.

What must hold for a gradient across ranks to be that of one process: each rank's loss is the mean over its own queries,
and the ranks' gradients are averaged (as DistributedDataParallel does). With unequal numbers of queries per rank,
multiply each rank's loss by the `weight` of `scoring.across_ranks.Meeting`. Do not multiply by the world size, and do
not detach.
"""

from __future__ import annotations

import atexit
import gc
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from smart_train.errors import SmartTrainError

T = TypeVar("T")
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


def on_main(function: Callable[[], T]) -> T:
    """`function` run by the main rank alone, its result (or its user error) on every rank.

    Without the error's copy the other ranks would wait for a main rank that has left. Broadcast, because an all-gather
    makes room for as large a result of every rank.
    """
    outcome: tuple[Any, SmartTrainError | None] = (None, None)
    if is_main():
        try:
            outcome = (function(), None)
        except SmartTrainError as error:
            outcome = (None, error)
    if is_distributed():
        box = [outcome]
        dist.broadcast_object_list(box, src=0)
        outcome = box[0]
    value, failure = outcome
    if failure is not None:
        failure.from_main = not is_main()
        raise failure
    return value


def any_rank(flag: bool, device: torch.device) -> bool:
    """Whether `flag` is true on any rank, on every rank. `device`: where this rank's collectives take tensors."""
    return flag if world_size() == 1 else any(row[0] for row in gather_numbers([int(flag)], device))


def exchange(values: Tensor, sent: list[int], received: list[int]) -> Tensor:
    """Sends piece r of flat `values` to rank r and returns what the ranks sent, in rank order. Differentiable.

    Args:
        values: [sum of sent].
        sent: how many numbers go to each rank.
        received: how many numbers come from each rank.

    Returns: [sum of received].
    """
    return _Exchange.apply(values, sent, received)


class _Exchange(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, sent: list[int], received: list[int]) -> Tensor:
        ctx.sent, ctx.received = sent, received
        return _exchange(values, sent, received)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _exchange(grad, ctx.received, ctx.sent), None, None


def _exchange(values: Tensor, sent: list[int], received: list[int]) -> Tensor:
    size = values.element_size()
    arrived = values.new_empty(sum(received))
    # As bytes: not every backend knows every dtype.
    dist.all_to_all_single(
        arrived.view(torch.uint8),
        values.contiguous().view(torch.uint8),
        [count * size for count in received],
        [count * size for count in sent],
    )
    return arrived


def gather_all(tensors: Sequence[Tensor], counts: Sequence[list[int]]) -> list[Tensor]:
    """All ranks' rows of several tensors of any dtypes, in rank order, in one message; a row's gradient is summed over
    ranks, in rank order, which is one message too.

    Args:
        tensors: [n, ...] each.
        counts: for each, how many rows every rank has.

    Returns: [sum of counts, ...] each.
    """
    return list(_GatherAll.apply(counts, *tensors))


class _GatherAll(torch.autograd.Function):
    """An all-gather of bytes, each rank's padded to the longest; the backward sends every piece to its owner alone."""

    @staticmethod
    def forward(ctx: Any, counts: Sequence[list[int]], *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.counts = counts
        kinds = [tensor.new_empty(0, *tensor.shape[1:]) for tensor in tensors]
        sizes = _sizes(counts, kinds)
        longest = max(sum(size) for size in sizes)
        packed = torch.zeros(longest, dtype=torch.uint8, device=tensors[0].device)
        _pack(packed, tensors)
        gathered = packed.new_empty(len(sizes), longest)
        dist.all_gather_into_tensor(gathered.flatten(), packed)
        parts = [_unpack(part, rows, kinds) for part, rows in zip(gathered, zip(*counts, strict=True), strict=True)]
        return tuple(torch.cat(of_tensor) for of_tensor in zip(*parts, strict=True))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        wanted = [place for place, needed in enumerate(ctx.needs_input_grad[1:]) if needed]
        counts = [ctx.counts[place] for place in wanted]
        kinds = [gradients[place][:0] for place in wanted]
        sizes = _sizes(counts, kinds)
        sent = [torch.zeros(sum(size), dtype=torch.uint8, device=kinds[0].device) for size in sizes]
        pieces = zip(*(gradients[place].split(count) for place, count in zip(wanted, counts, strict=True)), strict=True)
        for into, of_rank in zip(sent, pieces, strict=True):
            _pack(into, list(of_rank))
        mine = sum(sizes[rank()])
        arrived = _exchange(torch.cat(sent), [len(part) for part in sent], [mine] * len(sizes))
        rows = [count[rank()] for count in counts]
        parts = [_unpack(part, rows, kinds) for part in arrived.view(len(sizes), mine)]
        summed = [torch.stack(of_tensor).sum(0) for of_tensor in zip(*parts, strict=True)]
        input_gradients: list[Tensor | None] = [None] * len(gradients)
        for place, gradient in zip(wanted, summed, strict=True):
            input_gradients[place] = gradient
        return None, *input_gradients


_ALIGNED = 16  # bytes; a view as a wider dtype must begin at a multiple of its size


def _sizes(counts: Sequence[list[int]], kinds: Sequence[Tensor]) -> list[list[int]]:
    """Per rank: the bytes of its rows of each tensor, rounded up so that the next ones are aligned."""
    widths = [kind.shape[1:].numel() * kind.element_size() for kind in kinds]
    return [
        [-(-rows * width // _ALIGNED) * _ALIGNED for rows, width in zip(of_rank, widths, strict=True)]
        for of_rank in zip(*counts, strict=True)
    ]


def _pack(into: Tensor, tensors: Sequence[Tensor]) -> None:
    start = 0
    for tensor in tensors:
        size = tensor.numel() * tensor.element_size()
        if size:
            into[start : start + size] = tensor.contiguous().flatten().view(torch.uint8)
        start += -(-size // _ALIGNED) * _ALIGNED


def _unpack(part: Tensor, rows: Sequence[int], kinds: Sequence[Tensor]) -> list[Tensor]:
    """The inverse of `_pack`: views of `part`, of which each has `rows`."""
    views, start = [], 0
    for count, kind in zip(rows, kinds, strict=True):
        shape = (count, *kind.shape[1:])
        size = count * kind.shape[1:].numel() * kind.element_size()
        views.append(part[start : start + size].view(kind.dtype).view(shape) if size else kind.new_empty(shape))
        start += -(-size // _ALIGNED) * _ALIGNED
    return views


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
