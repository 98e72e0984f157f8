"""The quickstart's first steps on a CPU and on CUDA, from the same weights and rows: losses side by side.

    python -m benchmarks.gpu_quickstart                  # 60 steps; needs a CUDA device
    python -m benchmarks.gpu_quickstart --scale tiny     # 2 small steps, twice on a CPU

Expect: the same first losses to a few 1e-6. Rounding then grows: a model drawn at random and trained at this rate
amplifies it. All in fp32; TF32 is off. The two runs share the machine, so their times are not a benchmark.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.gpu_result import Result

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "recipes" / "quickstart.yaml"
PREPARED = ROOT / "data" / "local-binding" / "built"
# Further apart than this, the first loss was computed from other weights, rows or formulas.
FIRST_WITHIN = 1e-3
SCALES = {
    "real": ["training.max_steps=60", "training.logging_steps=5"],
    "tiny": ["training.max_steps=2", "training.logging_steps=1", "training.per_device_train_batch_size=4"],
}


def overrides(device: str, output: Path, scale: str) -> list[str]:
    """The recipe's keys for this comparison: no evaluation, no checkpoint, no export."""
    return [
        f"training.output_dir={output}",
        f"training.use_cpu={str(device == 'cpu').lower()}",
        "training.disable_tqdm=true",
        "training.eval_strategy=no",
        "training.save_strategy=no",
        "evaluation.before=false",
        "evaluation.after=false",
        "export.enabled=false",
        *SCALES[scale],
    ]


def start(device: str, output: Path, scale: str) -> subprocess.Popen:
    """The quickstart on `device` in a process of its own, whose log is beside `output`."""
    command = [sys.executable, "-m", "smart_train", "train", str(RECIPE), *overrides(device, output, scale)]
    # cuBLAS and cuDNN read it; PyTorch's own default lets convolutions round to TF32.
    environment = {**os.environ, "NVIDIA_TF32_OVERRIDE": "0"}
    with output.with_suffix(".log").open("w", encoding="utf-8") as log:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)


def losses(run: Path) -> dict[int, float]:
    """Step -> loss, from the run's log."""
    lines = (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return {record["step"]: record["loss"] for record in map(json.loads, lines) if "loss" in record}


def side_by_side(result: Result, folder: Path) -> dict[str, dict[int, float]]:
    """Losses on the CPU and on CUDA, of two processes at once."""
    begun, found, seconds = time.monotonic(), {}, {}
    running = {device: start(device, folder / device, "real") for device in ("cpu", "cuda")}
    for device, process in reversed(running.items()):  # CUDA ends first
        status = process.wait()
        seconds[device] = time.monotonic() - begun
        print((folder / device).with_suffix(".log").read_text(encoding="utf-8"), flush=True)
        if status:
            result.fail(device, f"the run ended with exit status {status}; its output is in the log")
        else:
            found[device] = losses(folder / device)
    result["seconds"] = seconds
    return found


def twice_here(folder: Path) -> dict[str, dict[int, float]]:
    """Losses on the CPU, of two runs in this process."""
    from smart_train.recipe import load_recipe
    from smart_train.run import train

    return {
        name: losses(train(load_recipe(RECIPE, overrides("cpu", folder / name, "tiny")))) for name in ("cpu", "again")
    }


def compare(result: Result, scale: str, folder: Path) -> None:
    if not PREPARED.exists():  # before both ask for it
        made = [sys.executable, "data/local-binding/build.py", "--output", str(PREPARED)]
        subprocess.run(made, cwd=ROOT, check=True)
    found = side_by_side(result, folder) if scale == "real" else twice_here(folder)
    result["losses"] = found
    if len(found) < 2:
        return
    here, there = found.values()
    first = min(here)
    apart = abs(here[first] - there[first])
    result["largest difference"] = max(abs(here[step] - there[step]) for step in here)
    if not apart <= FIRST_WITHIN:
        result.fail(f"step {first}", f"losses differ by {apart:.1e}, more than {FIRST_WITHIN:g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=SCALES, default="real")
    parser.add_argument("--json", type=Path, help="write the result there")
    given = parser.parse_args()
    result = Result(given.json)
    with tempfile.TemporaryDirectory() as folder, result.part("quickstart"):
        compare(result, given.scale, Path(folder))
    print(json.dumps(result.values, indent=1))


if __name__ == "__main__":
    main()
