"""Tensors between ranks, as few messages as possible, and their gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from smart_train.distributed.ranks import gather_objects, is_distributed, is_main, rank, world_size


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
