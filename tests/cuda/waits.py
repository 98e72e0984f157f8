"""How often work on a device makes this process wait for it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

# The operators that must know a value, or a shape that depends on values, before they return.
WAITING = ("_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "unique", "_unique2", "equal")


class _Counter(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += function.overloadpacket.__name__ in WAITING
        return function(*args, **(kwargs or {}))


def waits(run: Callable[[], object], device: str) -> int:
    """How many operations of `run` wait for the device, after one call that is not counted.

    On CUDA, where PyTorch says so itself, copies to main memory count too. On a CPU, which waits for nothing, the
    operators that would.
    """
    run()
    if device == "cpu":
        with _Counter() as counter:
            run()
        return counter.count
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchronizing CUDA operation" in str(warning.message) for warning in caught)
