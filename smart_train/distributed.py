"""Ranks, and the score across them. One process works like a world of one; nothing here starts a process group.

A page has a thousand tokens, a query forty: queries travel, documents stay. Every rank gathers the queries of all
ranks, scores them against its own documents, and hands each rank the rows of that rank's queries. The backward runs the
same two exchanges the other way round, so every gradient is exact: a query's is the sum of what all ranks' documents
send back, a document's is complete where the document is.

What must hold for the gradient to be that of one process: each rank's loss is the mean over its own queries, and the
ranks' gradients are averaged (as DistributedDataParallel does). With unequal numbers of queries per rank, multiply each
rank's loss by `loss_weight`. Do not multiply by the world size, and do not detach.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from smart_train.errors import ScoreError, SmartTrainError
from smart_train.scoring import score_parts
from smart_train.scoring.inputs import SCORED_DTYPES
from smart_train.types import Embeddings, ScoreParts

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
    value, error = gather_objects(outcome)[0]
    if error is not None:
        error.from_main = not is_main()
        raise error
    return value


def any_rank(flag: bool, device: torch.device) -> bool:
    """Whether `flag` is true on any rank, on every rank. `device`: where this rank's collectives take tensors."""
    return flag if world_size() == 1 else any(row[0] for row in _gather_numbers([int(flag)], device))


def gather_keys(keys: Tensor) -> tuple[Tensor, int]:
    """All ranks' keys in rank order, and the place of this rank's first one among them.

    The place is what turns a local document's column into its column of `score_parts_across_ranks`.

    Args:
        keys: int64 [n]; n may differ between ranks.

    Returns: int64 [sum n], int.
    """
    if world_size() == 1:
        return keys, 0
    counts = [row[0] for row in _gather_numbers([len(keys)], keys.device)]
    return _from_everyone(keys, counts), sum(counts[: rank()])


def loss_weight(queries: int) -> float:
    """What to multiply a rank's mean loss by, so that the mean over ranks is the mean over all queries.

    Args:
        queries: this rank's number of queries.

    Returns: queries * world size / all ranks' queries; 1.0 where all ranks hold equally many, and on one process.
    """
    if world_size() == 1:
        return 1.0
    total = sum(row[0] for row in _gather_numbers([queries], _communication_device()))
    return queries * world_size() / total if total else 1.0


def score_parts_across_ranks(
    queries: Embeddings, documents: Embeddings, pooled: bool = True, late: bool = True
) -> ScoreParts:
    """Both terms of the score: this rank's queries against the documents of every rank. Differentiable, exactly.

    Every rank must call it, and every rank must run the backward of what it returned: a rank without queries
    contributes `sum() * 0`. Numbers of queries, documents and tokens may differ between ranks.

    Args:
        queries: this rank's, Q. documents: this rank's, N.
        pooled: whether to compute the pooled cosine; late: whether to compute the late term.

    Returns: ScoreParts, fp32 [Q, sum of all ranks' N], columns in rank order; a term not asked for is None.

    Raises:
        ScoreError: widths or dtypes that differ between ranks, or what `score_parts` refuses.
    """
    if world_size() == 1:
        return score_parts(queries, documents, pooled=pooled, late=late)
    if queries.scales is not None:  # integers would travel without them
        queries = queries.quantize("float32")
    counts = _agreed_counts(queries, documents)
    everyone = _gather_queries(queries, [q for q, _, _ in counts], [t for _, t, _ in counts], pooled, late)
    own = score_parts(everyone, documents, pooled=pooled, late=late)  # [all Q, N]
    terms = [part for part in own if part is not None]
    if not terms:
        return own
    # Rows lie in rank order, so that each rank's rows are one piece; both terms travel together.
    width = len(documents) * len(terms)
    pieces = _Exchange.apply(
        torch.stack(terms, dim=2).flatten(),
        [q * width for q, _, _ in counts],
        [len(queries) * n * len(terms) for _, _, n in counts],
    ).split([len(queries) * n * len(terms) for _, _, n in counts])
    rows = [piece.view(len(queries), n, len(terms)) for piece, (_, _, n) in zip(pieces, counts, strict=True)]
    found = iter(torch.cat(rows, dim=1).unbind(2))
    return ScoreParts(*(None if part is None else next(found) for part in own))


class _Exchange(torch.autograd.Function):
    """Sends piece r of a flat tensor to rank r and returns what the ranks sent, in rank order."""

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


def _from_everyone(rows: Tensor, counts: list[int]) -> Tensor:
    """All ranks' `rows` [n, ...] in rank order, [sum n, ...]; the gradient of a row is summed over ranks.

    An all-gather with ragged counts, made of the one exchange that every backend offers with unequal pieces; its
    backward is a reduce-scatter that adds in rank order, in the dtype's own accumulation.
    """
    width = rows.shape[1:].numel()
    flat = rows.reshape(1, -1).expand(len(counts), -1).flatten()
    gathered = _Exchange.apply(flat, [rows.numel()] * len(counts), [count * width for count in counts])
    return gathered.view(sum(counts), *rows.shape[1:])


def _gather_queries(queries: Embeddings, items: list[int], tokens: list[int], pooled: bool, late: bool) -> Embeddings:
    """All ranks' queries in rank order; what is not asked for stays empty."""
    vectors = queries.pooled.new_zeros(sum(items), 0)
    if pooled:
        vectors = _from_everyone(queries.pooled, items)
    lengths = queries.lengths.new_zeros(sum(items))
    states = queries.packed[:0]
    if late:
        lengths = _from_everyone(queries.lengths, items)
        states = _from_everyone(queries.packed, tokens)
    return Embeddings(vectors, states, torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]))


def _agreed_counts(queries: Embeddings, documents: Embeddings) -> list[list[int]]:
    """Per rank: queries, query tokens, documents. Raises on every rank alike when the ranks do not fit together."""
    mine = [len(queries), len(queries.packed), len(documents)]
    pooled, states = queries.pooled, queries.packed
    kinds = [pooled.shape[1], states.shape[1], *(SCORED_DTYPES.index(side.dtype) for side in (pooled, states))]
    gathered = _gather_numbers([*mine, *kinds], queries.device)
    if any(row[3:] != gathered[0][3:] for row in gathered):
        listed = "; ".join(
            f"rank {i}: pooled vectors {row[3]} wide, {SCORED_DTYPES[row[5]]}, token states {row[4]} wide, "
            f"{SCORED_DTYPES[row[6]]}"
            for i, row in enumerate(gathered)
        )
        raise ScoreError(f"queries of different kinds cannot be scored together: {listed}")
    return [row[:3] for row in gathered]


def _gather_numbers(numbers: list[int], device: torch.device) -> list[list[int]]:
    own = torch.tensor(numbers, dtype=torch.int64, device=device)
    gathered = own.new_empty(world_size() * len(numbers))
    dist.all_gather_into_tensor(gathered, own)
    return gathered.view(world_size(), -1).tolist()


def _communication_device() -> torch.device:
    return torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else torch.device("cpu")
