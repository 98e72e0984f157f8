"""What the tests run on, printed before them so that a red run can be understood: `python -m tests.machine`."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from smart_train.utils import cpu
from smart_train.utils.versions import versions

# Beginnings of the names of those instructions that matrix products and sums are made of, on x86 and on ARM.
TELLING = ("avx", "fma", "f16c", "amx", "asimd", "bf16", "i8mm", "sve")
# What forbids instructions that the processor has, or says how many threads share a product.
VARIABLES = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_CBWR", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def description(environment: Mapping[str, str]) -> list[str]:
    """Lines for a person: processor, cores and threads, overrides that `environment` holds, versions."""
    flags = sorted(flag for flag in cpu.flags() if flag.startswith(TELLING))
    overrides = [f"{name}={environment[name]}" for name in VARIABLES if name in environment]
    releases = {"Python": platform.python_version(), **versions(), "deepspeed": _release("deepspeed")}
    return [
        f"processor: {cpu.model_name()}",
        f"instructions: {' '.join(flags) or 'not known on this system'}",
        f"cores: {cpu.usable_cores()} usable; {environment.get('OMP_NUM_THREADS', '1')} thread(s) a test process",
        f"overrides: {', '.join(overrides) or 'none'}",
        f"versions: {', '.join(f'{name} {release}' for name, release in releases.items())}",
    ]


def _release(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    print("\n".join(description(os.environ)), flush=True)
