"""What a record says of the model that made it: its prompts and limits, and one digest of all that turns a document
into embeddings.

A digest of every weight takes about a second a gigabyte and core. What is recorded is made from all of them as they
are then. A look at a record, as before each search, takes the last digest as long as no weight is seen to change: by
torch's counts of writes, and by a few values of each tensor. In a command, where nobody else can write to a weight, the
digest of a model as it was read is kept in `weights` beside the page cache, by path, size and time of change of its
files.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from smart_train.data.formats.pdf import page_cache
from smart_train.errors import WriteError
from smart_train.models.bases import joined, reading_pool, tensor_digest
from smart_train.models.dense_layers import LinearHead
from smart_train.models.loaded_weights import State, files_of, weights_state
from smart_train.retrieval.encoder import IndexEncoder
from smart_train.utils.atomic import write_json
from smart_train.utils.differences import for_digest

# Those of version 0.1.0, which are in the digests of all its indexes.
_FIRST_PROMPT_SETTINGS = ("query_instruction", "document_instruction", "min_pixels", "max_pixels", "max_length")
_SAMPLED_VALUES = 64
_SAMPLED_DIGITS, _DIGITS = 32, 64  # hexadecimal ones, by which the two kinds are told apart
_FORMAT = 1  # of what is kept of files; raise it when the same weights would give another digest

_known: WeakKeyDictionary[nn.Module, tuple[State, str, str]] = WeakKeyDictionary()  # state, samples, digest of all


def prompt_settings(model: IndexEncoder) -> dict[str, Any]:
    """What of the prompts and limits of `model` belongs into a digest. A setting that a later version adds changes the
    digest only where it is used, so that indexes made before fit their model still."""
    prompts = model.family.prompts
    return for_digest(prompts.to_dict(), type(prompts)().to_dict(), _FIRST_PROMPT_SETTINGS)


def model_fingerprint(model: IndexEncoder) -> str:
    """A hash of what turns a document into embeddings: family, prompt and pixel limits, and every value of the
    weights, as they are now.

    Values count as float32, so that a model in the number format that it is stored in is the same model in a wider one.
    An adapter and its merged export have different tensors and so different fingerprints.
    """
    return _fingerprint(model, _weights(model, anew=True))


def sampled_fingerprint(model: IndexEncoder) -> str:
    """The fingerprint of version 0.1.0, for the records that hold one: of every tensor 64 values count."""
    digest = hashlib.blake2b(_settings(model), digest_size=_SAMPLED_DIGITS // 2)
    _add_samples(digest, _tensors(model))
    return digest.hexdigest()


def fingerprint_like(model: IndexEncoder, recorded: Any) -> str:
    """The fingerprint to hold against one that was `recorded`: of its kind, or the present one. The weights are not
    read again where none is seen to have changed since they last were.

    Not seen is a write through `tensor.data` (which torch does not count) that leaves 128 values of each tensor as they
    were. `model_fingerprint` sees it, and from then on this does.
    """
    if isinstance(recorded, str) and len(recorded) == _SAMPLED_DIGITS:
        return sampled_fingerprint(model)
    return _fingerprint(model, _weights(model, anew=False))


def _fingerprint(model: IndexEncoder, weights: str) -> str:
    digest = hashlib.blake2b(_settings(model), digest_size=_DIGITS // 2)
    digest.update(weights.encode())
    return digest.hexdigest()


def _settings(model: IndexEncoder) -> bytes:
    prompts = prompt_settings(model)
    prompts.pop("query_instruction")
    return json.dumps([model.family.name, prompts], sort_keys=True).encode()


def _weights(model: IndexEncoder, *, anew: bool) -> str:
    """Digest of every value of every tensor.

    Torch does not count what is written through `tensor.data`, as PEFT does when it merges an adapter in place. The
    samples show that: merging and training move all values. Reading no value at all was rejected for it.

    Args:
        anew: made from the weights as they are now. Else from memory, where no weight is seen to have changed since.
    """
    tensors = _tensors(model)
    state = weights_state(model) if isinstance(model, nn.Module) else None
    if state is None or not isinstance(model, nn.Module):
        return _digest(tensors)
    samples = _samples(tensors)
    known, files = _known.get(model), files_of(model)
    if known is None or known[:2] != (state, samples) or (anew and files is None):
        # Never kept for later where the weights may have changed unseen: it would be taken for that of their files.
        at = None if files is None or not files.settled else _place([_FORMAT, files.files, samples])
        known = _known[model] = (state, samples, _digest(tensors) if at is None else _kept(at, tensors))
    return known[2]


def _tensors(model: IndexEncoder) -> dict[str, Tensor]:
    """Everything that states are multiplied by: Dense layers behind a backbone are not among its saved weights."""
    modules = model.named_modules() if isinstance(model, nn.Module) else ()
    heads = {f"{name}.weight": module.weight for name, module in modules if isinstance(module, LinearHead)}
    return {**model.state_dict(), **heads}


def _samples(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.blake2b(json.dumps(sorted({str(tensor.dtype) for tensor in tensors.values()})).encode())
    for halves in (0, 1):
        _add_samples(digest, tensors, halves)
    return digest.hexdigest()


def _add_samples(digest: hashlib.blake2b, tensors: Mapping[str, Tensor], halves: int = 0) -> None:
    """64 values spread over each tensor; the first is the first of all, or lies so many half steps after it."""
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().flatten()
        step = max(1, len(flat) // _SAMPLED_VALUES)
        digest.update(flat[halves * step // 2 :: step].to("cpu", torch.float32).numpy().tobytes())


def _digest(tensors: Mapping[str, Tensor]) -> str:
    with reading_pool() as pool:
        return joined(zip(tensors, pool.map(_of_tensor, tensors.values()), strict=True))


def _of_tensor(tensor: Tensor) -> str:
    tensor = tensor.detach()
    narrow = tensor.is_floating_point() and tensor.element_size() < torch.float32.itemsize
    return tensor_digest(tensor, torch.float32 if narrow else None)


def _place(about: list[Any]) -> Path | None:
    """Where the digest is kept of weights that these files gave. One file for each: processes write side by side."""
    name = hashlib.blake2b(json.dumps(about).encode(), digest_size=16).hexdigest()
    try:
        return page_cache().parent / "weights" / f"{name}.json"
    except RuntimeError:  # a user without a home folder
        return None


def _kept(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """The digest that is kept at `path`, else that of `tensors`, which is then kept there."""
    try:
        digest = json.loads(path.read_text(encoding="utf-8"))["weights"]
        if isinstance(digest, str):
            return digest
    except (OSError, ValueError, KeyError, TypeError):
        pass  # there is none, or a damaged one, which is written anew
    digest = _digest(tensors)
    try:
        write_json(path, {"weights": digest})
    except WriteError as error:
        said = f"{error}. The digest of the model's weights is not remembered: the next start reads all of them again"
        warnings.warn(said, stacklevel=2)
    return digest
