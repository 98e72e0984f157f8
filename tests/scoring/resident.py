"""Memory as the system sees it, for what is allocated long before it is written to."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

_M_MMAP_THRESHOLD = -3  # of malloc.h


def peak_bytes(run: Callable[[], object], first: Callable[[], object] | None = None) -> int:
    """The bytes that a process holds more at the peak of `run` than before. Skips the test where the system does not
    tell (it is Linux that does).

    In a process of its own: in one that ran other tests the peak depends on what libraries and the allocator kept of
    their work (1.26 was measured there of what is 1.1 alone).

    Args:
        run: goes to that process, so it is a function of a module, or a `functools.partial` of one.
        first: is run before in that process, so that what is imported and kept on the way does not count.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        used = process.submit(_measured, run, first).result()
    if used is None:
        pytest.skip("the system does not tell a process's resident memory, as Linux does")
    return used


def _measured(run: Callable[[], object], first: Callable[[], object] | None) -> int | None:
    if first is not None:
        first()
    try:
        gc.collect()
        library = ctypes.CDLL(None)
        # Every large piece gets pages of its own, which go back to the system when it is freed. By itself glibc keeps
        # pieces of up to 32 MB once one was freed, and cuts small ones out of them: the peak would be what it kept.
        library.mallopt(_M_MMAP_THRESHOLD, 128 * 1024)
        library.malloc_trim(0)  # memory that was freed but kept would serve the run unseen
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # resets the high-water mark
    except (OSError, AttributeError):
        return None
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
