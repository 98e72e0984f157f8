"""A training step at real size: a Qwen3-VL of 2B or 8B, random weights, pages of a thousand tokens.

    python -m benchmarks.real_size                   # CUDA, 2B; a GPU of 24 GB or more
    python -m benchmarks.real_size --scale 8b        # a GPU of 60 GB or more
    python -m benchmarks.real_size --write           # the same, into docs/benchmarks.md
    python -m benchmarks.real_size --scale tiny      # the same road on any machine; its figures mean nothing

Weights are random because neither time nor memory depends on what they are. Model flops are those of the tokens that
are trained on, without what caching and checkpointing compute again: per token and frozen weight 2 forward and, where a
gradient passes through, 2 backward (that of the weight itself is not needed), per vision weight 2 forward, and
attention's 4 * width per pair of tokens, forward, and twice that backward. Utilisation divides them by time and by the
GPU's peak (--peak-tflops).

Shares of a step: `vision` and `language` are what those parts take in forward passes, also in those that gradient
caching runs again; `score` the rest of the forward: pooling, projection, late interaction and loss; `backward` what the
backward takes beyond forwards of its own; `waiting` what a step waits for its batch, with --workers beside it.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from benchmarks._harness import DOCUMENT
from benchmarks.clock import Clock
from benchmarks.document import replace_section
from benchmarks.gpu_result import Result
from benchmarks.loader import draw
from benchmarks.train_step import on_device
from smart_train import ScoringConfig, SmartModel
from smart_train.data import PairCollator
from smart_train.losses import ContrastiveObjective
from smart_train.models import TokenProjection
from smart_train.models.peft import add_lora
from smart_train.recipe import parse_recipe
from smart_train.run import memory_estimate
from smart_train.training import GradientCaching, TrainingModule
from smart_train.types import Example, ModelInput

FOLDER = Path(__file__).parents[1] / "data" / "tiny-qwen3-vl"
# Dense bf16, TFLOP/s, from the makers' data sheets.
PEAKS = {"H100": 989.0, "H200": 989.0, "A100": 312.0, "L40S": 362.0, "RTX 4090": 165.0, "RTX 3090": 71.0}


def _size(text: tuple[int, ...], vision: tuple[int, ...], deepstack: list[int]) -> dict[str, Any]:
    hidden, inner, layers, heads = text
    width, wide, depth = vision
    return {
        "text_config": {
            "hidden_size": hidden,
            "intermediate_size": inner,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "vocab_size": 151936,
        },
        "vision_config": {
            "hidden_size": width,
            "intermediate_size": wide,
            "depth": depth,
            "num_heads": 16,
            "out_hidden_size": hidden,
            "deepstack_visual_indexes": deepstack,
        },
    }


# pixels: 1,024 x 1,024 are 1,024 visual tokens. The published models' own shapes.
SCALES: dict[str, dict[str, Any]] = {
    "2b": {"pixels": 1024, "overrides": _size((2048, 6144, 28, 16), (1024, 4096, 24), [5, 11, 17])},
    "8b": {"pixels": 1024, "overrides": _size((4096, 12288, 36, 32), (1152, 4304, 27), [8, 16, 24])},
    "tiny": {"pixels": 96, "overrides": {}},
}
DISTINCT = 16  # pages drawn; a batch repeats them, which changes neither time nor memory
LORA = {"r": 128, "alpha": 256, "dropout": 0.05}


@dataclass(frozen=True)
class Variant:
    lora: bool = True
    cached: bool = False
    quantization: str | None = None


VARIANTS = {
    "LoRA, gradient caching": Variant(cached=True),
    "LoRA": Variant(),
    "projection": Variant(lora=False),
    "QLoRA, 4 bits": Variant(cached=True, quantization="4bit"),
}


def build(scale: str, device: str) -> SmartModel:
    """Random weights, drawn on `device` in fp32 and kept in bf16 there; in fp32 on a CPU."""
    chosen = SCALES[scale]
    prompts = {"max_pixels": chosen["pixels"] ** 2}
    with torch.device(device):
        model = SmartModel.from_config(FOLDER, overrides=chosen["overrides"], prompts=prompts)
    return model.to(torch.bfloat16) if device == "cuda" else model


def quantized(model: SmartModel, device: str, kind: str) -> SmartModel:
    """The model as `from_pretrained` reads it in few bits."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        dtype = "bfloat16" if device == "cuda" else "float32"
        return SmartModel.from_pretrained(
            folder, dtype=dtype, device=device, quantization=kind, prompts=model.family.prompts
        )


def module(model: SmartModel, variant: Variant, chunk: int, device: str) -> TrainingModule:
    """`model` made ready to be trained by `variant`, activations checkpointed."""
    if variant.lora:
        model.backbone = add_lora(model.backbone, model.family, **LORA)
    else:
        model.freeze_backbone()
        model.add_projection(TokenProjection(model.hidden_size, min(320, model.hidden_size)))
        model.projection.reset(0)
    temperatures = dict.fromkeys(("pooled", "late"), 0.05)
    # A projection does not touch the pooled vector.
    objective = ContrastiveObjective(
        "joint" if variant.lora else "late", scoring=ScoringConfig(), temperatures=temperatures
    )
    caching = GradientCaching(mini_batch_size=chunk) if variant.cached else None
    made = TrainingModule(model, objective, caching=caching).to(device).train()
    if variant.lora:
        made.activation_checkpointing_enable()
    return made


def undo(model: SmartModel, variant: Variant) -> None:
    """Leaves `model` as it was before `module`."""
    if variant.lora:
        model.backbone = model.backbone.unload()
    else:
        model.projection, model.backbone_frozen = None, False


def model_flops(made: TrainingModule, batch: dict[str, Any]) -> float:
    """Of one step, as the head of this file counts them."""
    model = made.model
    text = model.config.get_text_config()
    passes = 1 if model.backbone_frozen else 2  # forward alone, or a backward through every weight
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
        attention = 4 * (1 if passes == 1 else 3) * width * text.num_hidden_layers * (lengths**2).sum().item()
        total += 2 * passes * weights["text"] * lengths.sum().item() + attention
        if "image_grid_thw" in batch[side]:
            total += 2 * weights["vision"] * batch[side]["image_grid_thw"].prod(dim=1).sum().item()
    return total


def planned(made: TrainingModule, batch: dict[str, Any], variant: Variant, options: argparse.Namespace) -> float:
    """Bytes that `smart-train validate` would say of this step."""
    values: dict[str, Any] = {
        "model": {"name_or_path": str(FOLDER), "quantization": variant.quantization},
        "data": {"train": {"path": "rows.jsonl"}},
        "training": {"output_dir": "run", "bf16": options.device == "cuda", "gradient_checkpointing": variant.lora},
        **({"lora": LORA} if variant.lora else {"projection": {"dim": made.model.projection.dim}}),
    }
    values["model"]["dtype"] = "bfloat16" if options.device == "cuda" else "float32"
    if variant.cached:
        values["gradient_caching"] = {"mini_batch_size": options.chunk}
    values["objective"] = {"name": "joint" if variant.lora else "late"}
    loads = {
        side: memory_estimate.BatchSide.of(batch[side], options.pages, made.model.family)
        for side in ("query", "document")
    }
    return sum(memory_estimate.estimate(parse_recipe(values), made.model, loads, 1).values())


def rows(folder: Path, count: int) -> list[Example]:
    """Queries of some words, and drawn pages on disk, a few of them again and again."""
    for number in range(min(DISTINCT, count)):
        if not (folder / f"{number}.png").exists():
            draw(folder / f"{number}.png", number)
    return [
        Example(
            ModelInput(f"which page of them all shows the number {number}"),
            (ModelInput(images=(folder / f"{number % DISTINCT}.png",)),),
            f"q{number}",
            (f"d{number}",),
            "drawn",
            number,
        )
        for number in range(count)
    ]


def batches(model: SmartModel, folder: Path, count: int, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    examples = rows(folder, options.pages * count)
    collator = PairCollator(model.family)
    return iter(DataLoader(examples, batch_size=options.pages, num_workers=options.workers, collate_fn=collator))


def supply(model: SmartModel, folder: Path, result: Result, options: argparse.Namespace) -> dict[str, Any]:
    """A batch, and how many pages a second the loader makes while nothing else runs: every worker one batch."""
    count = max(options.workers, 1)
    rows(folder, options.pages * count)  # drawn before the clock starts
    start = time.perf_counter()
    try:
        first, *_ = batches(model, folder, count, options)
    except RuntimeError as error:  # batches travel through shared memory, of which a container may have little
        result.skip("loader workers", str(error).splitlines()[0])
        options.workers = 0
        return next(batches(model, folder, 1, options))
    result["loader pages a second"] = options.pages * count / (time.perf_counter() - start)
    return first


def one_step(made: TrainingModule, batch: dict[str, Any], optimiser: torch.optim.Optimizer, clock: Clock) -> None:
    with clock.span("forward"), torch.autocast(clock.device, torch.bfloat16, enabled=clock.device == "cuda"):
        loss = made(batch).total
    with clock.span("backward"):
        loss.backward()
    with clock.span("optimiser"):
        optimiser.step()
        optimiser.zero_grad()


def measure(
    made: TrainingModule, first: dict[str, Any], folder: Path, variant: Variant, options: argparse.Namespace
) -> dict[str, Any]:
    """Seconds of a step (median), where they go, peak bytes and model flops, after one step that is not counted; then
    how long a step waits for its batch."""
    device = options.device
    optimiser = torch.optim.AdamW([part for part in made.parameters() if part.requires_grad], lr=1e-4)
    clock = Clock(device)
    watched = clock.watch(made.model, ("visual", "language_model"))
    plan = planned(made, first, variant, options)
    if device == "cuda" and plan > torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved():
        raise torch.OutOfMemoryError(f"the plan is {plan / 1e9:.0f} GB, more than the GPU has")
    batch = first if variant.cached else on_device(first, device)
    seconds = []
    for number in range(options.steps + 1):
        clock.clear()
        start = time.perf_counter()
        one_step(made, batch, optimiser, clock)
        clock.wait()
        seconds.append(time.perf_counter() - start)
        if number == 0 and device == "cuda":
            torch.cuda.reset_peak_memory_stats()
    parts = clock.shares()
    found = {
        "seconds": sorted(seconds[1:])[options.steps // 2],
        "shares": parts,
        "peak": torch.cuda.max_memory_allocated() if device == "cuda" else 0,
        "planned": plan,
        "flops": model_flops(made, first),
        "tokens": first["document"]["attention_mask"].sum(dim=1).double().mean().item(),
        "pages": options.pages,
    }
    waited = busy = 0.0
    loader = batches(made.model, folder, options.steps, options)
    for number in range(options.steps):
        start = time.perf_counter()
        batch = next(loader)
        arrived = time.perf_counter()
        one_step(made, batch if variant.cached else on_device(batch, device), optimiser, clock)
        clock.wait()
        if number:  # the workers' start is not a step's wait
            waited, busy = waited + arrived - start, busy + time.perf_counter() - arrived
    found["waiting"] = waited / (waited + busy) if busy else 0.0
    watched.remove()
    return found


def run(options: argparse.Namespace) -> Result:
    """Every variant asked for, one after the other on one model: building it takes longer than its steps."""
    result = Result(options.json)
    name = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    ceiling = options.peak_tflops or next((value for key, value in PEAKS.items() if key in name), None)
    result["scale"], result["device"] = options.scale, name
    model = build(options.scale, options.device)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        first = supply(model, Path(folder), result, options)
        result["options"] = {key: getattr(options, key) for key in ("pages", "chunk", "steps", "workers")}
        for variant in options.variant:
            chosen = VARIANTS[variant]
            with result.part(variant):
                if chosen.quantization:
                    model = quantized(model, options.device, chosen.quantization)
                made = module(model, chosen, options.chunk, options.device)
                try:
                    found[variant] = measure(made, first, Path(folder), chosen, options)
                finally:
                    undo(model, chosen)
                    del made
                if ceiling:
                    figures = found[variant]
                    figures["utilisation"] = figures["flops"] / figures["seconds"] / (ceiling * 1e12)
                result["variants"] = found
            gc.collect()
            if options.device == "cuda":
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
    return result


def table(values: dict[str, Any]) -> list[str]:
    """Markdown of what `run` found."""
    columns = ["training", "tokens a page", "s a step", "pages a second", "peak memory", "planned", "utilisation"]
    shares = ["vision", "language", "score", "backward", "optimiser"]
    columns += [f"{name}, share" for name in shares] + ["waiting for data"]
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    for variant, found in values.get("variants", {}).items():
        cells = [
            variant,
            f"{found['tokens']:.0f}",
            f"{found['seconds']:.2f}",
            f"{found['pages'] / found['seconds']:.1f}",
            f"{found['peak'] / 1e9:.1f} GB" if found["peak"] else "not measured",
            f"{found['planned'] / 1e9:.1f} GB",
            f"{found['utilisation']:.0%}" if "utilisation" in found else "peak unknown",
            *(f"{found['shares'][name]:.0%}" for name in shares),
            f"{found['waiting']:.0%}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=SCALES, default="2b")
    parser.add_argument("--variant", action="append", choices=VARIANTS, help="may be repeated; default all but QLoRA")
    parser.add_argument("--pages", type=int, help="candidates per query (default 64; tiny 2)")
    parser.add_argument("--chunk", type=int, help="pages encoded at a time by caching (default 8; tiny 1)")
    parser.add_argument("--steps", type=int, help="measured steps (default 3; tiny 2); one before is not counted")
    parser.add_argument("--workers", type=int, help="of the loader (default 8, or one less than the cores; tiny 0)")
    parser.add_argument("--peak-tflops", type=float, help="dense bf16 peak of the GPU; known for some")
    parser.add_argument("--write", action="store_true", help="write the table into docs/benchmarks.md")
    parser.add_argument("--json", type=Path, help="write the result there")
    options = parser.parse_args()
    options.device = "cuda" if torch.cuda.is_available() else "cpu"
    if options.device == "cpu" and (options.scale != "tiny" or options.write):
        raise SystemExit(
            f"a model of {options.scale.upper()} in bf16 needs a CUDA device, and none is seen; --scale tiny shows "
            "the road"
        )
    tiny = options.scale == "tiny"
    cores = len(os.sched_getaffinity(0))
    usual = {"pages": 2 if tiny else 64, "chunk": 1 if tiny else 8, "steps": 2 if tiny else 3}
    usual["workers"] = 0 if tiny else min(8, max(cores - 1, 1))
    for name, value in usual.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
        if getattr(options, name) < (name != "workers"):
            parser.error(f"--{name} {getattr(options, name)}: it must be at least {int(name != 'workers')}")
    options.variant = options.variant or [name for name, chosen in VARIANTS.items() if not chosen.quantization]
    return options


def main() -> None:
    options = parse()
    values = run(options).values
    lines = table(values)
    head = [
        "## A training step at real size",
        "",
        f"`python -m benchmarks.real_size --scale {options.scale} --pages {options.pages} --chunk {options.chunk} "
        f"--steps {options.steps} --write` on {values['device']}, torch {torch.__version__}: {options.pages} "
        f"candidates, {options.chunk} encoded at a time where gradients are cached, {options.workers} loader workers.",
        "",
    ]
    print("\n".join([*head, *lines]))
    print(json.dumps(values))
    if options.write:
        replace_section(DOCUMENT, "real_size", [*head, *lines, ""])


if __name__ == "__main__":
    main()
