"""Each engine that shards, alone on one device, against a run without any: the same losses.

    python -m benchmarks.gpu_engines                  # CUDA
    python -m benchmarks.gpu_engines --scale tiny     # FSDP2 on a CPU

One process cannot show a speed-up. It shows that the engine starts and trains on the device.
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
from PIL import Image

from benchmarks.gpu_result import Result
from benchmarks.train_step import Case
from smart_train.data import PairCollator
from smart_train.training import SmartTrainer, engines
from smart_train.types import Example, ModelInput

STEPS, BATCH = 4, 4
ENGINES = ("none", "zero2", "fsdp2")
WITHIN = 1e-3
LIMIT = 110


def rows() -> list[Example]:
    """Pages of noise, no two patches alike, and a query for each."""
    made = []
    for number in range(STEPS * BATCH):
        generator = torch.Generator().manual_seed(number)
        pixels = torch.randint(0, 256, (96, 96, 3), dtype=torch.uint8, generator=generator)
        page = ModelInput(None, (Image.fromarray(pixels.numpy()),))
        query = ModelInput(f"which page of them all shows the number {number}")
        made.append(Example(query, (page,), f"q{number}", (f"d{number}",), "noise", number))
    return made


def losses(engine: str, device: str, folder: Path) -> dict[int, float]:
    """Step -> loss of a LoRA run under `engine`, in this process."""
    values = {
        "output_dir": str(folder),
        "use_cpu": device == "cpu",
        "max_steps": STEPS,
        "per_device_train_batch_size": BATCH,
        "learning_rate": 1e-3,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "remove_unused_columns": False,
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "seed": 0,
    }
    torch.manual_seed(0)
    module = Case(pages=BATCH, pixels=96, chunk=2, lora=True).module("plain", "cpu").eval()
    for part in module.modules():  # no dropout: engines draw other random numbers
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    arguments = engines.arguments("auto" if engine == "none" else engine, values)
    trainer = SmartTrainer(module, arguments, examples=rows(), collator=PairCollator(module.model.family))
    trainer.train()
    return {record["step"]: record["loss"] for record in trainer.state.log_history if "loss" in record}


def in_a_process(engine: str, device: str, folder: Path) -> dict[str, float]:
    """`losses`, in a process of its own. Raises RuntimeError with the last line that it wrote."""
    environment = {**os.environ, "NVIDIA_TF32_OVERRIDE": "0"}
    if engine != "none":  # as a launcher starts one of its processes
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environment |= {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}
        environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    command = [sys.executable, "-m", "benchmarks.gpu_engines", "--one", engine, device, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT)
    print(done.stdout, done.stderr, sep="\n", flush=True)
    lines = (done.stderr if done.returncode else done.stdout).strip().splitlines() or ["it said nothing"]
    if done.returncode:
        raise RuntimeError(f"exit status {done.returncode}: {lines[-1]}")
    return json.loads(lines[-1])


def lacking(engine: str, device: str) -> str | None:
    """Why `engine` cannot run here, or None."""
    if engine != "zero2":
        return None
    if importlib.util.find_spec("deepspeed") is None:
        return "deepspeed is not installed; scripts/gpu_wheels.sh fetches it"
    if device == "cpu":
        return "the tests of the engines run it on CPUs"
    return None if shutil.which("ninja") else "DeepSpeed needs ninja on PATH"


def compare(result: Result, device: str, folder: Path) -> None:
    found: dict[str, dict[str, float]] = {}
    for engine in ENGINES:
        why = lacking(engine, device)
        if why is not None:
            result.skip(engine, why)
            continue
        with result.part(engine):
            found[engine] = in_a_process(engine, device, folder / engine)
            result["losses"] = found
            if "none" in found:
                apart = max(abs(loss - found["none"][step]) for step, loss in found[engine].items())
                if not apart <= WITHIN:
                    result.fail(engine, f"losses differ by {apart:.1e} from a run without it, more than {WITHIN:g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=("real", "tiny"), default="real")
    parser.add_argument("--json", type=Path, help="write the result there")
    parser.add_argument("--one", nargs=3, metavar=("ENGINE", "DEVICE", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        engine, device, folder = given.one
        print(json.dumps(losses(engine, device, Path(folder))))
        return
    result = Result(given.json)
    device = "cuda" if given.scale == "real" and torch.cuda.is_available() else "cpu"
    with tempfile.TemporaryDirectory() as folder:
        compare(result, device, Path(folder))
    print(json.dumps(result.values, indent=1))


if __name__ == "__main__":
    main()
