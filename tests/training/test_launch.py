"""A run that is spread otherwise than its recipe asked does not start."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from accelerate.utils import DistributedType

from smart_train.errors import RunError
from smart_train.training.launch import check_distribution


def arguments(world_size: int = 1, kind: DistributedType = DistributedType.NO, n_gpu: int = 0) -> Any:
    state = SimpleNamespace(distributed_type=kind)
    return SimpleNamespace(world_size=world_size, distributed_state=state, n_gpu=n_gpu)


TWO = {"world_size": 2, "kind": DistributedType.MULTI_CPU}


@pytest.mark.parametrize(
    ("launched", "found", "strategy", "processes"),
    [
        (1, {}, "auto", None),
        (1, {"n_gpu": 1}, "none", 1),
        (2, TWO, "auto", None),
        (2, TWO, "ddp", 2),
        (2, {"world_size": 2, "kind": DistributedType.MULTI_GPU, "n_gpu": 1}, "ddp", None),
    ],
)
def test_what_was_asked_for_starts(
    monkeypatch: pytest.MonkeyPatch, launched: int, found: dict, strategy: str, processes: int | None
) -> None:
    monkeypatch.setenv("WORLD_SIZE", str(launched))
    check_distribution(arguments(**found), strategy, processes)


@pytest.mark.parametrize(
    ("launched", "found", "strategy", "processes", "message"),
    [
        (2, {}, "auto", None, "started 2 processes .* sees 1: they would train apart"),
        (1, {}, "auto", 2, r"distributed\.num_processes is 2, but 1 process\(es\) run: start with ./launch\.sh"),
        (2, TWO, "auto", 4, r"distributed\.num_processes is 4, but 2 process\(es\) run"),
        (2, TWO, "none", None, r"distributed\.strategy is none, but 2 processes run"),
        (1, {}, "ddp", None, r"distributed\.strategy is ddp, but one process runs"),
        (2, {"world_size": 2, "kind": DistributedType.FSDP}, "auto", None, "2 processes run as FSDP; .* needs ddp"),
        (1, {"n_gpu": 4}, "auto", None, "one process sees 4 GPUs and would split batches"),
    ],
)
def test_another_spread_is_refused(
    monkeypatch: pytest.MonkeyPatch, launched: int, found: dict, strategy: str, processes: int | None, message: str
) -> None:
    monkeypatch.setenv("WORLD_SIZE", str(launched))
    with pytest.raises(RunError, match=message):
        check_distribution(arguments(**found), strategy, processes)
