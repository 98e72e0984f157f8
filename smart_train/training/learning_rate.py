"""The learning rate's schedule: its arguments as a recipe may give them, and what is wrong with them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any

from smart_train.errors import first_line, shown

WARMUP_STABLE_DECAY = "warmup_stable_decay"
BY_METRIC = ("reduce_lr_on_plateau", "greedy")  # these follow the evaluations, not the steps
DECAY_SHARE = 0.1  # of a run's steps: the default of warmup_stable_decay
_ROUNDED = 1e-9  # of a factor that is computed to be 1
_KEY = "training.lr_scheduler_kwargs"
# Arguments that the Trainer itself passes to a scheduler.
_GIVEN = ("optimizer", "num_warmup_steps", "num_training_steps", "last_epoch")
_MIN_LR = "; set min_lr_rate, a share of the learning rate such as 0.1, or min_lr"
_HINTS = {"cosine_with_min_lr": _MIN_LR, "cosine_warmup_with_min_lr": _MIN_LR}


def scheduler_arguments(kind: str, arguments: Mapping[str, Any] | None, steps: int) -> dict[str, Any] | None:
    """`training.lr_scheduler_kwargs` as the scheduler takes them: `num_decay_steps` below 1 is a share of all steps, as
    `warmup_steps` is. The stable phase is what warm-up and decay leave."""
    if kind != WARMUP_STABLE_DECAY:
        return None if arguments is None else dict(arguments)
    decay = (arguments or {}).get("num_decay_steps", DECAY_SHARE)
    return {**(arguments or {}), "num_decay_steps": int(decay) if decay >= 1 else math.ceil(steps * decay)}


def default_arguments(kind: str) -> dict[str, Any]:
    """What `training.lr_scheduler_kwargs` says where the recipe does not. Every metric here is the better the larger it
    is; the schedulers that follow one take it for a loss."""
    if kind == WARMUP_STABLE_DECAY:
        return {"num_decay_steps": DECAY_SHARE}
    return {"mode": "max"} if kind in BY_METRIC else {}


def scheduler_problems(training: Mapping[str, Any], steps: int = 1000) -> list[str]:
    """Why the scheduler that `training` names cannot be made, one line each. To find out, one is made for a single
    weight, and a few of its rates are computed.

    Args:
        steps: of the run; any number where they are not known yet.
    """
    kind, arguments = str(training.get("lr_scheduler_type", "linear")), training.get("lr_scheduler_kwargs")
    if arguments is not None and not isinstance(arguments, Mapping):
        return [f"{_KEY}: {shown(arguments)}; must be a mapping, as {{num_cycles: 2}}"]
    known_names = _known_arguments(kind)
    unknown = sorted(set(arguments or {}) - set(known_names))
    if unknown:
        takes = f"takes only {', '.join(known_names)}" if known_names else "takes none"
        return [f"{_KEY}: {shown(arguments)}; of these, lr_scheduler_type {kind} {takes}"]
    for name in ("num_decay_steps", "num_stable_steps"):
        value = (arguments or {}).get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            return [f"{_KEY}: {shown(arguments)}; {name} must be a number of at least 0"]
    try:
        scheduler = _made(training, steps)
        rates = [
            float(rate(step)) for rate in getattr(scheduler, "lr_lambdas", ()) for step in (0, 1, steps // 2, steps)
        ]
        if not all(math.isfinite(rate) for rate in rates):
            raise ValueError("it gives a learning rate that is not a number")
        least, most = min(rates, default=0.0), max(rates, default=1.0)
        if least < 0 or most > 1 + _ROUNDED:
            shares = f"{least if least < 0 else most:g} times training.learning_rate"
            raise ValueError(f"it gives {shares}, and may give from 0 to all of it")
    except Exception as error:  # schedulers raise many types; each means that these arguments do not fit
        reason = first_line(error).rstrip(".")
        return [f"{_KEY}: {shown(arguments)}; lr_scheduler_type {kind} cannot be made ({reason}){_HINTS.get(kind, '')}"]
    return []


def rate_at(training: Mapping[str, Any], steps: int, step: int) -> float | None:
    """The learning rate after `step` of `steps` steps; None of a schedule that follows the evaluations."""
    factors = getattr(_made(training, steps), "lr_lambdas", None)
    return None if factors is None else float(training["learning_rate"] * factors[0](step))


def _made(training: Mapping[str, Any], steps: int) -> Any:
    """The scheduler that `training` names, over a single weight. Raises whatever it raises."""
    import torch
    from transformers.optimization import get_scheduler

    kind = str(training.get("lr_scheduler_type", "linear"))
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=training.get("learning_rate", 1e-4))
    arguments = scheduler_arguments(kind, training.get("lr_scheduler_kwargs"), steps)
    return get_scheduler(kind, optimiser, warmup_steps(training, steps), steps, arguments)


def phase_problems(training: Mapping[str, Any], steps: int) -> list[str]:
    """A line where the phases of warmup_stable_decay are not as long as the run. `steps`: 0 where not known."""
    if training.get("lr_scheduler_type") != WARMUP_STABLE_DECAY or steps < 1:
        return []
    arguments = scheduler_arguments(WARMUP_STABLE_DECAY, training.get("lr_scheduler_kwargs"), steps) or {}
    warmup, decay = warmup_steps(training, steps), arguments["num_decay_steps"]
    stable = arguments.get("num_stable_steps", max(steps - warmup - decay, 0))
    if warmup + stable + decay == steps:
        return []
    return [
        f"{_KEY}: {shown(training.get('lr_scheduler_kwargs'))}; {warmup} steps of warm-up, {stable} stable ones and "
        f"{decay} of decay are not the {steps} steps of the run; leave num_stable_steps out, or give num_decay_steps "
        "and warmup_steps as shares, such as 0.1"
    ]


def warmup_steps(training: Mapping[str, Any], steps: int) -> int:
    """Steps of the warm-up, by the Trainer's rule."""
    warmup = training.get("warmup_steps", 0)
    return int(warmup) if warmup >= 1 else math.ceil(steps * warmup)


def _known_arguments(kind: str) -> list[str]:
    import torch
    from transformers.optimization import TYPE_TO_SCHEDULER_FUNCTION, GreedyLR
    from transformers.trainer_utils import SchedulerType

    if kind in ("constant", "constant_with_warmup"):
        return []  # the Trainer would silently drop them
    by_metric: dict[str, Any] = {BY_METRIC[0]: torch.optim.lr_scheduler.ReduceLROnPlateau, BY_METRIC[1]: GreedyLR}
    function: Any = by_metric.get(kind) or TYPE_TO_SCHEDULER_FUNCTION[SchedulerType(kind)]
    return [name for name in inspect.signature(function).parameters if name not in _GIVEN]
