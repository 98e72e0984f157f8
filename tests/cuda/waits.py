"""How often work on a device makes this process wait for it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

# The operators that must know a value, or a shape that depends on values, before they return.
WAITING = ("_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "unique", "_unique2", "equal")
_LIBRARIES = ("smart_train", "transformers", "peft")
# They read features that have not been sent to a device, and what was counted in those.
_IN_MAIN_MEMORY = ("slicing.py", "chunk_order.py", "readout.py")


class _Counter(TorchDispatchMode):
    """Counts, of the operators that wait, those that this package calls for, and those that libraries do."""

    def __init__(self) -> None:
        super().__init__()
        self.ours = self.theirs = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if _waits(function, args, kwargs or {}):
            caller = _caller()
            self.ours += caller == "smart_train"
            self.theirs += caller in (None, "transformers", "peft")
        return function(*args, **(kwargs or {}))


class _Lists(TorchFunctionMode):
    """Counts tensors that this package reads as lists of numbers. On a CPU no operator shows it."""

    def __init__(self) -> None:
        super().__init__()
        self.ours = 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.ours += function is torch.Tensor.tolist and _caller() == "smart_train"
        return function(*args, **(kwargs or {}))


def _waits(function: Any, args: Any, kwargs: dict[str, Any]) -> bool:
    name = function.overloadpacket.__name__
    if name == "repeat_interleave":  # it asks how many there are, unless it is told
        return kwargs.get("output_size") is None
    if name in ("index", "index_put", "index_put_"):  # by a mask: it looks where the mask is true
        return any(place is not None and place.dtype in (torch.bool, torch.uint8) for place in args[1])
    return name in WAITING


def _caller() -> str | None:
    """The library in whose code this process is."""
    frame = sys._getframe(1)
    while frame is not None:
        parts = frame.f_code.co_filename.split("/")
        if parts[-3:] == ["torch", "autograd", "__init__.py"]:
            return None  # the backward of an operator, whoever called for the backward
        for library in _LIBRARIES:
            if library in parts and "tests" not in parts:
                return library if parts[-1] not in _IN_MAIN_MEMORY else "main memory"
        frame = frame.f_back
    return None


def waits(run: Callable[[], object], device: str) -> int:
    """How many operations of `run` wait for the device, after one call that is not counted.

    On CUDA, where PyTorch says so itself, copies to main memory count too. On a CPU, which waits for nothing, the
    operators that would.
    """
    run()
    if device == "cpu":
        with _Counter() as counter:
            run()
        return counter.ours + counter.theirs
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchronizing CUDA operation" in str(warning.message) for warning in caught)


def waits_on_cpu(run: Callable[[], object]) -> tuple[int, int, int]:
    """What `run`, whose second call is counted, would wait for: operators that wait which this package calls, those
    that libraries call, and tensors that this package reads as lists of numbers."""
    run()
    with _Lists() as lists, _Counter() as counter:
        run()
    return counter.ours, counter.theirs, lists.ours
