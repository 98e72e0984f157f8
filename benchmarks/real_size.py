"""A training step at real size: a Qwen3-VL of 2B, random weights, pages of a thousand tokens, by LoRA and by QLoRA.

    python -m benchmarks.real_size                   # CUDA; a GPU of 24 GB or more
    python -m benchmarks.real_size --write           # the same, into docs/benchmarks.md
    python -m benchmarks.real_size --scale tiny      # the same road on any machine; its figures mean nothing

Weights are random because neither time nor memory depends on what they are. Model flops are those of the tokens that
are trained on, without what caching and checkpointing compute again: per token and frozen weight 2 forward and 2
backward (the gradient of the weight itself is not needed), per vision weight 2 forward, and attention's 4 * width per
pair of tokens, forward, and twice that backward. Utilisation divides them by time and by the GPU's peak
(--peak-tflops).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks._harness import DOCUMENT
from benchmarks.document import replace_section
from benchmarks.train_step import Case, on_device
from smart_train import ScoringConfig, SmartModel
from smart_train.losses import ContrastiveObjective
from smart_train.models.peft import add_lora
from smart_train.training import GradientCaching, TrainingModule

FOLDER = Path(__file__).parents[1] / "data" / "tiny-qwen3-vl"
# Dense bf16, TFLOP/s, from the makers' data sheets.
PEAKS = {"H100": 989.0, "H200": 989.0, "A100": 312.0, "L40S": 362.0, "RTX 4090": 165.0, "RTX 3090": 71.0}
SCALES: dict[str, dict[str, Any]] = {
    "2b": {
        "pixels": 1024,  # 1,024 visual tokens
        "overrides": {
            "text_config": {
                "hidden_size": 2048,
                "intermediate_size": 6144,
                "num_hidden_layers": 28,
                "num_attention_heads": 16,
                "num_key_value_heads": 8,
                "head_dim": 128,
                "vocab_size": 151936,
            },
            "vision_config": {
                "hidden_size": 1024,
                "intermediate_size": 4096,
                "depth": 24,
                "num_heads": 16,
                "out_hidden_size": 2048,
            },
        },
    },
    "tiny": {"pixels": 160, "overrides": {}},
}
VARIANTS = {"LoRA": None, "QLoRA, 4 bits": "4bit"}


def module(folder: Path, quantization: str | None, chunk: int, device: str) -> TrainingModule:
    model = SmartModel.from_pretrained(
        folder, dtype="bfloat16" if device == "cuda" else "float32", device=device, quantization=quantization
    )
    model.backbone = add_lora(model.backbone, model.family, r=128, alpha=256, dropout=0.05)
    temperatures = dict.fromkeys(("pooled", "late"), 0.05)
    objective = ContrastiveObjective("joint", scoring=ScoringConfig(), temperatures=temperatures)
    made = TrainingModule(model, objective, caching=GradientCaching(mini_batch_size=chunk)).to(device).train()
    made.activation_checkpointing_enable()
    return made


def model_flops(made: TrainingModule, batch: dict[str, Any]) -> float:
    """Of one step, as the head of this file counts them."""
    model = made.model
    text = model.config.get_text_config()
    weights = {"text": 0, "vision": 0}
    for name, part in model.backbone.named_modules():
        if isinstance(part, nn.Linear) and not any(key in name for key in ("lora_", "embed")):
            side = "vision" if model.family.is_vision(name) else "text"
            # A 4-bit weight is packed two to a byte; the layer's own numbers are what is multiplied.
            weights[side] += part.in_features * part.out_features
    total = 0.0
    for side in ("query", "document"):
        lengths = batch[side]["attention_mask"].sum(dim=1).double()
        width = text.num_attention_heads * getattr(text, "head_dim", text.hidden_size // text.num_attention_heads)
        attention = 12 * width * text.num_hidden_layers * (lengths**2).sum().item()
        total += 4 * weights["text"] * lengths.sum().item() + attention
        if "image_grid_thw" in batch[side]:
            total += 2 * weights["vision"] * batch[side]["image_grid_thw"].prod(dim=1).sum().item()
    return total


def measure(variant: str, folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Seconds of a step (median), peak bytes and model flops; one process, after one step that is not counted."""
    made = module(folder, VARIANTS[variant], options.chunk, options.device)
    case = Case(options.pages, SCALES[options.scale]["pixels"], options.chunk)
    batch = on_device(case.batch(made.model), options.device)
    optimiser = torch.optim.AdamW([part for part in made.parameters() if part.requires_grad], lr=1e-4)
    seconds = []
    for _ in range(options.steps + 1):
        start = time.perf_counter()
        with torch.autocast(options.device, torch.bfloat16, enabled=options.device == "cuda"):
            loss = made(batch).total
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        if options.device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated() if options.device == "cuda" else 0
    tokens = batch["document"]["attention_mask"].sum(dim=1).double().mean().item()
    return {
        "seconds": sorted(seconds[1:])[options.steps // 2],
        "peak": peak,
        "flops": model_flops(made, batch),
        "tokens": tokens,
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=SCALES, default="2b")
    parser.add_argument("--pages", type=int, default=64, help="candidates per query (default 64)")
    parser.add_argument("--chunk", type=int, default=8, help="pages encoded at a time (default 8)")
    parser.add_argument("--steps", type=int, default=3, help="measured steps (default 3); one before is not counted")
    parser.add_argument("--peak-tflops", type=float, help="dense bf16 peak of the GPU; known for some")
    parser.add_argument("--write", action="store_true", help="write the table into docs/benchmarks.md")
    parser.add_argument("--one", nargs=2, metavar=("VARIANT", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.device = "cuda" if torch.cuda.is_available() else "cpu"
    if options.device == "cpu" and (options.scale == "2b" or options.write):
        raise SystemExit("a model of 2B in bf16 needs a CUDA device, and none is seen; --scale tiny shows the road")
    return options


def main() -> None:
    options = parse()
    if options.one:
        print(json.dumps(measure(options.one[0], Path(options.one[1]), options)))
        return
    name = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    ceiling = options.peak_tflops or next((value for key, value in PEAKS.items() if key in name), None)
    columns = ("training", "tokens a page", "s a step", "pages a second", "peak memory", "model-flops utilisation")
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    with tempfile.TemporaryDirectory() as folder:
        SmartModel.from_config(FOLDER, overrides=SCALES[options.scale]["overrides"]).save_pretrained(folder)
        for variant in VARIANTS:
            # A process each: what one leaves on the GPU would count for the next.
            command = [sys.executable, "-m", "benchmarks.real_size", "--one", variant, folder, "--scale", options.scale]
            command += ["--pages", str(options.pages), "--chunk", str(options.chunk), "--steps", str(options.steps)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found = json.loads(done.stdout.splitlines()[-1])
            share = found["flops"] / found["seconds"] / (ceiling * 1e12) if ceiling else None
            cells = [
                variant,
                f"{found['tokens']:.0f}",
                f"{found['seconds']:.2f}",
                f"{options.pages / found['seconds']:.1f}",
                f"{found['peak'] / 1e9:.1f} GB" if found["peak"] else "not measured",
                f"{share:.0%}" if share is not None else "peak unknown",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    head = [
        "## A training step at real size",
        "",
        f"`python -m benchmarks.real_size --scale {options.scale} --pages {options.pages} --chunk {options.chunk} "
        f"--steps {options.steps} --write` on {name}, torch {torch.__version__}: {options.pages} candidates, "
        f"{options.chunk} encoded at a time, checkpointed.",
        "",
    ]
    print("\n".join([*head, *lines]))
    if options.write:
        replace_section(DOCUMENT, "real_size", [*head, *lines, ""])


if __name__ == "__main__":
    main()
