"""Reading the state that an engine saved, without running code that the files may bring.

A pickle can name any function and call it, and DeepSpeed and torch.distributed.checkpoint unpickle whatever lies in a
checkpoint's folder. Digests do not help: whoever can write a shard can write its digest too. Here they get torch's
reader of tensors and plain values, and the few classes that their own files hold.
"""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from types import SimpleNamespace
from typing import Any

import torch
from torch.distributed.checkpoint import CheckpointException, filesystem

# What ZeRO's optimiser states hold beside tensors.
_OF_DEEPSPEED = {
    "deepspeed.utils.tensor_fragment": ("fragment_address",),
    "deepspeed.runtime.fp16.loss_scaler": ("LossScaler", "DynamicLossScaler"),
    "deepspeed.runtime.zero.config": ("ZeroStageEnum",),
}
# What FSDP2's tables of contents name. By single names: one like `os.system` would be looked up through a module's own
# imports.
_METADATA = ("Metadata", "MetadataIndex", "TensorStorageMetadata", "TensorProperties", "ChunkStorageMetadata",
             "BytesStorageMetadata", "StorageMeta", "_MEM_FORMAT_ENCODING")  # fmt: skip
_OF_CONTENTS = {
    *(("torch.distributed.checkpoint.metadata", name) for name in _METADATA),
    ("torch.distributed.checkpoint.filesystem", "_StorageInfo"),
    ("torch.serialization", "_get_layout"),
    ("torch", "Size"),
    ("collections", "OrderedDict"),
    ("pathlib", "PosixPath"),
    ("pathlib._local", "PosixPath"),  # the same, from Python 3.13 on
}
# By this name Python 3.11.0 to 3.11.3 pickle the member of an enumeration: getattr(class, name).
_MEMBER_OF = "builtins.getattr"


def _member(enumeration: Any, name: str) -> Any:
    """In the place of `getattr`, which would reach everything that a class knows: members of enumerations alone."""
    if not (isinstance(enumeration, type) and issubclass(enumeration, Enum)):
        raise pickle.UnpicklingError(f"it asks for {name!r} of {enumeration!r}, which a saved state has no use for")
    return enumeration[name]


@contextmanager
def without_code(strategy: str) -> Iterator[None]:
    """Within, the files that `strategy`'s engine loads may hold tensors, plain values and that engine's own classes.

    Raises:
        pickle.UnpicklingError, RuntimeError: a file names anything else.
    """
    listed = _OF_DEEPSPEED if strategy.startswith("zero") else {}
    engine_classes = [
        getattr(importlib.import_module(module), name) for module, names in listed.items() for name in names
    ]
    files: Any = filesystem  # its stubs do not name the module that it imports
    load, table = torch.load, files.pickle

    def tensors_only(*args: Any, **options: Any) -> Any:
        return load(*args, **{**options, "weights_only": True})

    # Both engines ask for weights_only=False where no argument of theirs reaches.
    torch.load = tensors_only
    files.pickle = SimpleNamespace(load=lambda file: _Contents(file).load(), dump=pickle.dump)
    try:
        with torch.serialization.safe_globals([*engine_classes, (_member, _MEMBER_OF)]):
            yield
    except CheckpointException as error:  # not an Exception, and it quotes every rank's traceback
        raise RuntimeError(str(error).strip().splitlines()[-1]) from error
    finally:
        torch.load, files.pickle = load, table


class _Contents(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" == _MEMBER_OF:
            return _member
        if (module, name) not in _OF_CONTENTS and not (
            module == "torch" and isinstance(getattr(torch, name, None), torch.dtype)
        ):
            raise pickle.UnpicklingError(f"it names {module}.{name}, which a saved state has no use for")
        return super().find_class(module, name)
