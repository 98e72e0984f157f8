"""Memory as the system sees it, for what is allocated long before it is written to."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path

import pytest

_M_MMAP_THRESHOLD = -3  # of malloc.h


def peak_bytes(run: Callable[[], object]) -> int:
    """The bytes that this process held more at the peak of `run` than before. Skips the test where the system does not
    tell (it is Linux that does)."""
    try:
        gc.collect()
        library = ctypes.CDLL(None)
        # Every large piece gets pages of its own, which go back to the system when it is freed. By itself glibc keeps
        # pieces of up to 32 MB once one was freed, and cuts small ones out of them: the peak would be what it kept.
        library.mallopt(_M_MMAP_THRESHOLD, 128 * 1024)
        library.malloc_trim(0)  # memory that was freed but kept would serve the run unseen
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # resets the high-water mark
    except (OSError, AttributeError) as error:
        pytest.skip(f"the system does not tell a process's resident memory, as Linux does ({error})")
    before = _status("VmRSS")
    kept = run()
    used = _status("VmHWM") - before
    del kept
    return used


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}")
