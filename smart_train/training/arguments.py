"""What in TrainingArguments would fail only once training starts, found before it: optimiser, trackers, compiler.

The Trainer makes them after the evaluation before training, which may take hours, and reports one fault at a time.
Here each is made on a stand-in of a few weights. TrainingArguments itself is not constructed: that picks a device and
resets what accelerate knows of this process.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import nn
from transformers import Trainer
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK
from transformers.training_args import OptimizerNames

from smart_train.errors import first_line, shown

# Optimisers that need the model itself: they look for `optim_target_modules` in it.
_OF_MODULES = ("galore_", "apollo_")


def argument_problems(values: Mapping[str, Any], model: nn.Module | None, *, processes: int, on_cpu: bool) -> list[str]:
    """A line for every argument that cannot work on this machine or with this model: key, value, reason, what to do.

    Args:
        values: every argument of TrainingArguments by its name, defaults filled in.
        model: the backbone to train, on the meta device; None where it is not known, and not looked at then.
        processes: how many train together. on_cpu: whether they train on CPUs.
    """
    return [
        *_tracker_problems(values["report_to"]),
        *_optimiser_problems(values, model, processes, on_cpu),
        *_noise_problems(values["neftune_noise_alpha"], model),
        *_compiler_problems(values, on_cpu),
    ]


def _tracker_problems(report_to: Any) -> Iterator[str]:
    names = [report_to] if isinstance(report_to, str) else report_to or []
    for name in names:
        if name not in INTEGRATION_TO_CALLBACK:
            continue  # "none" and "all"; the recipe knows no other
        with _reasons() as reasons:
            INTEGRATION_TO_CALLBACK[name]()
        for reason in reasons:
            yield f"training.report_to: {shown(name)}; it cannot be used here ({reason}); install it, or use none"


def _optimiser_problems(
    values: Mapping[str, Any], model: nn.Module | None, processes: int, on_cpu: bool
) -> Iterator[str]:
    name, extra = str(values["optim"]), values["optim_args"]
    of_modules = name.startswith(_OF_MODULES)
    if of_modules and model is None:
        return
    stand_in = cast(nn.Module, model) if of_modules else _stand_in()
    with _reasons() as reasons:
        factory, options = _optimiser(values, stand_in, processes, extra)
        if not of_modules and isinstance(factory, type):
            made = factory([{"params": list(stand_in.parameters())}], **options)
            if on_cpu and isinstance(made, torch.optim.Optimizer):
                stand_in(torch.ones(1, 64)).sum().backward()
                made.step()
    for reason in reasons:
        key = "training.optim_args" if extra and not _reasons_without(values, stand_in, processes) else "training.optim"
        value = extra if key.endswith("args") else name
        yield f"{key}: {shown(value)}; the optimiser cannot be made ({reason}); install what it names, or change it"
    if extra and not reasons and not of_modules:
        yield from _unread(values, stand_in, processes, extra)


def _unread(values: Mapping[str, Any], model: nn.Module, processes: int, extra: str) -> Iterator[str]:
    """A line for each part of `optim_args` that the optimiser does not look at: it would change nothing."""
    parts = extra.replace(" ", "").split(",")
    for place, part in enumerate(parts):
        others = ",".join(parts[:place] + parts[place + 1 :])
        key = part.partition("=")[0]
        with _reasons() as reasons:  # one that is read and cannot be this number is read too
            given = _optimiser(values, model, processes, ",".join(filter(None, [others, f"{key}=0.3125"])))[1]
            if given == _optimiser(values, model, processes, others)[1]:
                yield (
                    f"training.optim_args: {shown(extra)}; {values['optim']} does not read {key!r}; remove it, or "
                    "correct its name"
                )
        del reasons


def _reasons_without(values: Mapping[str, Any], model: nn.Module, processes: int) -> list[str]:
    """Why the optimiser cannot be made without its `optim_args` either."""
    with _reasons() as reasons:
        _optimiser(values, model, processes, None)
    return reasons


def _optimiser(
    values: Mapping[str, Any], model: nn.Module, processes: int, extra: str | None
) -> tuple[Any, dict[str, Any]]:
    mode = SimpleNamespace(value="distributed") if processes > 1 else None
    options = {**values, "optim": OptimizerNames(values["optim"]), "optim_args": extra, "parallel_mode": mode}
    return Trainer.get_optimizer_cls_and_kwargs(cast(Any, SimpleNamespace(**options)), cast(Any, model))


def _stand_in() -> nn.Module:
    # 4,096 weights: bitsandbytes keeps the state of smaller tensors in 32 bits, by other code.
    return nn.Sequential(nn.Linear(64, 64), nn.LayerNorm(64))


def _noise_problems(alpha: Any, model: nn.Module | None) -> Iterator[str]:
    if alpha is None or model is None:
        return
    with _reasons() as reasons:
        cast(Any, model).get_input_embeddings()
    for reason in reasons:
        yield f"training.neftune_noise_alpha: {shown(alpha)}; this model does not show its embeddings ({reason})"


def _compiler_problems(values: Mapping[str, Any], on_cpu: bool) -> Iterator[str]:
    asked = values["torch_compile"] or values["torch_compile_mode"] or values["torch_compile_backend"]
    if (
        asked
        and (values["torch_compile_backend"] or "inductor") == "inductor"
        and on_cpu
        and shutil.which("c++") is None
    ):
        yield (
            "training.torch_compile: on CPUs inductor needs a C++ compiler (Debian, Ubuntu: apt-get install g++); or "
            "remove it"
        )


@contextmanager
def _reasons() -> Iterator[list[str]]:
    """Within, an exception ends the block, and becomes a line of the list."""
    reasons: list[str] = []
    try:
        yield reasons
    except Exception as error:  # whatever a library raises, that the thing cannot be made is the finding
        reasons.append(first_line(error).rstrip("."))
