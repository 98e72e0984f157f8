"""One training step, forward and backward: plain, with gradient caching, with activation checkpointing, with both.

    python -m benchmarks.train_step            # CPU: about five minutes; CUDA where there is one
    python -m benchmarks.train_step --write    # the same, into docs/benchmarks.md

Expect: caching costs one forward more (a third where the backward costs two, half where it costs one, as with LoRA) and
holds one chunk's activations; the rest is embeddings and gradients. A frozen vision tower runs once, as its outputs are
kept; "tower twice" is the step without that. With activation checkpointing a step is three
forwards and a backward. Times are multiples of the plain step; memory is the peak above model and batch, a process per
variant.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from benchmarks._harness import Report, arguments, interleaved, peak, print_peak, ratio
from smart_train import ScoringConfig, SmartModel
from smart_train.data import PairCollator
from smart_train.losses import ContrastiveObjective
from smart_train.models.peft import add_lora
from smart_train.training import GradientCaching, TrainingModule
from smart_train.types import Example, ModelInput

FOLDER = Path(__file__).parents[1] / "data" / "tiny-qwen3-vl"
CHECKPOINTED = ", activations checkpointed"
TWICE = ", tower twice"
VARIANTS = ("plain", "cached", f"cached{TWICE}", f"plain{CHECKPOINTED}", f"cached{CHECKPOINTED}")


@dataclass(frozen=True)
class Case:
    """A batch of pages and the model that trains on it, all weights or by LoRA."""

    pages: int
    pixels: int
    chunk: int
    lora: bool = False
    overrides: dict[str, Any] = field(default_factory=dict)

    def batch(self, model: SmartModel) -> dict[str, Any]:
        """Noise pages and ten-word queries."""
        generator = torch.Generator().manual_seed(0)
        rows = []
        for row in range(self.pages):
            pixels = torch.randint(0, 256, (self.pixels, self.pixels, 3), dtype=torch.uint8, generator=generator)
            page = ModelInput(None, (Image.fromarray(pixels.numpy()),))
            query = ModelInput(f"which page of the ten shows the number {row}")
            rows.append(Example(query, (page,), f"q{row}", (f"d{row}",), "noise", row))
        return PairCollator(model.family)(rows)

    def module(self, variant: str, device: str) -> TrainingModule:
        model = SmartModel.from_config(FOLDER, init_std=0.05, overrides=self.overrides)
        if self.lora:
            model.backbone = add_lora(model.backbone, model.family, r=16, alpha=32, dropout=0.05)
        temperatures = dict.fromkeys(("pooled", "late"), 0.05)
        objective = ContrastiveObjective("joint", scoring=ScoringConfig(), temperatures=temperatures)
        keep = "off" if variant.endswith(TWICE) else "auto"
        caching = GradientCaching(self.chunk, keep_vision=keep) if variant.startswith("cached") else None
        module = TrainingModule(model, objective, caching=caching).to(device).train()
        if variant.endswith(CHECKPOINTED):
            module.activation_checkpointing_enable()
        return module


def layers(count: int, hidden: int, *, tower: bool = False) -> dict[str, Any]:
    """A deeper and wider language model than the folder's, on the same vision tower, or on one of about the same work:
    half as wide, with four patches for each visual token. In Qwen3-VL-2B the tower is 59 % of a page's forward."""
    text = {"num_hidden_layers": count, "hidden_size": hidden, "intermediate_size": 3 * hidden}
    vision = {"depth": count, "hidden_size": hidden // 2, "intermediate_size": 2 * hidden, "num_heads": 4}
    return {"text_config": text, "vision_config": {"out_hidden_size": hidden, **(vision if tower else {})}}


CASES = {
    "cpu": {
        "all weights, 2 layers of 96": Case(pages=64, pixels=160, chunk=16),
        "LoRA, 6 layers of 256": Case(pages=32, pixels=256, chunk=8, lora=True, overrides=layers(6, 256)),
        "LoRA, 4 layers of 256 and a tower of as much work": Case(
            pages=32, pixels=256, chunk=8, lora=True, overrides=layers(4, 256, tower=True)
        ),
    },
    "cuda": {
        "LoRA, 16 layers of 1024": Case(pages=64, pixels=768, chunk=8, lora=True, overrides=layers(16, 1024)),
    },
}


def on_device(batch: dict[str, Any], device: str) -> dict[str, Any]:
    """The batch as the Trainer hands it to a plain step; a cached one takes it either way."""
    moved = {}
    for name, value in batch.items():
        if isinstance(value, dict):
            value = {key: tensor.to(device) for key, tensor in value.items()}
        moved[name] = value.to(device) if isinstance(value, torch.Tensor) else value
    return moved


def step(module: TrainingModule, batch: dict[str, Any]) -> None:
    module.zero_grad()
    module(batch).total.backward()


def measure_peak(case: Case, variant: str, device: str) -> None:
    """Prints one variant's peak; a step on two pages before loads what the first step loads."""
    module = case.module(variant, device)
    small = Case(2, case.pixels, case.chunk, case.lora, case.overrides)
    step(module, on_device(small.batch(module.model), device))
    module.zero_grad()
    batch = on_device(case.batch(module.model), device)
    print_peak(lambda: step(module, batch), device)


def main() -> None:
    options = arguments(__doc__ or "")
    torch.set_num_threads(options.threads)
    cases = CASES[options.device]
    if options.peak:
        name, variant = options.peak
        measure_peak(cases[name], variant, options.device)
        return
    report = Report("train_step", "Training step with gradient caching", options)
    for name, case in cases.items():
        modules = {variant: case.module(variant, options.device) for variant in VARIANTS}
        batch = on_device(case.batch(modules["plain"].model), options.device)
        runs = {variant: partial(step, module, batch) for variant, module in modules.items()}
        seconds = interleaved(runs, options.rounds, options.device, options.threads)
        peaks = {variant: peak(name, variant, options.device, options.threads) for variant in VARIANTS}
        tokens = batch["document"]["attention_mask"].sum(dim=1).float().mean().item()
        report.table(
            f"{name}: {case.pages} pages of {tokens:.0f} tokens, chunks of {case.chunk}",
            ["step", "time / plain", "peak memory", "memory / plain"],
            [
                [
                    variant,
                    f"{ratio(seconds, variant, 'plain'):.2f}",
                    f"{peaks[variant] / 2**20:.0f} MB",
                    f"{peaks[variant] / peaks['plain']:.2f}",
                ]
                for variant in VARIANTS
            ],
        )
    report.finish()


if __name__ == "__main__":
    main()
