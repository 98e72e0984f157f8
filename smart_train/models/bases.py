"""Which weights a trained folder was made from, written down so that no others are taken for them.

A local base is named by its absolute path, by its path from the folder that names it, and by a digest of its weights: a
run that moves with its base finds it, whatever the current directory, and weights that were replaced are refused. A
base on the Hub is named by its id and its commit. A relative path alone was rejected: it means another folder in
another directory, or a repository on the Hub.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from smart_train.errors import ModelError
from smart_train.utils.model_folders import is_path as is_path

_BLOCK = 1 << 20
_PART = 2**24  # values of a tensor that are digested at a time
PICKLED = "pytorch_model"  # what files of weights that are not in safetensors are called


@dataclass(frozen=True)
class Base:
    """Weights that something was trained from.

    Args:
        name: absolute path of a folder, or Hub id. In folders of version 0.1.0 the path as the recipe gave it.
        revision: commit, branch or tag of a Hub base; None of a local one.
        beside: the path of a local base from the folder that names it; None where unknown.
        weights: `weights_digest` of a local base; None where unknown.
        local: whether `name` is a path, not a Hub id; None: the folder does not say (a plain PEFT adapter).
    """

    name: str
    revision: str | None = None
    beside: str | None = None
    weights: str | None = None
    local: bool | None = None

    @classmethod
    def read(cls, values: dict[str, Any], *, ours: bool) -> Base | None:
        """What a folder's JSON says of its base, by the keys of `to_dict`; None where it names none.

        Args:
            ours: smart_train wrote it: a base without a revision is then a path.

        Raises:
            TypeError: a value is not text.
        """
        name, *others = parts = [values.get(key) for key in ("base", "base_revision", "base_beside", "base_weights")]
        if not all(value is None or isinstance(value, str) for value in parts):
            raise TypeError(f"the base is {parts}; must be text")
        if name is None:
            return None
        base = cls(name, *others)
        if base.revision is not None and not is_path(name):
            return replace(base, local=False)
        base = replace(base, revision=None)  # version 0.1.0 wrote one for a folder too, where the recipe had one
        return replace(base, local=True if ours or is_path(name) else None)

    def to_dict(self) -> dict[str, str | None]:
        """As JSON values; keys that say nothing are left out, but for those of version 0.1.0."""
        values = {"base": self.name, "base_revision": self.revision}
        more = {"base_beside": self.beside, "base_weights": self.weights}
        return values | {key: value for key, value in more.items() if value is not None}

    def seen_from(self, folder: Path) -> Base:
        """The same base, as `folder` is to name it."""
        if not self.local:
            return self
        # Real paths, as the system follows `..` from a folder that is a link.
        return replace(self, beside=os.path.relpath(os.path.realpath(self.name), os.path.realpath(folder)))


def weights_digest(folder: Path) -> str | None:
    """Digest (hex) of all tensors of the weights in `folder`: names, types, shapes and every byte, however they are
    spread over files. None where no weights are there. Reads about a gigabyte a second and core, once a process.

    Raises:
        ModelError: a file cannot be read.
    """
    paths = sorted(folder.glob("model*.safetensors")) or sorted(folder.glob(f"{PICKLED}*.bin"))
    # Also Dense layers behind a text embedder's backbone, as sentence-transformers and as this package save them.
    paths += sorted(folder.glob("[0-9]*_Dense/*.safetensors")) + sorted(folder.glob("dense.safetensors"))
    stats = [(path, path.stat()) for path in paths]
    return _digest(tuple((str(path.resolve()), stat.st_size, stat.st_mtime_ns) for path, stat in stats))


@lru_cache(maxsize=64)
def _digest(files: tuple[tuple[str, int, int], ...]) -> str | None:
    if not files:
        return None
    with reading_pool() as pool:
        parts = [part for name, _, _ in files for part in _parts(Path(name), pool)]
    return joined(parts)


def reading_pool() -> ThreadPoolExecutor:
    """Threads that digest tensors side by side: hashing lets go of Python's lock."""
    return ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1))


def joined(parts: Iterable[tuple[str, str]]) -> str:
    """One digest (hex) of (name, digest) of each tensor, in whatever order."""
    return hashlib.blake2b(json.dumps(sorted(parts)).encode(), digest_size=16).hexdigest()


def _parts(path: Path, pool: ThreadPoolExecutor) -> Iterator[tuple[str, str]]:
    """(name, digest) of every tensor; of a file in another format than safetensors, of the file."""
    try:
        if path.suffix != ".safetensors":
            digest = hashlib.blake2b(digest_size=16)
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
            yield path.name, digest.hexdigest()
            return
        with safe_open(path, "pt") as file:
            names = list(file.keys())
            yield from zip(names, pool.map(lambda name: tensor_digest(file.get_tensor(name)), names), strict=True)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot be read ({error}); fetch or save it again") from error


def tensor_digest(tensor: Tensor, dtype: torch.dtype | None = None) -> str:
    """Digest (hex) of the type, the shape and every byte of a tensor, as if it were in `dtype` (None: its own).

    A part at a time: the largest tensors of an 8B model, widened whole by eight threads, would take 20 GB.
    """
    dtype = dtype or tensor.dtype
    digest = hashlib.blake2b(f"{dtype} {tuple(tensor.shape)} ".encode(), digest_size=16)
    for part in tensor.contiguous().reshape(-1).split(_PART):
        digest.update(part.to("cpu", dtype).view(torch.uint8).numpy().data)
    return digest.hexdigest()
