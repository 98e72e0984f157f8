"""The processor of this machine: its name, the instructions that it has, and the cores that may be used.

What a library may use of them is another question: `ATEN_CPU_CAPABILITY` and `ONEDNN_MAX_CPU_ISA` forbid some, and this
module does not read them.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


def flags() -> frozenset[str]:
    """Instruction sets by their names in Linux, e.g. `avx2`, `avx512f`, `avx512_vnni`, `amx_bf16`; on ARM e.g. `asimd`,
    `bf16`, `i8mm`. Empty where the system has no /proc/cpuinfo, so an instruction set is never claimed wrongly."""
    fields = _fields()
    return frozenset((fields.get("flags") or fields.get("Features") or "").split())


def model_name() -> str:
    """The maker's name of the processor, or the machine's architecture where the system does not say more."""
    return _fields().get("model name") or platform.processor() or platform.machine()


def usable_cores() -> int:
    """The cores that this process may use: of a container's share or a scheduler's mask, not of the whole machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_beside_workers(cores: int, workers: int) -> int:
    """Threads of a process that has `cores` and starts `workers` loader processes. The workers need cores of their own:
    torch's threads wait for each other at every operation, so one thread too many costs several times its share."""
    return max(1, cores - workers)


def local_processes() -> int:
    """How many processes of this run a launcher started on this machine, which share its cores and its memory."""
    return number_from_launcher("LOCAL_WORLD_SIZE", 1)


def number_from_launcher(variable: str, otherwise: int) -> int:
    """The number in an environment variable of launchers; `otherwise` where it is not set, empty or not a number, as
    where a cluster uses the name for something else."""
    text = os.environ.get(variable, "")
    return int(text) if text.isdecimal() else otherwise


@contextmanager
def every_core() -> Iterator[None]:
    """Within, torch computes with every core that this process may use, for work that one of a machine's processes does
    while the others sleep: a launcher gives each its share of the cores, or a single one. A process that is alone on
    its machine keeps the threads that it was started with."""
    if local_processes() == 1:
        yield
        return
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(max(threads, usable_cores()))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _fields() -> dict[str, str]:
    """The first processor's entry of /proc/cpuinfo. Virtual machines and clouds do not mix kinds."""
    try:
        entry = _CPUINFO.read_text(encoding="utf-8").split("\n\n", 1)[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in entry.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
