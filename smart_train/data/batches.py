"""Which rows make a batch: rows of one kind, and of like length where that is asked for; the same on every rank.

The order is a function of seed and epoch alone, so a run goes on mid-epoch by its position, and every rank works out
the whole epoch and takes its share.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.utils.data import Sampler

from smart_train.errors import DataError
from smart_train.utils.hashing import stable_hash

_POOL_STEPS = 50  # steps whose rows are sorted together: little padding is left, and a pool's rows change every epoch
_POOLS = 4  # at least, in an epoch: few rows would meet the same rows in every epoch


@dataclass(frozen=True)
class Group:
    """Rows that may meet in a batch.

    Args:
        name: for messages.
        rows: their positions in the data set.
        weight: of the group's batches among those of an epoch; None in every group: as many as its rows make.
        lengths: tokens of each row's longest document, parallel to `rows`; only where rows of like length are to meet.
        documents: documents a row brings, its positive and the negatives used.
    """

    name: str
    rows: Sequence[int]
    weight: float | None = None
    lengths: Sequence[int] | None = None
    documents: int = 1


class GroupedBatches(Sampler[list[int]]):
    """Batches of one group at a time, in an order drawn anew for every epoch.

    A step's batches, one per process, come from the same group, so that negatives across processes are of one kind too.
    Without weights an epoch is one pass over all rows. With weights it has as many batches, dealt out by weight, at
    least one to each group; a group that is too small for its share is gone through again, shuffled anew.

    Args:
        groups: at least one.
        batch_size: most rows of a process's batch.
        processes, rank: how many processes train together, and which this is.
        seed: of all shuffling.
        drop_last: leave out a group's last rows where they do not fill a batch of every process. Else one process takes
            them as they are, and several fill them up with rows of the same group.
        max_tokens: most document tokens of a process's batch, padding and negatives included. Rows of like length then
            meet, and the fewer the longer they are; a single row may exceed it.
        by_length: rows of like length meet, `batch_size` of them whatever their length. Rows are sorted within random
            pools of up to 50 steps, at least four an epoch, so that a row has other neighbours in every epoch. A budget
            puts rows of like length together anyway.

    Raises:
        DataError: a group whose rows make no batch, a weight that is not positive or missing in some groups, a budget
            below 1, a budget or `by_length` without lengths.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        *,
        batch_size: int,
        processes: int = 1,
        rank: int = 0,
        seed: int = 0,
        drop_last: bool = True,
        max_tokens: int | None = None,
        by_length: bool = False,
    ) -> None:
        super().__init__()
        self.groups, self.batch_size, self.processes, self.rank = groups, batch_size, processes, rank
        self.seed, self.drop_last, self.max_tokens, self.by_length = seed, drop_last, max_tokens, by_length
        if max_tokens is not None:
            self.by_length = False  # a budget sorts by length itself
        self.epoch = 0
        self._check()
        self._lengths = [self._rounded(group) for group in groups]
        self._slots = [self._cut(group, lengths) for group, lengths in zip(groups, self._lengths, strict=True)]
        small = [
            f"{group.name}: {len(group.rows)} rows"
            for group, slots in zip(groups, self._slots, strict=True)
            if not slots
        ]
        if small:
            raise DataError(
                f"{'; '.join(small)}: fewer than a batch of {batch_size} x {processes} process(es), so they would "
                "never be used; lower training.per_device_train_batch_size, or set training.dataloader_drop_last: false"
            )
        self.counts = self._shares()

    def for_rank(self, rank: int) -> GroupedBatches:
        """The same batches, as another process takes its share of them."""
        other = copy.copy(self)
        other.rank = rank
        return other

    def __len__(self) -> int:
        """Batches of one process in an epoch, the same in every epoch."""
        return sum(self.counts)

    def set_epoch(self, epoch: int) -> None:
        """The epoch whose order the next iteration has."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self.epoch_batches():
            yield batch[self.rank :: self.processes]

    def epoch_batches(self) -> list[list[int]]:
        """The rows of every step of the epoch, those of all processes together."""
        batches: list[list[int]] = []
        for place, count in enumerate(self.counts):
            of_group: list[list[int]] = []
            while len(of_group) < count:
                of_group += self._pass(place, self._generator("rows", place, len(of_group)))
            batches += of_group[:count]
        order = torch.randperm(len(batches), generator=self._generator("order"))
        return [batches[index] for index in order.tolist()]

    @property
    def _like(self) -> bool:
        """Whether rows of like length meet."""
        return self.by_length or self.max_tokens is not None

    @property
    def smallest(self) -> int:
        """Documents of the smallest step of an epoch, over all processes."""
        sizes = (
            (self._filled(stop - start, rows)) * group.documents
            for group, slots in zip(self.groups, self._slots, strict=True)
            for start, stop, rows in slots
        )
        return min(sizes)

    def _check(self) -> None:
        if self.max_tokens is not None and self.max_tokens < 1:
            raise DataError(f"max_tokens_per_batch is {self.max_tokens}; it must be at least 1")
        if not self.groups:
            raise DataError("there is not one row to make a batch of")
        weights = [group.weight for group in self.groups]
        if any(weight is None for weight in weights) != all(weight is None for weight in weights):
            missing = ", ".join(group.name for group in self.groups if group.weight is None)
            raise DataError(f"weights are given to some sources but not to {missing}; give all of them one, or none")
        for group in self.groups:
            if group.weight is not None and not group.weight > 0:
                raise DataError(f"{group.name}: weight is {group.weight}; it must be above 0")
            if self._like and (group.lengths is None or len(group.lengths) != len(group.rows)):
                asked = "by_length" if self.max_tokens is None else "a token budget"
                raise DataError(f"{group.name}: {asked} needs the length of every row")

    def _rounded(self, group: Group) -> torch.Tensor | None:
        """int64: every length as the largest among those that are like it, of eight to sixteen classes an octave. Rows
        of a class change places from epoch to epoch, so that batches differ while their number and sizes stay."""
        if self.max_tokens is None:
            return None
        lengths = group.lengths or ()
        classes = [length >> max(0, length.bit_length() - 4) << max(0, length.bit_length() - 4) for length in lengths]
        largest: dict[int, int] = {}
        for kind, length in zip(classes, lengths, strict=True):
            largest[kind] = max(length, largest.get(kind, 0))
        return torch.tensor([largest[kind] for kind in classes], dtype=torch.int64)

    def _cut(self, group: Group, lengths: torch.Tensor | None) -> list[tuple[int, int, int]]:
        """(start, stop, rows of a process) of every batch, in the order of lengths, longest first."""
        ordered = None if lengths is None else lengths.sort(descending=True).values.tolist()
        slots, start, total = [], 0, len(group.rows)
        while start < total:
            rows = self.batch_size
            if ordered is not None and self.max_tokens is not None:
                rows = max(1, min(rows, self.max_tokens // (max(1, ordered[start]) * group.documents)))
            stop = min(start + rows * self.processes, total)
            if stop - start == rows * self.processes or not self.drop_last:
                slots.append((start, stop, rows))
            start = stop
        return slots

    def _filled(self, size: int, rows: int) -> int:
        """Rows of a step that has `size` of its own."""
        if self.processes == 1 or size == rows * self.processes:
            return size
        return -(-size // self.processes) * self.processes if self._like else rows * self.processes

    def _shares(self) -> list[int]:
        """Batches of each group in an epoch."""
        natural = [len(slots) for slots in self._slots]
        weights = [group.weight for group in self.groups if group.weight is not None]
        if not weights:
            return natural
        # Largest remainders: the shares are whole, add up, and none is off by a batch.
        exact = [sum(natural) * weight / sum(weights) for weight in weights]
        counts = [int(share) for share in exact]
        for place in sorted(range(len(exact)), key=lambda place: counts[place] - exact[place])[
            : sum(natural) - sum(counts)
        ]:
            counts[place] += 1
        return [max(1, count) for count in counts]

    def _pass(self, place: int, generator: torch.Generator) -> list[list[int]]:
        """All batches of one group once."""
        group, lengths = self.groups[place], self._lengths[place]
        order = torch.randperm(len(group.rows), generator=generator)
        slots = self._slots[place]
        if self.by_length:
            order = self._pooled(order, group, slots)
        elif lengths is not None:
            order = order[lengths[order].sort(descending=True, stable=True).indices]
            slots = [slots[index] for index in torch.randperm(len(slots), generator=generator).tolist()]
        rows = [group.rows[index] for index in order.tolist()]
        batches = []
        for start, stop, size in slots:
            batch = rows[start:stop]
            missing = self._filled(len(batch), size) - len(batch)
            spare = batch if self._like else rows  # rows of another length could break the budget
            batches.append(batch + [spare[index % len(spare)] for index in range(missing)])
        if self.by_length:  # a weight may take a part of them, which must not be the longest
            batches = [batches[index] for index in torch.randperm(len(batches), generator=generator).tolist()]
        return batches

    def _pooled(self, order: torch.Tensor, group: Group, slots: Sequence[tuple[int, int, int]]) -> torch.Tensor:
        """`order` with the rows of each pool sorted by length, longest first. What a last, incomplete batch would leave
        out is left out before: afterwards it would be the shortest rows of a pool."""
        order = order[: slots[-1][1]]
        steps = max(1, min(_POOL_STEPS, len(slots) // _POOLS))
        lengths = torch.tensor(group.lengths, dtype=torch.int64)[order]
        pools = torch.arange(len(order)) // (steps * self.batch_size * self.processes)
        longest_first = lengths.sort(descending=True, stable=True).indices
        return order[longest_first[pools[longest_first].sort(stable=True).indices]]

    def _generator(self, *purpose: str | int) -> torch.Generator:
        key = repr((self.seed, self.epoch, *purpose)).encode()
        return torch.Generator().manual_seed(stable_hash(key))
