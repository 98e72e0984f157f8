"""Embeddings on disk in shards: a set too large for memory, encoded piece by piece, each piece once.

A shard is one file, written under another name and moved: a process that was killed leaves whole shards, and the next
one goes on behind them.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm.auto import tqdm

from smart_train.distributed import barrier, rank, world_size
from smart_train.errors import DataError
from smart_train.scoring.embeddings import Embeddings
from smart_train.utils.tensors import load_tensors


@dataclass(frozen=True)
class EmbeddingShards:
    """`count` items in files of `size`, under `folder`.

    Args:
        name: how the files begin.
        tokens: whether token states are kept; without them only the pooled vectors are.
        store: what token states are kept as: float32 (exact), float16, bfloat16 or int8.
    """

    folder: Path
    name: str
    count: int
    size: int
    tokens: bool = True
    store: str = "float32"

    def __len__(self) -> int:
        return -(-self.count // self.size)

    def places(self, shard: int) -> range:
        """The items of one shard."""
        return range(shard * self.size, min((shard + 1) * self.size, self.count))

    def path(self, shard: int) -> Path:
        return self.folder / f"{self.name}-{shard:05d}.safetensors"

    def encode(self, encode: Callable[[Sequence[int]], Embeddings], *, show_progress_bar: bool | None = None) -> int:
        """Writes every shard that is not there yet; returns how many items this process encoded. Several processes
        share the missing shards, and come back when all are there.

        Args:
            encode: the items at some places, encoded.

        Raises:
            DataError: the disk cannot hold all shards, judged by the first one.
        """
        missing = [shard for shard in range(len(self)) if not self.path(shard).is_file()]
        barrier()  # all have looked before one writes
        own_shards, others = missing[rank() :: world_size()], len(missing) - world_size()
        disable = None if show_progress_bar is None else not show_progress_bar
        encoded = 0
        with tqdm(
            total=len(own_shards), desc=f"Encoding {self.name}", unit="shard", leave=False, disable=disable
        ) as bar:
            for shard in own_shards:
                self._stored(encode(self.places(shard))).save(self.path(shard))
                encoded += len(self.places(shard))
                bar.update()
                if shard == own_shards[0]:
                    self._check_space(shard, others)
        barrier()
        return encoded

    def load(self, shard: int, device: str | torch.device = "cpu") -> Embeddings:
        """One shard, its tokens as they are stored; on a CPU they are mapped from the file."""
        with _made_again():
            return Embeddings.load(self.path(shard), device)

    def load_all(self, device: str | torch.device = "cpu") -> Embeddings:
        """Every item, tokens as they are stored."""
        return Embeddings.concatenate(self.load(shard, device) for shard in range(len(self)))

    def load_pooled(self, device: str | torch.device = "cpu") -> Embeddings:
        """Every item without its tokens, which stay on the disk unread."""
        parts = []
        for shard in range(len(self)):
            with _made_again():
                parts.append(load_tensors(self.path(shard), ["pooled"])[0]["pooled"].to(device))
        pooled = torch.cat(parts)
        offsets = torch.zeros(len(pooled) + 1, dtype=torch.int64, device=pooled.device)
        return Embeddings(pooled, pooled.new_empty(0, pooled.shape[1]), offsets)

    def _stored(self, embeddings: Embeddings) -> Embeddings:
        if self.tokens:
            return embeddings.quantize(self.store)
        none = embeddings.packed[:0].float()
        return Embeddings(embeddings.pooled, none, torch.zeros_like(embeddings.offsets))

    def _check_space(self, written_shard: int, missing: int) -> None:
        """Raises DataError where `missing` more shards like the one that was written do not fit on the disk."""
        written = self.path(written_shard).stat().st_size
        free = shutil.disk_usage(self.folder).free
        needed = written * max(0, missing)
        if needed > free:
            raise DataError(
                f"{self.folder}: the encoded {self.name} need another {needed / 2**30:.1f} GiB ({missing} shards "
                f"of {written / 2**20:.0f} MiB), {free / 2**30:.1f} GiB are free; store tokens as int8, or write "
                "to another disk. Mining by the pooled score keeps no tokens"
            )


@contextlib.contextmanager
def _made_again() -> Iterator[None]:
    """Says of a shard that cannot be read what to do about it."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{error}; delete it, and it is made again") from error
