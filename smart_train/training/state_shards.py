"""States of many inputs in files of a few hundred megabytes, found by key and read one input at a time.

A file is written whole or not at all, so a process that was killed leaves whole files. It holds the digests of its
tensors, by which damage is found. It also says which inputs it holds: an index beside the files could contradict them.

Shapes: n inputs of a file, L layers, H the backbone's width, sum T kept tokens of all inputs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from smart_train.errors import DataError, ScoreError
from smart_train.models.family import Features
from smart_train.models.stored_states import stored
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.number_formats import recoded
from smart_train.utils.tensors import load_tensors, save_tensors

SHARD_BYTES = 256 * 2**20  # of a file, about: what a kill loses, and few enough files for millions of pages
_THREADS = 4  # that check files, which reads and hashes them
_AGAIN = "delete it and start the run again, which encodes its inputs again"


class StateShards:
    """The files of one folder. Picklable for a loader's workers, each of which opens files of its own.

    Args:
        folder: need not be there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._opened: dict[int, tuple[Any, list[int], list[str]]] = {}
        self.refresh([])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": {}}

    @property
    def files(self) -> list[Path]:
        """Every file that is there, in the order of their names."""
        return sorted(self.folder.glob("states-*.safetensors"))

    def refresh(self, files: Sequence[Path]) -> None:
        """From now on the inputs of `files` are known, and no others.

        Raises:
            DataError: a file cannot be read.
        """
        self._opened.clear()
        self._files = list(files)
        keys, shards, rows = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for place, file in enumerate(files):
            keys.append(load_tensors(file, ["keys"])[0]["keys"].numpy())
            shards.append(np.full(len(keys[-1]), place))
            rows.append(np.arange(len(keys[-1])))
        # Sorted, and not a dict: a million inputs take 24 MB, which workers share.
        self._keys, first = np.unique(np.concatenate(keys), return_index=True)
        self._shards, self._rows = np.concatenate(shards)[first], np.concatenate(rows)[first]

    def __len__(self) -> int:
        """How many inputs are known."""
        return len(self._keys)

    def holds(self, keys: Sequence[int]) -> list[bool]:
        """Of each key, whether its input is known."""
        wanted = np.asarray(keys, dtype=np.int64)
        places = np.searchsorted(self._keys, wanted)
        matches = np.append(self._keys, 0)[places] == wanted
        return (matches & (places < len(self._keys))).tolist()

    def write(self, keys: Sequence[int], made: Embeddings, layers: int, stored_as: str) -> Path:
        """One more file; `refresh` makes it known.

        Args:
            keys: of the n inputs.
            made: their pooled vectors, and states [sum T, L * H], layer after layer.
            stored_as: "auto": in the dtype that they have; else one of `utils.terms.NUMBER_FORMATS`.

        Raises:
            ScoreError: float16 cannot hold a state.
        """
        states, scales = made.packed.unflatten(1, (layers, -1)), None
        if stored_as != "auto":
            states, scales = recoded(states.flatten(0, 1), None, stored_as)
            if stored_as == "float16" and not bool(states.isfinite().all()):
                raise ScoreError(
                    "projection.state_dtype float16 cannot hold a state of this model, whose numbers exceed 65504; use "
                    "bfloat16 or float32"
                )
            states = states.unflatten(0, (-1, layers))
            scales = None if scales is None else scales.view(-1, layers)
        tensors = {
            "keys": torch.tensor(keys, dtype=torch.int64),
            "pooled": made.pooled,
            "offsets": made.offsets,
            "states": states,
        }
        if scales is not None:
            tensors["scales"] = scales
        name = hashlib.blake2b(tensors["keys"].numpy().tobytes(), digest_size=12).hexdigest()
        return save_tensors(self.folder / f"states-{name}.safetensors", tensors)

    def read(self, keys: Sequence[int], columns: Sequence[int]) -> Features:
        """The states of these inputs, all of which are known, in the layers at the places `columns`.

        Raises:
            DataError: a file cannot be read.
        """
        places = np.searchsorted(self._keys, np.asarray(keys, dtype=np.int64))
        parts = [self._read(int(self._shards[place]), int(self._rows[place]), list(columns)) for place in places]
        pooled, states, scales = zip(*parts, strict=True)
        lengths = torch.tensor([0, *(len(part) for part in states)])
        held = [part for part in scales if part is not None]
        return stored(torch.stack(pooled), lengths.cumsum(0), torch.cat(states), torch.cat(held) if held else None)

    def _read(self, shard: int, row: int, columns: list[int]) -> tuple[Tensor, Tensor, Tensor | None]:
        """One input: pooled [D], states [T, L, H], and with int8 states scales [T, L]."""
        path = self._files[shard]
        try:
            if shard not in self._opened:
                opened = safe_open(path, framework="pt")
                names = [name for name in ("states", "scales") if name in set(opened.keys())]
                self._opened[shard] = (opened, opened.get_tensor("offsets").tolist(), names)
            file, offsets, names = self._opened[shard]
            start, stop = offsets[row], offsets[row + 1]
            pooled = file.get_slice("pooled")[row : row + 1][0]
            parts = [file.get_slice(name)[start:stop] for name in names]
        except (OSError, SafetensorError) as error:
            raise DataError(f"{path}: cannot be read ({error}); {_AGAIN}") from error
        if columns != list(range(parts[0].shape[1])):
            parts = [part[:, columns] for part in parts]
        return pooled, parts[0], parts[1] if len(parts) > 1 else None


def faults(files: Iterable[Path]) -> dict[Path, str]:
    """Those of `files` that are not what was written, each with the reason. Reads all of them."""
    files = list(files)
    with ThreadPoolExecutor(max_workers=_THREADS) as pool:  # hashing lets go of the interpreter
        return {file: reason for file, reason in zip(files, pool.map(_fault, files), strict=True) if reason}


def _fault(file: Path) -> str | None:
    try:
        load_tensors(file)
    except DataError as error:
        return str(error)
    return None


def input_bytes(tokens: float, *, layers: int, width: int, number: int) -> float:
    """Bytes on disk of one input that keeps so many tokens.

    Args:
        width: H. number: bytes of a state's number; 1 is int8, which has scales.
    """
    scales = 4 * layers if number == 1 else 0
    return tokens * (layers * width * number + scales) + 4 * width + 16
