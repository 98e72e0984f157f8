"""Whether an error means that memory does not suffice."""

from __future__ import annotations

import torch

# Of errors that have no class of their own: main memory, and what a device refuses beside tensors, as pinned memory.
_REFUSALS = ("DefaultCPUAllocator", "not enough memory", "out of memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device or main memory refused an allocation. torch has a class of its own for tensors on devices."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _REFUSALS)
