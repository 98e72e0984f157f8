"""What a run says when memory or disk runs out: which of its own knobs to turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from peft import PeftModel
from safetensors import SafetensorError
from transformers import TrainingArguments

from smart_train.errors import RunError, WriteError, first_line
from smart_train.training.engines import active_strategy
from smart_train.training.module import TrainingModule
from smart_train.utils.atomic import refusal
from smart_train.utils.out_of_memory import is_out_of_memory


@contextmanager
def memory_advice(doing: str, knobs: Callable[[], list[str]]) -> Iterator[None]:
    """Turns an allocation that fails inside into a RunError that names `knobs`, most effective first. They are asked
    for then, and not at every step."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        lines = "".join(f"\n  - {knob}" for knob in knobs())
        raise RunError(
            f"{doing}: out of memory ({first_line(error)}). Each of these changes needs less memory:{lines}"
        ) from error


def training_knobs(args: TrainingArguments, module: TrainingModule) -> list[str]:
    """Recipe keys that lower a training step's memory, with values to try, by how much they usually give."""
    knobs = []
    batch, caching, model = args.per_device_train_batch_size, module.caching, module.model
    if caching is None:
        knobs.append(
            f"gradient_caching.mini_batch_size={max(1, batch // 4)}: the same loss and candidates, one more forward "
            "pass"
        )
    for name in ("mini_batch_size", "mini_batch_tokens"):
        value = getattr(caching, name, None)
        if value is not None and value > 1:
            knobs.append(f"gradient_caching.{name}={value // 2} (is {value}): the same loss and candidates")
    if caching is not None and caching.keep_vision != "off":
        knobs.append("gradient_caching.keep_vision=off: the same loss, slower where a frozen vision tower runs twice")
    if not (args.activation_checkpointing or model.backbone_frozen):
        knobs.append("training.gradient_checkpointing=true: the same loss, about a third slower")
    knobs.append("model.max_pixels lower: fewer tokens of every page")
    if batch > 1:
        knobs.append(f"training.per_device_train_batch_size={batch // 2} (is {batch}): fewer candidates of every query")
    if model.quantization is None and (model.backbone_frozen or isinstance(model.backbone, PeftModel)):
        knobs.append("model.quantization=4bit: the frozen weights in an eighth to a quarter of their memory")
    return knobs


def optimiser_knobs(args: TrainingArguments, module: TrainingModule, *, averages: bool = False) -> list[str]:
    """Recipe keys that lower the memory of what comes around a step's forward and backward, where the optimiser makes
    its state and, with `averages`, the weights are averaged; then those of the step."""
    knobs = []
    name = str(getattr(args.optim, "value", args.optim))
    if "8bit" not in name and "adafactor" not in name and not name.startswith("sgd") and args.device.type == "cuda":
        knobs.append(f"training.optim=adamw_bnb_8bit (is {name}): its state in about a quarter of the memory")
    if args.world_size > 1 and active_strategy(args) == "ddp":
        knobs.append("distributed.strategy=zero2: each process holds its share of the optimiser's state and gradients")
    if not (module.model.backbone_frozen or isinstance(module.model.backbone, PeftModel)):
        knobs.append("lora instead of full: gradients and the optimiser's state of an adapter alone")
    if averages:
        knobs.append("averaging=null: no second copy of the trained weights, and other results")
    return [*knobs, *training_knobs(args, module)]


def evaluation_knobs(batch_size: int) -> list[str]:
    """Recipe keys that lower the memory of forwards without a gradient, of `batch_size` inputs each."""
    half = batch_size // 2
    smaller = [f"evaluation.batch_size={half} (is {batch_size}): the same results"] if half else []
    return [*smaller, "model.max_pixels lower: fewer tokens of every page"]


@contextmanager
def saving(path: Path, run: Path) -> Iterator[None]:
    """Turns a write that the file system refuses inside into a RunError that names `path` and how to go on."""
    try:
        yield
    except (OSError, SafetensorError, RuntimeError, WriteError) as error:
        if isinstance(error, RuntimeError) and refusal(error, path) is None:
            raise
        told = error.__cause__ if isinstance(error, WriteError) else error
        raise RunError(
            f"{path} could not be written: {told}. Free space there (training.save_total_limit keeps fewer "
            "checkpoints) or make it writable, and start the run again: it continues from the last complete "
            "checkpoint in "
            f"{run}"
        ) from error
