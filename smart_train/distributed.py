"""Ranks and what travels between them. One process works like a world of one; nothing here starts a process group.

What must hold for a gradient across ranks to be that of one process: each rank's loss is the mean over its own queries,
and the ranks' gradients are averaged (as DistributedDataParallel does). With unequal numbers of queries per rank,
multiply each rank's loss by `loss_weight`. Do not multiply by the world size, and do not detach.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from smart_train.errors import SmartTrainError

T = TypeVar("T")


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


def on_main(function: Callable[[], T]) -> T:
    """`function` run by the main rank alone, its result (or its user error) on every rank.

    Without the error's copy the other ranks would wait for a main rank that has left.
    """
    outcome: tuple[Any, SmartTrainError | None] = (None, None)
    if is_main():
        try:
            outcome = (function(), None)
        except SmartTrainError as error:
            outcome = (None, error)
    value, failure = gather_objects(outcome)[0]
    if failure is not None:
        failure.from_main = not is_main()
        raise failure
    return value


def any_rank(flag: bool, device: torch.device) -> bool:
    """Whether `flag` is true on any rank, on every rank. `device`: where this rank's collectives take tensors."""
    return flag if world_size() == 1 else any(row[0] for row in gather_numbers([int(flag)], device))


def gather_keys(keys: Tensor) -> tuple[Tensor, int]:
    """All ranks' keys in rank order, and the place of this rank's first one among them.

    The place is what turns a local document's column into its column of `score_parts_across_ranks`.

    Args:
        keys: int64 [n]; n may differ between ranks.

    Returns: int64 [sum n], int.
    """
    if world_size() == 1:
        return keys, 0
    counts = [row[0] for row in gather_numbers([len(keys)], keys.device)]
    return gather_rows(keys, counts), sum(counts[: rank()])


def loss_weight(queries: int) -> float:
    """What to multiply a rank's mean loss by, so that the mean over ranks is the mean over all queries.

    Args:
        queries: this rank's number of queries.

    Returns: queries * world size / all ranks' queries; 1.0 where all ranks hold equally many, and on one process.
    """
    if world_size() == 1:
        return 1.0
    total = sum(row[0] for row in gather_numbers([queries], _communication_device()))
    return queries * world_size() / total if total else 1.0


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


def gather_rows(rows: Tensor, counts: list[int]) -> Tensor:
    """All ranks' `rows` [n, ...] in rank order, [sum n, ...]; the gradient of a row is summed over ranks.

    An all-gather with ragged counts, made of the one exchange that every backend offers with unequal pieces; its
    backward is a reduce-scatter that adds in rank order, in the dtype's own accumulation.
    """
    width = rows.shape[1:].numel()
    flat = rows.reshape(1, -1).expand(len(counts), -1).flatten()
    gathered = exchange(flat, [rows.numel()] * len(counts), [count * width for count in counts])
    return gathered.view(sum(counts), *rows.shape[1:])


def gather_numbers(numbers: list[int], device: torch.device) -> list[list[int]]:
    """Every rank's whole numbers, in rank order; all ranks give equally many.

    Args:
        numbers: this rank's.
        device: where this rank's collectives take tensors.
    """
    own = torch.tensor(numbers, dtype=torch.int64, device=device)
    gathered = own.new_empty(world_size() * len(numbers))
    dist.all_gather_into_tensor(gathered, own)
    return gathered.view(world_size(), -1).tolist()


def _communication_device() -> torch.device:
    return torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else torch.device("cpu")
