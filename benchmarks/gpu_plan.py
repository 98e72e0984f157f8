"""What `smart-train validate` says a run will need against what it took, the runs of `benchmarks.memory_plan`.

    python -m benchmarks.gpu_plan                  # CUDA; all ways of training, in one process
    python -m benchmarks.gpu_plan --scale tiny     # one way, on any CPU, where no peak is measured

`benchmarks.memory_plan` takes a process for each way, as a CPU needs; CUDA's allocator tells one peak from the next.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks import memory_plan
from benchmarks.gpu_result import Result
from smart_train.run import train

SMALL = "projection"


def measured(variant: str, folder: Path, device: str) -> dict[str, Any]:
    """Estimated bytes by part, and the peak of two steps; 0 where no allocator tells it."""
    recipe = memory_plan.recipe(variant, folder, device)
    recipe.training["output_dir"] = str(folder / variant.replace(" ", "-").replace(",", ""))
    parts = memory_plan.estimated(recipe)
    gc.collect()
    before = 0
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    train(recipe)
    took = torch.cuda.max_memory_allocated() - before if device == "cuda" else 0
    return {"estimated": parts, "peak": took}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=("real", "tiny"), default="real")
    parser.add_argument("--json", type=Path, help="write the result there")
    given = parser.parse_args()
    device = "cuda" if given.scale == "real" and torch.cuda.is_available() else "cpu"
    result = Result(given.json)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        memory_plan.write_rows(folder)
        for variant in memory_plan.VARIANTS if given.scale == "real" else (SMALL,):
            if variant.startswith("QLoRA") and importlib.util.find_spec("bitsandbytes") is None:
                result.skip(variant, "bitsandbytes is not installed; scripts/gpu_wheels.sh fetches it")
                continue
            with result.part(variant):
                found[variant] = measured(variant, folder, device)
                result["variants"] = found
    print(json.dumps(result.values, indent=1))


if __name__ == "__main__":
    main()
