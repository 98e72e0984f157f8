"""Ranks and what travels between them. One process works like a world of one; nothing here starts a process group.

What must hold for a gradient across ranks to be that of one process: each rank's loss is the mean over its own queries,
and the ranks' gradients are averaged (as DistributedDataParallel does). With unequal numbers of queries per rank,
multiply each rank's loss by the `weight` of `scoring.across_ranks.Meeting`. Do not multiply by the world size, and do
not detach.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import math
import os
import socket
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from smart_train.errors import RunError, SmartTrainError, first_line

T = TypeVar("T")
_LAST_MOMENT = 0.5  # seconds
_BEAT = 10.0  # seconds between two signs of life; a tenth of the group's timeout where that is shorter
_LONGEST_PAUSE = 0.5  # seconds between two looks at what a rank that works has told
_LOST = (
    "It may have been killed, for lack of memory for example; a message of its own, if there is one, is elsewhere in "
    "this output. The same command continues from what is complete"
)


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

    However long that takes, no rank waits in a collective, which would end the run after the group's timeout
    (`training.ddp_timeout`): the others watch for the main rank's signs of life, and only then comes the broadcast. A
    broadcast, because an all-gather makes room for as large a result of every rank.

    Raises:
        RunError: on the other ranks, when the main one failed otherwise than by a user's error, or when it gives no
            sign of life for the group's timeout.
    """
    if world_size() == 1:
        return function()
    outcome: tuple[Any, SmartTrainError | None] = (None, None)
    stages = _stages()
    number = stages.next()
    if is_main():
        with stages.working(number):
            try:
                outcome = (function(), None)
            except SmartTrainError as error:
                outcome = (None, error)
    else:
        stages.wait_for(0, number)
    box = [outcome]
    dist.broadcast_object_list(box, src=0)
    value, failure = box[0]
    if failure is not None:
        failure.from_main = not is_main()
        raise failure
    return value


def on_each(function: Callable[[], T]) -> list[T]:
    """`function` run by every rank at the same time; the results of all, in rank order, on the main rank, and [] on the
    others. However long the slowest rank takes, no rank waits for it in a collective.

    Raises:
        RunError: on every other rank, when `function` raised on one, or when one gives no sign of life.
    """
    if world_size() == 1:
        return [function()]
    stages = _stages()
    number, all_done = stages.next(), stages.next()
    # The main rank watches all, and the others watch the main one: all of them watching all would be too many looks.
    if is_main():
        with stages.working(all_done):
            share = function()
            for other in range(1, world_size()):
                stages.wait_for(other, number)
    else:
        with stages.working(number):
            share = function()
        stages.wait_for(0, all_done)
    shares: list[Any] | None = [None] * world_size() if is_main() else None
    dist.gather_object(share, shares, dst=0)
    return shares or []


class _Stages:
    """What the ranks tell each other of the work that some of them do while others wait, over the store through which
    the process group met: which numbered stage a rank has ended, why one has failed, and a count that rises while a
    rank works, which is its sign of life.

    Args:
        store: of the process group. Its timeout is how long a rank without a sign of life is waited for.
    """

    def __init__(self, store: dist.Store) -> None:
        self.store = dist.PrefixStore("smart_train", store)
        self.patience = cast(Any, store).timeout.total_seconds()  # torch's types do not list it
        self.rank, self.number = rank(), 0
        self.store.set(f"{self.rank}/name", f" (process {os.getpid()} on {socket.gethostname()})")

    def next(self) -> int:
        """The number of the stage that begins; every rank must ask at the same places."""
        self.number += 1
        return self.number

    @contextlib.contextmanager
    def working(self, number: int) -> Iterator[None]:
        """Within, the others see that this rank is alive; afterwards, that it has ended stage `number`, or why not."""
        over = threading.Event()
        self.store.add(f"{self.rank}/signs", 1)
        threading.Thread(target=self._beat, args=(over,), name="signs of life", daemon=True).start()
        try:
            yield
            self.store.set(f"{self.rank}/ended", str(number))
        except BaseException as error:
            with contextlib.suppress(RuntimeError):  # without the store the others end by themselves
                self.store.set(f"failed/{number}", told_of(error))
                time.sleep(2 * _LONGEST_PAUSE)  # they should read it: this process may take the store along
            raise
        finally:
            over.set()

    def wait_for(self, other: int, number: int) -> None:
        """Returns when rank `other` has ended stage `number`.

        Raises:
            RunError: a rank has failed in this stage, or `other` gives no sign of life.
        """
        signs, quiet, waited = "", 0.0, 0.0
        while True:
            # First: a rank whose caller went on after the failure may have ended a later stage by now.
            if told := self._read(f"failed/{number}"):
                failure = RunError(told)
                failure.from_main = True
                raise failure
            if int(self._read(f"{other}/ended") or 0) >= number:
                return
            signs_before, signs = signs, self._read(f"{other}/signs")
            quiet = quiet if signs == signs_before else 0.0
            if quiet > self.patience:
                name = self._read(f"{other}/name")
                raise RunError(
                    f"rank {other}{name} has given no sign of life for {self.patience:g} seconds (the timeout of the "
                    "process group; in a recipe: training.ddp_timeout) while the others waited for its part of the "
                    f"work. {_LOST}"
                )
            # Counted by what was slept, not by the clock: a process that was stopped for a while has missed nothing.
            pause = min(_LONGEST_PAUSE, 0.001 + waited / 10)
            time.sleep(pause)
            quiet, waited = quiet + pause, waited + pause

    def _beat(self, over: threading.Event) -> None:
        while not over.wait(min(_BEAT, self.patience / 10)):
            try:
                self.store.add(f"{self.rank}/signs", 1)
            except RuntimeError:  # the store is gone; this rank meets that itself when its work is done
                return

    def _read(self, key: str) -> str:
        try:
            return self.store.get(key).decode() if self.store.check([key]) else ""
        except RuntimeError as error:
            raise RunError(
                f"the process that holds what the ranks tell each other (rank 0, or the launcher) cannot be reached "
                f"({first_line(error)}). {_LOST}"
            ) from error


def told_of(error: BaseException) -> str:
    """What the other ranks say of what this one ends with."""
    if isinstance(error, SmartTrainError):
        return str(error) if error.from_main else f"rank {rank()} stopped: {error}"
    return f"rank {rank()} failed ({type(error).__name__}: {first_line(error)}); its output says where"


_stages_of: weakref.WeakKeyDictionary[dist.Store, _Stages] = weakref.WeakKeyDictionary()


def _stages() -> _Stages:
    """Those of the process group that runs now."""
    store = dist.distributed_c10d._get_default_store()
    if store not in _stages_of:
        _stages_of[store] = _Stages(store)
    return _stages_of[store]


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


def tensors_to_main(tensors: Sequence[Tensor] | None) -> list[list[Tensor] | None]:
    """Every rank's list of CPU tensors of any shapes and dtypes, in rank order, on the main rank, which others have no
    use for; they get an empty list. All ranks must call it; None: this rank has nothing to send.

    Not `gather_all`, whose message is as long as the longest one times the ranks, and arrives at all of them.
    """
    if not is_distributed():
        return [None if tensors is None else list(tensors)]
    kinds = None if tensors is None else [(tuple(tensor.shape), tensor.dtype) for tensor in tensors]
    of_ranks = gather_objects(kinds)
    message = torch.empty(0 if kinds is None else _length(kinds), dtype=torch.uint8)
    if tensors is not None:
        _pack(message, tensors)
    lengths = [0 if kinds is None else _length(kinds) for kinds in of_ranks]
    nothing = [0] * world_size()
    arrived = _exchange(message, [len(message), *nothing[1:]], lengths if is_main() else nothing)
    if not is_main():
        return []
    received: list[list[Tensor] | None] = []
    for part, kinds in zip(arrived.split(lengths), of_ranks, strict=True):
        empty = [torch.empty(0, *shape[1:], dtype=dtype) for shape, dtype in kinds or ()]
        rows = [shape[0] for shape, _ in kinds or ()]
        # Copies: a view that is written to a file takes all ranks' bytes with it.
        received.append(None if kinds is None else [tensor.clone() for tensor in _unpack(part, rows, empty)])
    return received


def _length(kinds: Sequence[tuple[tuple[int, ...], torch.dtype]]) -> int:
    """Bytes of a message of such tensors."""
    sizes = (math.prod(shape) * dtype.itemsize for shape, dtype in kinds)
    return sum(-(-size // _ALIGNED) * _ALIGNED for size in sizes)


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
