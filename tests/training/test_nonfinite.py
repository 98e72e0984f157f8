"""A lost loss ends the run and leaves the names of the rows it came from."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from transformers import TrainerControl, TrainerState, TrainingArguments

from smart_train.errors import DivergedError
from smart_train.training.nonfinite import NonFiniteGuard

LOGS = {"loss": 3.0, "loss_late": 1.0, "grad_norm": 12.0}


def arguments(folder: Path, **options: object) -> TrainingArguments:
    return TrainingArguments(output_dir=str(folder), use_cpu=True, report_to="none", **options)


@pytest.mark.parametrize("name", ["loss", "loss_late", "grad_norm"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_lost_loss_ends_the_run(tmp_path: Path, name: str, value: float) -> None:
    guard, state = NonFiniteGuard(), TrainerState(global_step=7)
    guard.on_log(arguments(tmp_path), state, TrainerControl(), logs=LOGS)
    with pytest.raises(DivergedError, match=rf"step 7: {name} is {value}\. .*Lower training\.learning_rate"):
        guard.on_log(arguments(tmp_path), state, TrainerControl(), logs={**LOGS, name: value})


def test_fp16_may_overflow_its_gradient(tmp_path: Path) -> None:
    args = arguments(tmp_path)
    args.fp16 = True  # TrainingArguments refuses it on a CPU
    NonFiniteGuard().on_log(args, TrainerState(global_step=7), TrainerControl(), logs={**LOGS, "grad_norm": math.inf})


def test_the_first_bad_batch_and_the_one_before_are_written(tmp_path: Path) -> None:
    guard, state = NonFiniteGuard(), TrainerState(global_step=4)
    guard.note(0, torch.tensor(math.nan), ["of a span that was logged"])
    guard.on_log(arguments(tmp_path), state, TrainerControl(), logs=LOGS)
    for step, loss in enumerate((2.0, 3.0, math.inf, math.nan), start=1):
        guard.note(step, torch.tensor(loss), [f"rows.jsonl, row {step}"])
    with pytest.raises(DivergedError, match=r"The rows of the batch are in .*bad_batch.rank-0\.json"):
        guard.on_log(arguments(tmp_path), state, TrainerControl(), logs={**LOGS, "loss": math.nan})
    written = json.loads((tmp_path / "bad_batch" / "rank-0.json").read_text())
    assert written == {
        "step": 4,
        "what": "loss is nan",
        "batches": [
            {"step": 2, "loss": "3.0", "rows": ["rows.jsonl, row 2"]},
            {"step": 3, "loss": "inf", "rows": ["rows.jsonl, row 3"]},
        ],
    }
