"""Where the time of a training step goes, without waiting for the device between its parts."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


class Clock:
    """Spans of a step: on CUDA between events of the stream, which cost nothing; on a CPU between clock readings."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.clear()

    def clear(self) -> None:
        """Forgets all spans."""
        self.spans: list[tuple[str, str | None, Any, Any]] = []
        self.phase: str | None = None

    def wait(self) -> None:
        """Until the device has done all that it was given."""
        if self.device == "cuda":
            torch.cuda.synchronize()

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """One of the step's phases, which follow each other."""
        self.phase, start = name, self._now()
        try:
            yield
        finally:
            self.spans.append((name, None, start, self._now()))
            self.phase = None

    def watch(self, model: nn.Module, parts: tuple[str, ...]) -> Watched:
        """Notes every forward of the modules that are called one of `parts`, until it is removed."""
        chosen = {name: part for name, part in model.named_modules() if name.rsplit(".", 1)[-1] in parts}
        return Watched(self, {name.rsplit(".", 1)[-1]: part for name, part in chosen.items()})

    def shares(self) -> dict[str, float]:
        """Shares of the step: vision, language, score, backward, optimiser; they add up to 1. See `real_size`."""
        self.wait()
        total: dict[tuple[str, str | None], float] = defaultdict(float)
        for name, phase, start, end in self.spans:
            total[name, phase] += self._seconds(start, end)
        inside = {name: {phase: total[name, phase] for phase in ("forward", "backward")} for name in _PARTS}
        whole = sum(total[phase, None] for phase in ("forward", "backward", "optimiser"))
        found = {label: sum(inside[name].values()) for name, label in _PARTS.items()}
        found["score"] = total["forward", None] - sum(values["forward"] for values in inside.values())
        found["backward"] = total["backward", None] - sum(values["backward"] for values in inside.values())
        found["optimiser"] = total["optimiser", None]
        return {name: seconds / whole for name, seconds in found.items()}

    def _now(self) -> Any:
        if self.device != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _seconds(self, start: Any, end: Any) -> float:
        return end - start if self.device != "cuda" else start.elapsed_time(end) / 1000


_PARTS = {"visual": "vision", "language_model": "language"}


class Watched:
    """Hooks on modules; each forward is a span within the phase that it falls into."""

    def __init__(self, clock: Clock, modules: dict[str, nn.Module]) -> None:
        self.clock = clock
        self.begun: dict[str, Any] = {}
        self.handles = []
        for name, part in modules.items():
            self.handles.append(part.register_forward_pre_hook(lambda *_, at=name: self._begin(at)))
            self.handles.append(part.register_forward_hook(lambda *_, at=name: self._end(at)))

    def _begin(self, name: str) -> None:
        self.begun[name] = self.clock._now()

    def _end(self, name: str) -> None:
        self.clock.spans.append((name, self.clock.phase, self.begun.pop(name), self.clock._now()))

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()
