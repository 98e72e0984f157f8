"""Candidates against memory: recipes/quickstart_paper.yaml trained on growing batches, plain and with gradient caching.

Run:     python -m benchmarks.candidates_memory [--batches 16 32 64 128 256] [--chunk 16] [--steps 3]
Needs:   2 CPU cores, 6 GB of memory, no network; about six minutes.
Expect:  the table between the markers of docs/memory.md and docs/img/candidates_memory.png, rewritten; a cached batch
         of 256 within 1.5 GB of the plain batch of 16.

Every point is a whole `smart-train train` in a fresh process: data check, loader, optimiser and all. Its memory is the
highest resident size the kernel saw of that process; and, sampled, that of the process with its loader's workers, each
shared page once and the libraries' pages as the process maps them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks._harness import FIXED
from benchmarks.document import replace_section

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "memory.md"
PLOT = ROOT / "docs" / "img" / "candidates_memory.png"
BOUND = 1.5  # GB that the largest cached batch may need above the smallest plain one
GB = 1e9
# Training alone, one line a step; pages checked once are enough for every batch.
FIXED_KEYS = (
    "evaluation.before=false",
    "evaluation.during=false",
    "evaluation.after=false",
    "training.eval_strategy=no",
    "training.save_strategy=no",
    "export.enabled=false",
    "training.logging_steps=1",
    "training.disable_tqdm=true",
)


@dataclass(frozen=True)
class Point:
    """Highest memory of one run, bytes: of the training process, and with its workers."""

    process: int
    together: int


def measure(batch: int, chunk: int | None, steps: int, folder: Path) -> Point:
    """A run of `steps` steps on batches of `batch`, encoded `chunk` at a time (None: plain)."""
    command = [sys.executable, "-m", "smart_train", "train", "recipes/quickstart_paper.yaml", *FIXED_KEYS]
    command += [f"training.per_device_train_batch_size={batch}", f"training.max_steps={steps}"]
    command += [f"data.train.max_samples={batch * steps}", f"training.output_dir={folder / f'{batch}-{chunk}'}"]
    if chunk is not None:
        command += [f"gradient_caching.mini_batch_size={chunk}"]
    environment = {**os.environ, **FIXED, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with (folder / f"{batch}-{chunk}.log").open("w+") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
        highest = [0]
        ended = threading.Event()
        watch = threading.Thread(target=_watch, args=(process.pid, highest, ended))
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        ended.set()
        watch.join()
        if process.returncode:
            log.seek(0)
            raise SystemExit(f"{' '.join(command[1:])} ended with {process.returncode}:\n{log.read()[-2000:]}")
    return Point(usage.ru_maxrss * 1024, max(highest[0], usage.ru_maxrss * 1024))


def _watch(root: int, highest: list[int], ended: threading.Event) -> None:
    """Keeps in `highest` the most that `root` and its descendants held together."""
    while not ended.wait(0.05):
        files = _field(f"/proc/{root}/status", "RssFile")
        own = (
            _field(f"/proc/{process}/smaps_rollup", kind)
            for process in _family(root)
            for kind in ("Pss_Anon", "Pss_Shmem")
        )
        highest[0] = max(highest[0], files + sum(own))


def _family(root: int) -> list[int]:
    """`root` and its descendants, as far as they still live."""
    found, todo = [], [root]
    while todo:
        process = todo.pop()
        found.append(process)
        for children in Path(f"/proc/{process}/task").glob("*/children"):
            try:
                todo += [int(child) for child in children.read_text(encoding="utf-8").split()]
            except OSError:  # the thread ended meanwhile
                continue
    return found


def _field(path: str, name: str) -> int:
    """Bytes that a line of a /proc file states, 0 when the process has ended meanwhile."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), 0)


def table(batches: list[int], chunk: int, found: dict[tuple[int, int | None], Point]) -> list[str]:
    """Markdown rows and the bound's verdict."""
    least = found[batches[0], None]
    lines = [
        f"| candidates per query | plain | with its loader | {chunk} at a time | with its loader |",
        "|---|---|---|---|---|",
    ]
    for batch in batches:
        plain, cached = found[batch, None], found[batch, chunk]
        cells = (plain.process, plain.together, cached.process, cached.together)
        lines.append(f"| {batch} | {' | '.join(f'{cell / GB:.2f} GB' for cell in cells)} |")
    most = found[batches[-1], chunk]
    above = (most.process - least.process) / GB, (most.together - least.together) / GB
    kept = "met" if max(above) <= BOUND else "MISSED"
    return [
        *lines,
        "",
        f"{batches[-1]} candidates encoded {chunk} at a time need {above[0]:.2f} GB more than {batches[0]} plain "
        f"({above[1]:.2f} GB with the loader); the bound of {BOUND} GB is {kept}.",
    ]


def plot(batches: list[int], chunk: int, found: dict[tuple[int, int | None], Point]) -> None:
    """Both curves into docs/img."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 3.8), layout="constrained")
    for name, used, marker in (("plain", None, "o"), (f"gradient caching, {chunk} at a time", chunk, "s")):
        axes.plot(batches, [found[batch, used].process / GB for batch in batches], marker=marker, label=name)
    axes.set_xscale("log", base=2)
    axes.set_xticks(batches, [str(batch) for batch in batches])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("candidates per query (= batch)")
    axes.set_ylabel("peak memory of the process, GB")
    axes.set_title("recipes/quickstart_paper.yaml on a CPU")
    axes.grid(alpha=0.3)
    axes.legend()
    PLOT.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PLOT, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 32, 64, 128, 256])
    parser.add_argument("--chunk", type=int, default=16, help="inputs encoded at a time")
    parser.add_argument("--steps", type=int, default=3, help="optimiser steps of every run")
    given = parser.parse_args()
    batches = sorted(given.batches)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for batch in batches:
            for chunk in (None, given.chunk):
                point = found[batch, chunk] = measure(batch, chunk, given.steps, Path(folder))
                way = "plain" if chunk is None else f"{chunk} at a time"
                print(f"{batch} {way}: {point.process / GB:.2f} GB, {point.together / GB:.2f} GB together", flush=True)
    lines = table(batches, given.chunk, found)
    print("\n".join(lines))
    replace_section(PAGE, "candidates_memory", [_heading(given), "", *lines])
    plot(batches, given.chunk, found)


def _heading(given: argparse.Namespace) -> str:
    batches = " ".join(map(str, sorted(given.batches)))
    command = f"python -m benchmarks.candidates_memory --batches {batches} --chunk {given.chunk} --steps {given.steps}"
    return f"`{command}`, on a CPU, {', '.join(f'{name} {version(name)}' for name in ('torch', 'transformers'))}."


if __name__ == "__main__":
    main()
