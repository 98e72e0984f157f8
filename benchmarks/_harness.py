"""What the benchmarks share: a fixed environment, paired timing, peak memory in a process of its own, tables.

Ratios, not seconds: within a round every variant runs once, and a ratio is taken inside its round, so that whatever
else the machine does falls on all variants alike. On CPU with one thread the clock is the process's CPU time, which
other programs hardly move; with more threads, and on CUDA, it is wall time.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.document import replace_section
from smart_train.scoring import arithmetic
from smart_train.utils import cpu

DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"
# Without huge pages the first touch of fresh memory costs more than much of what is measured here.
FIXED = {"THP_MEM_ALLOC_ENABLE": "1", "TOKENIZERS_PARALLELISM": "false"}
VERSIONS = ("torch", "sentence-transformers", "mteb", "colpali-engine", "late-interaction-kernels")
LIMITS = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA")  # of what the libraries may use of a processor
NARROW = {"bf16": torch.bfloat16, "fp16": torch.float16, "int8": torch.int8}


def arguments(description: str) -> argparse.Namespace:
    """The command line of a benchmark; starts the process anew when its environment is not the fixed one."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=("cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1: CPU time is measured)")
    parser.add_argument("--rounds", type=int, default=5, help="how often every variant runs (default 5)")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/benchmarks.md")
    parser.add_argument("--peak", nargs=2, metavar=("CASE", "VARIANT"), help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    wanted = {**FIXED, "OMP_NUM_THREADS": str(parsed.threads)}
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.environ.update(wanted)
        os.execv(sys.executable, [sys.executable, "-m", sys.modules["__main__"].__spec__.name, *sys.argv[1:]])
    return parsed


def interleaved(
    variants: Mapping[str, Callable[[], object]], rounds: int, device: str, threads: int
) -> dict[str, list[float]]:
    """Seconds of every variant in every round, after one unmeasured round."""
    clock = time.process_time if device == "cpu" and threads == 1 else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for attempt in range(rounds + 1):
        for name, run in variants.items():
            gc.collect()
            _wait(device)
            start = clock()
            run()
            _wait(device)
            if attempt:
                seconds[name].append(clock() - start)
    return seconds


def ratio(seconds: Mapping[str, Sequence[float]], name: str, base: str) -> float:
    """Median over rounds of `name`'s time over `base`'s."""
    return statistics.median(a / b for a, b in zip(seconds[name], seconds[base], strict=True))


def print_peak(run: Callable[[], object], device: str) -> None:
    """Prints the bytes that `run` needed at its peak beyond what was held before, for `peak` in the parent."""
    gc.collect()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        _wait(device)
        used = torch.cuda.max_memory_allocated() - before
    else:
        ctypes.CDLL(None).malloc_trim(0)  # memory that was freed but kept would serve the run unseen
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # resets the high-water mark
        before = _status("VmRSS")
        run()
        used = _status("VmHWM") - before
    print(json.dumps({"peak": used}))


def peak(case: str, variant: str, device: str, threads: int) -> int:
    """`print_peak` of one variant, measured by this benchmark in a process of its own."""
    command = [sys.executable, "-m", sys.modules["__main__"].__spec__.name, "--device", device]
    done = subprocess.run(
        [*command, "--threads", str(threads), "--peak", case, variant], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])["peak"]


def device_kind(device: str) -> str:
    """Machines whose figures can be compared: "cuda", or "cpu" with the narrow dtypes that the processor multiplies."""
    if device == "cuda":
        return device
    native = [name for name, dtype in NARROW.items() if not arithmetic(dtype, device).widened]
    return f"cpu with {', '.join(native)}" if native else "cpu without narrow products"


class Report:
    """Tables shown on the console and, with --write, put into docs/benchmarks.md under the machine they came from.

    Each kind of device has a section of its own, because a ratio of one says nothing about another.
    """

    def __init__(self, name: str, title: str, options: argparse.Namespace) -> None:
        self.name, self.options = name, options
        flags = " --device cuda" if options.device == "cuda" else f" --threads {options.threads}"
        self.lines = [
            f"## {title} ({device_kind(options.device)})",
            "",
            f"`python -m benchmarks.{name}{flags} --rounds {options.rounds} --write` on {_machine(options)}.",
            "",
            *(f"- {name}: {_arithmetic(dtype, options.device)}" for name, dtype in NARROW.items()),
            "",
        ]
        Console().print("\n".join(self.lines[2:]), highlight=False)

    def text(self, *lines: str) -> None:
        Console().print("\n".join(lines), highlight=False)
        self.lines += [*lines, ""]

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        shown = Table(title=title, title_justify="left")
        for place, column in enumerate(columns):
            shown.add_column(column, justify="left" if place == 0 else "right")
        for row in rows:
            shown.add_row(*row)
        Console().print(shown)
        self.lines += [f"**{title}**", "", f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
        self.lines += [f"| {' | '.join(row)} |" for row in rows]
        self.lines.append("")

    def finish(self) -> None:
        if self.options.write:
            replace_section(DOCUMENT, f"{self.name} {device_kind(self.options.device)}", self.lines)


def verdict(value: float, bound: float, *, at_least: bool = False) -> str:
    """The value and whether it keeps the bound, as a table cell."""
    kept = value >= bound if at_least else value <= bound
    return f"{value:.2f} ({'met' if kept else 'MISSED'}: {'>=' if at_least else '<='} {bound:.3g})"


def importable(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def _arithmetic(dtype: torch.dtype, device: str) -> str:
    made = arithmetic(dtype, device)
    return f"{made.choice} ({made.reason})"


def _machine(options: argparse.Namespace) -> str:
    if options.device == "cuda":
        model = torch.cuda.get_device_name()
    else:
        units = sorted(name for name in cpu.flags() if name.startswith(("avx", "amx", "fma", "f16c")))
        limits = [f"{name}={os.environ[name]}" for name in LIMITS if name in os.environ]
        threads = f"{options.threads} thread{'s' if options.threads > 1 else ''}"
        model = ", ".join([f"{cpu.model_name()} ({', '.join(units)})", *limits, threads])
    installed = []
    for package in VERSIONS:
        try:
            installed.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return f"{model}, Python {platform.python_version()}, {', '.join(installed)}"
