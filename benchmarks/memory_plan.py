"""What `smart-train validate` says a run will need against what the run then took.

    python -m benchmarks.memory_plan            # CPU: about five minutes; CUDA where there is one
    python -m benchmarks.memory_plan --write    # the same, into docs/benchmarks.md

Every row is two steps of a whole run (data, loader, optimiser and all) in a process of its own: a Qwen3-VL of eight
layers, 512 wide, on pages of 448 x 448 pixels. Measured is the peak above the loaded libraries.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from benchmarks._harness import Report, arguments, peak, print_peak
from smart_train.recipe import Recipe, parse_recipe
from smart_train.recipe.reader import merge
from smart_train.run import build, memory_estimate, train
from smart_train.run.plan import make_plan

FOLDER = Path(__file__).parents[1] / "data" / "tiny-qwen3-vl"
ROWS, BATCH, PIXELS, STEPS = 16, 8, 448, 2
LORA = {"lora": {"r": 16, "alpha": 32}}
VARIANTS: dict[str, dict[str, Any]] = {
    "all weights": {"full": {"freeze_vision": False}},
    "all weights, vision frozen": {"full": {}},
    "LoRA": LORA,
    "LoRA, gradient caching, 2 at a time": {**LORA, "gradient_caching": {"mini_batch_size": 2}},
    "LoRA, activation checkpointing": {**LORA, "training": {"gradient_checkpointing": True}},
    "QLoRA, 4 bits": {**LORA, "model": {"quantization": "4bit"}},
    "projection": {"projection": {"dim": 128}},
}


def recipe(variant: str, folder: Path, device: str) -> Recipe:
    values = {
        "model": {
            "name_or_path": str(FOLDER),
            "from_config": {
                "overrides": {
                    "text_config": {
                        "hidden_size": 512,
                        "intermediate_size": 1536,
                        "num_hidden_layers": 8,
                        "num_attention_heads": 8,
                        "num_key_value_heads": 4,
                        "head_dim": 64,
                    },
                    "vision_config": {"hidden_size": 256, "intermediate_size": 1024, "depth": 4, "num_heads": 4}
                    | {"out_hidden_size": 512},
                }
            },
            "max_pixels": PIXELS * PIXELS,
        },
        "data": {"train": {"path": str(folder / "rows.jsonl")}},
        "evaluation": {"before": False, "after": False},
        "export": {"enabled": False},
        "training": {
            "output_dir": str(folder / "run"),
            "use_cpu": device == "cpu",
            "per_device_train_batch_size": BATCH,
            "max_steps": STEPS,
            "save_strategy": "no",
            "dataloader_num_workers": 0,
            "dataloader_pin_memory": False,
            "disable_tqdm": True,
        },
    }
    return parse_recipe(merge(values, VARIANTS[variant]))


def write_rows(folder: Path) -> None:
    """Pages of one colour each, with a query of some words."""
    rows = []
    for row in range(ROWS):
        Image.new("RGB", (PIXELS, PIXELS), (16 * row, 255 - 16 * row, 99)).save(folder / f"{row}.png")
        rows.append({"query": f"which page of the ten shows the number {row}", "positive": f"{row}.png"})
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def estimated(chosen: Recipe) -> dict[str, float]:
    """The parts of the estimate, bytes."""
    model = build.skeleton(chosen, FOLDER)
    examples, _ = build.usable_rows(chosen, "train")
    sides = {"query": [row.query for row in examples], "document": [row.documents[0] for row in examples]}
    loads = {
        side: memory_estimate.BatchSide.of(model.family.featurize(inputs, side), BATCH, model.family)
        for side, inputs in sides.items()
    }
    return memory_estimate.estimate(chosen, model, loads, 1)


def main() -> None:
    options = arguments(__doc__ or "")
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder)
        if options.peak:
            chosen = recipe(options.peak[1], folder, options.device)
            make_plan(chosen)  # loads the libraries that a run loads
            print_peak(lambda: train(chosen), options.device)
            return
        rows = []
        for variant in VARIANTS:
            parts = estimated(recipe(variant, folder, options.device))
            took = peak("run", variant, options.device, options.threads)
            largest = sorted(parts.items(), key=lambda part: -part[1])[:2]
            detail = ", ".join(f"{name} {_mb(size)}" for name, size in largest)
            whole = sum(parts.values())
            rows.append([variant, _mb(whole), detail, _mb(took), f"{whole / took:.2f}"])
    report = Report("memory_plan", "Memory: estimated and measured", options)
    report.table(
        f"Two steps of {BATCH} pages, {PIXELS} x {PIXELS} pixels, fp32",
        ["training", "estimated", "most of it", "measured", "estimated / measured"],
        rows,
    )
    report.finish()


def _mb(count: float) -> str:
    return f"{count / 1e6:.0f} MB"


if __name__ == "__main__":
    main()
