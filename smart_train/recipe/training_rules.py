"""Rules of single training arguments whose values the Trainer takes and fails on, or drops, once training runs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from smart_train.recipe.wording import bad_value, one_of
from smart_train.training.learning_rate import BY_METRIC, scheduler_problems
from smart_train.utils.terms import HIGHEST_SEED

_TRACKERS = ("none", "all")  # beside the names of those that transformers knows
_COMPILE_MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
_STARTS = ("fork", "spawn", "forkserver")
# Of accelerate's configuration: what a run must not change, and why.
_NOT_BATCHES = {
    "split_batches": "per_device_train_batch_size would no longer be what one process takes; leave it out",
    "dispatch_batches": "batches of pages are not tensors of one shape that a process could hand out; leave it out",
    "use_configured_state": "a run sets accelerate up by itself; leave it out",
}
_CHECKPOINTING = (
    "use_reentrant",
    "every_n_layers",
    "offload",
    "preserve_rng_state",
    "determinism_check",
    "debug",
    "early_stop",
)


def value_problems(name: str, value: Any) -> Iterator[str]:
    """The rules that the value of `training.name`, of its proper type, breaks."""
    if value is None:
        return
    if not all(map(math.isfinite, _floats(value))):
        yield "must be a finite number"
    elif name in _RULES:
        yield from _RULES[name](value)


def setting_problems(values: Mapping[str, Any]) -> list[str]:
    """A line for every setting of schedule, trackers and loader that contradicts another one, defaults filled in."""
    kind, problems = values.get("lr_scheduler_type"), scheduler_problems(values)
    if kind in BY_METRIC and values.get("eval_strategy", "no") == "no":
        rule = "changes the rate after evaluations, and the run has none: set data.evaluation, or choose cosine"
        problems.append(bad_value("training.lr_scheduler_type", kind, rule))
    for name, rule in (
        ("eval_on_start", "needs evaluation.during: true (evaluation.before measures before training)"),
        ("save_strategy", "needs evaluation.during: true; the best is not known without"),
    ):
        value = values.get(name)
        if value in (True, "best") and values.get("eval_strategy", "no") == "no":
            problems.append(bad_value(f"training.{name}", value, rule))
    if not values.get("dataloader_num_workers"):
        problems += [
            bad_value(f"training.{name}", values[name], "needs dataloader_num_workers of at least 1")
            for name in ("dataloader_persistent_workers", "dataloader_multiprocessing_context")
            if values.get(name)
        ]
    return problems


def _floats(value: Any) -> Iterator[float]:
    if isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _floats(item)
    elif isinstance(value, float):
        yield value


def _trackers(value: Any) -> Iterator[str]:
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    names = [*_TRACKERS, *INTEGRATION_TO_CALLBACK]
    for name in value if isinstance(value, list) else [value]:
        if name not in names:
            yield one_of(name, names)


def _accelerator(value: Any) -> Iterator[str]:
    from accelerate.utils import GradientAccumulationPlugin
    from transformers.trainer_pt_utils import AcceleratorConfig

    if isinstance(value, str):
        try:
            value = json.loads(Path(value).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            yield f"names no file of JSON that can be read ({error}); give its keys here"
            return
    if not isinstance(value, Mapping):
        yield "must hold a mapping"
        return
    yield from _unknown(value, AcceleratorConfig.__dataclass_fields__)
    yield from (f"{name}: {why}" for name, why in _NOT_BATCHES.items() if value.get(name))
    accumulation = value.get("gradient_accumulation_kwargs") or {}
    if not isinstance(accumulation, Mapping):
        yield "gradient_accumulation_kwargs must be a mapping"
    elif "num_steps" in accumulation:
        yield "gradient_accumulation_kwargs.num_steps: set training.gradient_accumulation_steps instead"
    else:
        yield from _unknown(accumulation, GradientAccumulationPlugin.__dataclass_fields__)


def _backend(value: str) -> Iterator[str]:
    from accelerate.utils import DynamoBackend

    backends = [member.value.lower() for member in DynamoBackend if member.value != "NO"]
    if value.lower() not in backends:
        yield one_of(value, backends)


def _debug(value: Any) -> Iterator[str]:
    if value:
        yield "must be left out: its hooks fail on masks; a run stops by itself at the first NaN and names its rows"


def _optimiser_words(value: str) -> Iterator[str]:
    parts = value.replace(" ", "").split(",")
    if any(part.count("=") != 1 or not all(part.split("=")) for part in parts):
        yield "must read KEY=VALUE,KEY=VALUE, as momentum=0.9"


def _checkpointing(value: Any) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield "must be a mapping"
        return
    yield from _unknown(value, _CHECKPOINTING)
    every = value.get("every_n_layers", 1)
    if not isinstance(every, int) or every < 1:
        yield "every_n_layers must be a whole number of at least 1"


def _strategy(value: Any) -> Iterator[str]:
    if value not in ("random", "sequential"):
        yield (
            "must be random or sequential: rows have no length before they are read; data.group_by_length makes "
            "batches of like length"
        )


def _unknown(values: Mapping[str, Any], keys: Collection[str]) -> Iterator[str]:
    for key in values:
        if key not in keys:
            yield f"has no key {key!r}; its keys are {', '.join(keys)}"


def _whole_above_one(value: float) -> Iterator[str]:
    if value > 1 and value != int(value):
        yield "must be a whole number, or a share of all steps below 1"


def _seed(value: int) -> Iterator[str]:
    if not 0 <= value <= HIGHEST_SEED:
        yield f"must be from 0 to {HIGHEST_SEED}"


def _below_one(value: float) -> Iterator[str]:
    if not 0 <= value < 1:
        yield "must be from 0 to below 1"


def _choice(*choices: str) -> Callable[[Any], Iterator[str]]:
    def rule(value: Any) -> Iterator[str]:
        if value not in choices:
            yield one_of(value, choices)

    return rule


_RULES: dict[str, Callable[[Any], Iterator[str]]] = {
    "report_to": _trackers,
    "accelerator_config": _accelerator,
    "torch_compile_mode": _choice(*_COMPILE_MODES),
    "torch_compile_backend": _backend,
    "debug": _debug,
    "optim_args": _optimiser_words,
    "train_sampling_strategy": _strategy,
    "activation_checkpointing_kwargs": _checkpointing,
    "gradient_checkpointing_kwargs": _checkpointing,
    "dataloader_multiprocessing_context": _choice(*_STARTS),
    "logging_steps": _whole_above_one,
    "eval_steps": _whole_above_one,
    "save_steps": _whole_above_one,
    "seed": _seed,
    "data_seed": _seed,
    "adam_beta1": _below_one,
    "adam_beta2": _below_one,
}
