"""Each engine that shards, alone on one device, against a run without any: the same losses.

    python -m benchmarks.gpu_engines                  # CUDA
    python -m benchmarks.gpu_engines --scale tiny     # FSDP2 on a CPU

One process cannot show a speed-up. It shows that the engine starts, trains and saves on the device.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from benchmarks.gpu_quickstart import PREPARED, RECIPE, ROOT, losses
from benchmarks.gpu_result import Result

STEPS = 4
LORA = ["full=null", "lora.r=8", "lora.alpha=16"]
ENGINES = {
    "none": [],
    "zero2": ["distributed.strategy=zero2"],
    "fsdp2": ["distributed.strategy=fsdp2"],
}
WITHIN = 1e-3
LIMIT = 100


def run(engine: str, device: str, output: Path) -> dict[int, float]:
    """Losses of some steps of the quickstart by LoRA under `engine`, one process."""
    command = [sys.executable, "-m", "smart_train", "train", str(RECIPE), f"training.output_dir={output}"]
    command += [f"training.use_cpu={str(device == 'cpu').lower()}", f"training.max_steps={STEPS}"]
    command += ["training.logging_steps=1", "training.eval_strategy=no", "training.save_strategy=steps"]
    command += [f"training.save_steps={STEPS}", "training.per_device_train_batch_size=8", "evaluation.before=false"]
    command += ["evaluation.after=false", "export.enabled=false", "training.disable_tqdm=true", *LORA, *ENGINES[engine]]
    environment = {**os.environ, "NVIDIA_TF32_OVERRIDE": "0"}
    if engine != "none":  # what a launcher sets
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environment |= {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}
        environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT
    )
    print(done.stdout, done.stderr, sep="\n", flush=True)
    if done.returncode:
        last = next(reversed((done.stderr or done.stdout).strip().splitlines()), "it said nothing")
        raise RuntimeError(f"exit status {done.returncode}: {last}")
    return losses(output)


def lacking(engine: str, device: str) -> str | None:
    """Why `engine` cannot run here, or None."""
    if engine != "zero2":
        return None
    if importlib.util.find_spec("deepspeed") is None:
        return "deepspeed is not installed; scripts/gpu_wheels.sh fetches it"
    if device == "cpu":  # a minute of compiling, which the tests of the engines do
        return "left out on a CPU"
    return None if shutil.which("ninja") else "DeepSpeed needs ninja on PATH"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=("real", "tiny"), default="real")
    parser.add_argument("--json", type=Path, help="write the result there")
    given = parser.parse_args()
    result = Result(given.json)
    device = "cuda" if given.scale == "real" and torch.cuda.is_available() else "cpu"
    if not PREPARED.exists():
        subprocess.run([sys.executable, "data/local-binding/build.py", "--output", str(PREPARED)], cwd=ROOT, check=True)
    found: dict[str, dict[int, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for engine in ENGINES:
            why = lacking(engine, device)
            if why is not None:
                result.skip(engine, why)
                continue
            with result.part(engine):
                found[engine] = run(engine, device, Path(folder) / engine)
                result["losses"] = found
                if "none" in found:
                    apart = max(abs(loss - found["none"][step]) for step, loss in found[engine].items())
                    if apart > WITHIN:
                        result.fail(engine, f"losses differ by {apart:.1e} from a run without it, more than {WITHIN:g}")
    print(json.dumps(result.values, indent=1))


if __name__ == "__main__":
    main()
