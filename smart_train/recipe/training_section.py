"""The `training` section: the names of `transformers.TrainingArguments`, unchanged.

TrainingArguments itself is not constructed to check them: that would pick a device, start distributed state and report
one mistake at a time. Its annotations are checked instead, field by field.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from enum import Enum
from functools import cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from smart_train.errors import shown
from smart_train.recipe.renamed import INSTEAD
from smart_train.recipe.training_rules import setting_problems, value_problems
from smart_train.recipe.wording import bad_value, one_of, unknown_key
from smart_train.utils.cpu import usable_cores

_POSITIVE = "must be greater than 0"
_NOT_NEGATIVE = "must be at least 0"
_STEPS = "must be at least 1; leave it out to train for num_train_epochs"
_RANGES = {
    "learning_rate": _POSITIVE,
    "num_train_epochs": _POSITIVE,
    "per_device_train_batch_size": _POSITIVE,
    "per_device_eval_batch_size": _POSITIVE,
    "gradient_accumulation_steps": _POSITIVE,
    "logging_steps": _POSITIVE,
    "save_steps": _POSITIVE,
    "eval_steps": _POSITIVE,
    "adam_epsilon": _POSITIVE,
    "warmup_steps": _NOT_NEGATIVE,
    "weight_decay": _NOT_NEGATIVE,
    "max_grad_norm": _NOT_NEGATIVE,
    "neftune_noise_alpha": _POSITIVE,
    "torch_empty_cache_steps": _POSITIVE,
    "dataloader_prefetch_factor": _POSITIVE,
    "ddp_timeout": _POSITIVE,
    "dataloader_num_workers": _NOT_NEGATIVE,
}

# Names whose job another part of the recipe has, or that would change the contrastive loss behind the user's back.
_ONE_VALUE = {
    "remove_unused_columns": (False, "the collator needs every column"),
    "label_smoothing_factor": (0.0, "there are no labels to smooth; raise objective.temperature instead"),
    "auto_find_batch_size": (False, "a smaller batch has fewer candidates per query, which is another loss"),
    "greater_is_better": (True, "every metric here is better where it is higher; the worst checkpoint would be kept"),
    "ignore_data_skip": (False, "a run that goes on would begin with its first rows again"),
    "deepspeed": (None, "distributed.strategy says how a run uses several processes"),
    "fsdp": (None, "distributed.strategy says how a run uses several processes"),
    "fsdp_config": (None, "distributed.strategy says how a run uses several processes"),
    "parallelism_config": (None, "every process must have rows of its own; distributed.strategy says how they share"),
    "use_liger_kernel": (False, "its kernels go into transformers' own models alone, and would silently not be used"),
    "liger_kernel_config": (None, "its kernels go into transformers' own models alone, and would silently not be used"),
    "push_to_hub": (False, "nothing is published unverified: use hub.repo_id, and hub.checkpoints during the run"),
    "enable_jit_checkpoint": (False, "a run saves by itself when SIGTERM comes, on all ranks at the same step"),
    "resume_from_checkpoint": (None, "a run resumes by itself from its output_dir"),
}


def default_workers() -> int:
    """Loader's workers where nothing is said: half of the usable cores, from 1 to 4. What is learned does not depend on
    it; workers beyond the cores take them from the model, and torch warns of that in every epoch."""
    return max(1, min(4, usable_cores() // 2))


COMMON_DEFAULTS: dict[str, Any] = {
    "per_device_train_batch_size": 64,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 0.03,
    "dataloader_drop_last": True,
    "dataloader_num_workers": default_workers(),
    "logging_steps": 10,
    "save_strategy": "epoch",
    "save_total_limit": 2,
    "report_to": "none",
    "seed": 42,
}
# SMART section on post-training, where it gives a figure; full fine-tuning is ours.
MODE_DEFAULTS: dict[str, dict[str, Any]] = {
    "lora": {"learning_rate": 1e-4, "num_train_epochs": 1},
    "projection": {"learning_rate": 1e-3, "num_train_epochs": 2, "weight_decay": 0.01},
    "full": {"learning_rate": 1e-5, "num_train_epochs": 1},
}


@cache
def known_names() -> dict[str, TypeAdapter[Any]]:
    """Every constructor argument of the installed TrainingArguments, with a checker of its annotated type."""
    return {name: _adapter(hint) for name, (hint, _) in _annotations().items()}


def check_training(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The section with its values in their proper types, and a line for every mistake in it.

    A value that is wrong is left out of the result, so that rules between keys do not report it a second time.
    """
    checked: dict[str, Any] = {}
    problems: list[str] = []
    adapters = known_names()
    for name, value in values.items():
        dotted = f"training.{name}"
        if name not in adapters:
            problems.append(unknown_argument(name, adapters))
            continue
        rules = _broken_rules(name, value)
        problems += [bad_value(dotted, value, rule) for rule in rules]
        if not rules:
            checked[name] = adapters[name].validate_python(value)
    return checked, problems


def unknown_argument(name: str, arguments: Iterable[str]) -> str:
    """The line for a key that the section does not have. `arguments`: those that it has."""
    if name in INSTEAD:
        return f"training.{name}: unknown key; {INSTEAD[name]}"
    return unknown_key(f"training.{name}", arguments)


def training_conflicts(values: Mapping[str, Any]) -> list[str]:
    """Pairs of keys that TrainingArguments would refuse together, once defaults are filled in."""
    problems = []
    if values.get("fp16") and values.get("bf16"):
        problems.append("training.fp16, training.bf16: both true; choose one")
    if values.get("dataloader_prefetch_factor") is not None and not values.get("dataloader_num_workers"):
        problems.append("training.dataloader_prefetch_factor: set, but dataloader_num_workers is 0; it needs workers")
    saving, evaluating = values.get("save_strategy", "steps"), values.get("eval_strategy", "no")
    if values.get("load_best_model_at_end") and saving not in (evaluating, "best"):
        problems.append(
            f"training.save_strategy: {saving!r}; must equal eval_strategy ({evaluating!r}) while "
            "load_best_model_at_end is true, because the best of the evaluated checkpoints is kept"
        )
    if values.get("load_best_model_at_end") and saving == evaluating == "steps":
        every, each = values.get("save_steps", 500), values.get("eval_steps") or values.get("logging_steps", 500)
        if every % each:
            problems.append(f"training.save_steps: {every!r}; must be a multiple of eval_steps ({each!r})")
    return problems + setting_problems(values)


def argument_defaults() -> dict[str, Any]:
    """What each argument is, as a plain value, in a run whose recipe does not name it."""
    from transformers.training_args import TrainingArguments  # seconds to import

    values = {}
    for item in fields(TrainingArguments):
        if item.init:
            value = item.default if item.default_factory is MISSING else item.default_factory()
            values[item.name] = value.value if isinstance(value, Enum) else value
    return values | {name: only for name, (only, _) in _ONE_VALUE.items()}


@cache
def _annotations() -> dict[str, tuple[Any, tuple[str, ...]]]:
    """name -> (type, closed list of names or ())."""
    from transformers.training_args import TrainingArguments  # seconds to import

    hints = typing.get_type_hints(TrainingArguments)
    result = {}
    for item in fields(TrainingArguments):
        if not item.init:
            continue
        hint = hints[item.name]
        choices = tuple(item.metadata.get("choices", ()))
        for part in typing.get_args(hint):
            if typing.get_origin(part) is None and isinstance(part, type) and issubclass(part, Enum):
                choices = tuple(str(member.value) for member in part)
        result[item.name] = (hint, choices)
    return result


def _adapter(hint: Any) -> TypeAdapter[Any]:
    # Arbitrary types: a few arguments are classes of other libraries, which YAML cannot write anyway.
    return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))


def _broken_rules(name: str, value: Any) -> list[str]:
    """The rules that `value` breaks."""
    problem = _problem(name, value)
    return [problem] if problem is not None else list(value_problems(name, known_names()[name].validate_python(value)))


def _problem(name: str, value: Any) -> str | None:
    """The rule of its type or range that `value` breaks, or None."""
    hint, choices = _annotations()[name]
    if name == "output_dir" and not value:
        return "must name a folder"
    if choices and value is not None and value not in choices:
        return one_of(value, choices)
    try:
        checked = known_names()[name].validate_python(value)
    except ValidationError:
        return f"must be {_type_name(hint)}"
    if name in _ONE_VALUE and checked != _ONE_VALUE[name][0]:
        only, why = _ONE_VALUE[name]
        return f"must stay {shown(only)}: {why}"
    if name == "max_steps" and checked < 1 and checked != -1:  # transformers' own value where it is left out
        return _STEPS
    if isinstance(checked, (int, float)) and name in _RANGES:
        broken = checked <= 0 if _RANGES[name] is _POSITIVE else checked < 0
        return _RANGES[name] if broken else None
    return None


def _type_name(hint: Any) -> str:
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}
    parts = typing.get_args(hint) if typing.get_origin(hint) not in (list, dict) else ()
    if not parts:
        plain = typing.get_origin(hint) or hint
        return {list: "a list", dict: "a mapping"}.get(plain) or words.get(plain, str(hint))
    return " or ".join(dict.fromkeys(_type_name(part) for part in parts))
