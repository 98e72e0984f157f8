"""What a machine has: its GPU, its driver, and which packages import. `benchmarks.gpu_check` starts it.

    python -m benchmarks.gpu_probe FILE.json

Each package is named on the console before it is imported, so that the last name tells which one ended the process.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
from pathlib import Path
from typing import Any

# Name of the package -> name of the module.
PACKAGES = {
    "torch": "torch",
    "triton": "triton",
    "transformers": "transformers",
    "accelerate": "accelerate",
    "peft": "peft",
    "datasets": "datasets",
    "pydantic": "pydantic",
    "pytrec-eval-terrier": "pytrec_eval",
    "smart_train": "smart_train.run.stages",
    "sentence-transformers": "sentence_transformers",
    "late-interaction-kernels": "late_interaction_kernels",
    "pypdfium2": "pypdfium2",
    "deepspeed": "deepspeed",
    "bitsandbytes": "bitsandbytes",
    "pytest": "pytest",
}


def package(name: str, module: str) -> dict[str, str]:
    """`version` of a package that imports, or `problem`."""
    print(name, flush=True)
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return {"problem": "not installed; scripts/gpu_wheels.sh fetches it"}
    try:
        importlib.import_module(module)
    except Exception as error:  # whatever a package raises at its import
        return {"problem": f"{version} does not import ({type(error).__name__}: {str(error).splitlines()[:1]})"}
    return {"version": version}


def device() -> dict[str, Any]:
    """`device`: name and memory of the GPU, and the driver; or `no device`: what PyTorch says of it."""
    print("the CUDA device", flush=True)
    import torch

    try:
        torch.cuda.init()
        free, total = torch.cuda.mem_get_info()
        # A product, because a driver may show a device that cannot compute.
        torch.ones(8, 8, device="cuda").mm(torch.ones(8, 8, device="cuda")).sum().item()
    except (RuntimeError, AssertionError) as error:
        return {"device": None, "no device": str(error).splitlines()[0].split(". ")[0]}
    properties = torch.cuda.get_device_properties(0)
    return {
        "device": {
            "name": properties.name,
            "GB": total / 1e9,
            "free GB": free / 1e9,
            "capability": list(torch.cuda.get_device_capability()),
            "processors": properties.multi_processor_count,
            "driver": _driver(),
            "cuda": torch.version.cuda,
        }
    }


def _driver() -> str:
    path = Path("/proc/driver/nvidia/version")
    words = path.read_text(encoding="utf-8").split() if path.is_file() else []
    return next((word for word in words if word[:1].isdigit() and word.count(".") >= 1), "unknown")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    given = parser.parse_args()
    found: dict[str, Any] = {"packages": {name: package(name, module) for name, module in PACKAGES.items()}}
    found |= device() if "version" in found["packages"]["torch"] else {"device": None, "no device": "no PyTorch"}
    given.file.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
