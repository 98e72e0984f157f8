"""The quickstart's first steps on a CPU and on CUDA, from the same weights and rows: losses side by side.

    python -m benchmarks.gpu_quickstart                  # 60 steps; needs a CUDA device
    python -m benchmarks.gpu_quickstart --scale tiny     # 4 small steps, on two CPUs

Expect: the same first losses to a few 1e-6. Rounding then grows: a model drawn at random and trained at this rate
amplifies it. All in fp32; TF32 is off. Both runs go side by side, so their times are no benchmark.
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
LIMIT = 300
SCALES = {
    "real": ("cuda", ["training.max_steps=60", "training.logging_steps=5"]),
    "tiny": ("cpu", ["training.max_steps=4", "training.logging_steps=2", "training.per_device_train_batch_size=4"]),
}


def start(device: str, output: Path, overrides: list[str]) -> subprocess.Popen:
    """The quickstart on `device`, without evaluation and export; its log is beside `output`."""
    command = [sys.executable, "-m", "smart_train", "train", str(RECIPE), f"training.output_dir={output}"]
    command += [f"training.use_cpu={str(device == 'cpu').lower()}", "training.disable_tqdm=true"]
    command += ["training.eval_strategy=no", "training.save_strategy=no", "evaluation.before=false"]
    command += ["evaluation.after=false", "export.enabled=false", *overrides]
    # cuBLAS and cuDNN read it; PyTorch's own default lets convolutions round to TF32.
    environment = {**os.environ, "NVIDIA_TF32_OVERRIDE": "0"}
    with output.with_suffix(".log").open("w", encoding="utf-8") as log:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)


def losses(run: Path) -> dict[int, float]:
    """Step -> loss, from the run's log."""
    lines = (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return {record["step"]: record["loss"] for record in map(json.loads, lines) if "loss" in record}


def compare(result: Result, scale: str, folder: Path) -> None:
    device, overrides = SCALES[scale]
    if not PREPARED.exists():  # before both ask for it
        made = [sys.executable, "data/local-binding/build.py", "--output", str(PREPARED)]
        subprocess.run(made, cwd=ROOT, check=True)
    outputs = {"cpu": folder / "reference", device: folder / "there"} if device != "cpu" else {}
    outputs = outputs or {"cpu": folder / "reference", "cpu, again": folder / "there"}
    begun = time.monotonic()
    running = {name: start(name.split(",")[0], output, overrides) for name, output in outputs.items()}
    seconds, found = {}, {}
    for name, process in sorted(running.items(), reverse=True):  # CUDA first: it ends first
        status = process.wait(LIMIT)
        seconds[name] = time.monotonic() - begun
        print(outputs[name].with_suffix(".log").read_text(encoding="utf-8"), flush=True)
        if status:
            result.fail(name, f"the run ended with exit status {status}; its output is in the log")
        else:
            found[name] = losses(outputs[name])
    result["losses"], result["seconds"] = found, seconds
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
