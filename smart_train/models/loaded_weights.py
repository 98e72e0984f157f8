"""Which files the weights of a live model were read from, for as long as it holds what they said: what was learned of
the files is then known of the model, without reading a weight."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from smart_train.models.saving import WEIGHT_SUFFIXES
from smart_train.utils.own_process import runs_a_command

State = tuple[tuple[object, ...], ...]
_Module = TypeVar("_Module", bound=nn.Module)
_SETTLED_NS = 2_000_000_000


@dataclass(frozen=True)
class WeightFiles:
    """Files of weights, as they were at one moment.

    Args:
        files: path, bytes, and time of change in nanoseconds of each.
        settled: none had changed within the last seconds: one that had could change again without a new time (the clock
            of a file system is coarse), so nothing may be kept of it for later.
    """

    files: tuple[tuple[str, int, int], ...]
    settled: bool


# Beside the models, not in them: a copy of a model is another object, of which nothing is known.
_read_from: WeakKeyDictionary[nn.Module, tuple[WeightFiles, State | None]] = WeakKeyDictionary()


def weight_files(*places: str | Path | None) -> WeightFiles:
    """The files of weights in these folders and the folders in them; a place may also be a file. To be taken before
    they are read: a file that changes meanwhile is then met with another time at the next load."""
    paths = {path.resolve() for place in places if place is not None for path in _below(Path(place))}
    files = tuple((str(path), (status := path.stat()).st_size, status.st_mtime_ns) for path in sorted(paths))
    settled = time.time_ns() - _SETTLED_NS
    return WeightFiles(files, all(0 <= changed < settled for _, _, changed in files))


def _below(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
        return
    for pattern in ("*", "*/*"):
        yield from (path for path in place.glob(pattern) if path.suffix in WEIGHT_SUFFIXES and path.is_file())


def read_from(files: WeightFiles, model: _Module) -> _Module:
    """`model`, of which it is noted that its weights, as they are now, were read from `files`."""
    if files.files:
        _read_from[model] = files, weights_state(model)
    return model


def files_of(model: nn.Module) -> WeightFiles | None:
    """The files whose content the weights of `model` are; None where none are known, a weight has changed, or one may
    have changed unseen, as in a program of somebody else."""
    files, state = _read_from.get(model, (None, None)) if runs_a_command() else (None, None)
    return files if state is not None and state == weights_state(model) else None


def weights_state(model: nn.Module) -> State | None:
    """What is another once a weight was written to, replaced, added or left out; no weight is read. None where torch
    does not count writes (a model made in inference mode).

    Writes through `tensor.data` are not counted, unless they put another tensor there.
    """
    kept = model.state_dict().keys()
    named: list[tuple[str, Tensor]] = [
        *model.named_parameters(remove_duplicate=False),
        *model.named_buffers(remove_duplicate=False),
    ]
    try:
        return tuple(
            (name, tensor.data_ptr(), tensor._version, tuple(tensor.shape), tensor.dtype, str(tensor.device))
            for name, tensor in named
            if name in kept
        )
    except RuntimeError:
        return None
