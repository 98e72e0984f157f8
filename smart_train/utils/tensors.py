"""Tensors in safetensors files that say when they are damaged: the header holds a digest of every tensor.

safetensors itself checks that a file is as long as its header says, and nothing of its content. The digests are in the
file and not beside it, so that a file can be moved, and a part of it read and checked alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from smart_train.errors import DataError
from smart_train.utils.atomic import replace_whole

_DIGESTS = "sha256"  # the header's key for them


def save_tensors(path: str | Path, tensors: Mapping[str, Tensor], about: Mapping[str, str] | None = None) -> Path:
    """Writes `tensors` whole or not at all, with `about` in the header.

    Raises:
        WriteError: the file system refuses it.
    """
    plain: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        plain[name] = tensor.detach().cpu().contiguous()
        memory = plain[name].untyped_storage().data_ptr()
        if any(memory == other.untyped_storage().data_ptr() for key, other in plain.items() if key != name):
            plain[name] = plain[name].clone()  # safetensors refuses views of one encoding
    header = {**(about or {}), _DIGESTS: json.dumps({name: _digest(tensor) for name, tensor in plain.items()})}
    return replace_whole(path, lambda temporary: save_file(plain, temporary, metadata=header))


def load_tensors(path: str | Path, names: Collection[str] | None = None) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file, and what its header says. A file without digests, such as one of version 0.1.0, is read
    unchecked.

    Args:
        names: only these, each of which must be there; None: all.

    Raises:
        DataError: no such file, not a whole safetensors file, or a tensor that is not what was written.
    """
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file")
    try:
        with safe_open(path, framework="pt") as file:
            header = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in (file.keys() if names is None else names)}
    except (OSError, ValueError, SafetensorError) as error:
        raise DataError(f"{path}: not a complete safetensors file ({error})") from error
    try:
        written = json.loads(header.pop(_DIGESTS, "null"))
        damaged = [name for name in tensors if written is not None and written.get(name) != _digest(tensors[name])]
    except (ValueError, AttributeError):
        damaged = ["header"]
    if damaged:
        raise DataError(f"{path}: {damaged[0]} is damaged: its content is not what was written (SHA-256)")
    return tensors, header


def _digest(tensor: Tensor) -> str:
    """Of the numbers and of what says how to read them."""
    digest = hashlib.sha256(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
    digest.update(memoryview(tensor.contiguous().reshape(-1).view(torch.uint8).numpy()))
    return digest.hexdigest()
