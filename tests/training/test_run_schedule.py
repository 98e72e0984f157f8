"""Batches, candidates and steps: by hand, and as the Trainer itself counts them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.data_loader import BatchSamplerShard
from torch.utils.data import BatchSampler, SequentialSampler
from transformers import Trainer, TrainingArguments

from smart_train.training.run_schedule import Schedule


def test_by_hand() -> None:
    made = Schedule(rows=100, processes=2, batch=4, accumulation=3, negatives=2, epochs=1.5)
    assert made.together == 8
    assert made.candidates == 24  # 8 answers and their 16 negatives
    assert Schedule(rows=100, processes=2, batch=4, negatives=2, shared=False).candidates == 10
    assert made.batches == 12  # 100 rows make 12 rounds of 8; 4 rows are left out
    assert made.steps_per_epoch == 4  # 3 batches each
    assert made.steps == 6
    kept = Schedule(rows=100, processes=2, batch=4, accumulation=3, drop_last=False, epochs=1.5)
    assert (kept.batches, kept.steps_per_epoch, kept.steps) == (13, 5, 8)  # the fifth step has one batch
    assert Schedule(rows=100, processes=1, batch=4, max_steps=7, epochs=9).steps == 7


def test_it_is_read_from_a_recipe() -> None:
    section = {"per_device_train_batch_size": 4, "num_train_epochs": 2, "dataloader_drop_last": True}
    assert Schedule.of(section, rows=9, processes=3, negatives=1) == Schedule(9, 3, 4, negatives=1, epochs=2)
    section |= {"gradient_accumulation_steps": 5, "max_steps": 6, "dataloader_drop_last": False}
    made = Schedule.of(section, rows=9, processes=1, negatives=2, shared=False)
    assert made == Schedule(9, 1, 4, 5, negatives=2, shared=False, drop_last=False, epochs=2, max_steps=6)


def test_a_run_that_is_all_warmup_is_told() -> None:
    section = {"per_device_train_batch_size": 4, "num_train_epochs": 1, "max_steps": 10}
    for steps, kind, told in (
        (10, "linear", "training.warmup_steps: 10; the run has 10, so that the learning rate ends at 1 of training"),
        (1000, "linear", "training.warmup_steps: 1000; the run has 10, so that the learning rate ends at 0.01 of "),
        (9, "linear", ""),
        (0.9, "linear", ""),
        (1000, "constant", ""),
    ):
        made = {**section, "warmup_steps": steps, "lr_scheduler_type": kind}
        said = Schedule.of(made, rows=99, processes=1, negatives=0).all_warmup
        assert said.startswith(told) and bool(said) == bool(told)


@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize("accumulation", [1, 3])
@pytest.mark.parametrize("length", [{"num_train_epochs": 2.5}, {"max_steps": 7}])
def test_the_trainer_counts_the_same(tmp_path: Path, drop_last: bool, accumulation: int, length: dict) -> None:
    rows, options = 26, {"gradient_accumulation_steps": accumulation, "dataloader_drop_last": drop_last, **length}
    args = TrainingArguments(str(tmp_path), per_device_train_batch_size=4, use_cpu=True, report_to="none", **options)
    trainer = Trainer(torch.nn.Linear(1, 1), args, train_dataset=[{"x": i} for i in range(rows)])
    loader = trainer.get_train_dataloader()
    epochs, most = length.get("num_train_epochs", 3), length.get("max_steps", -1)
    made = Schedule(rows, 1, 4, accumulation, drop_last=drop_last, epochs=epochs, max_steps=most)
    assert made.batches == len(loader)
    assert made.steps == trainer.set_initial_training_values(args, loader)[-1]


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 15, 16, 17, 24])
@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize("processes", [2, 3])
def test_ranks_share_batches_as_accelerate_deals_them(rows: int, drop_last: bool, processes: int) -> None:
    dealt = [
        list(BatchSamplerShard(BatchSampler(SequentialSampler(range(rows)), 4, drop_last), processes, rank))
        for rank in range(processes)
    ]
    made = Schedule(rows, processes, 4, drop_last=drop_last)
    assert [len(batches) for batches in dealt] == [made.batches] * processes
    assert all(len(batch) == 4 for batches in dealt for batch in batches), "every batch is full"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 1}, "training.per_device_train_batch_size: 1; the only candidate of a query is its answer"),
        ({"rows": 7, "processes": 2}, "4 x 2 process(es) = 8 is more than the 7 training rows"),
        ({"rows": 9, "drop_last": False}, "of 9 training rows the last batch of an epoch holds one"),
        ({"rows": 1, "processes": 2, "drop_last": False}, "of 1 training rows the last batch of an epoch holds one"),
    ],
)
def test_batches_that_cannot_train(changes: dict[str, Any], message: str) -> None:
    (problem,) = Schedule(**{"rows": 24, "processes": 1, "batch": 4, **changes}).problems()
    assert message in problem


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"batch": 1, "processes": 2},
        {"batch": 1, "negatives": 1},
        {"rows": 4},
        {"rows": 9},
        {"rows": 3, "drop_last": False},
        {"rows": 9, "drop_last": False, "processes": 2},
        {"rows": 9, "drop_last": False, "negatives": 1},
    ],
)
def test_batches_that_can_train(changes: dict[str, Any]) -> None:
    assert Schedule(**{"rows": 24, "processes": 1, "batch": 4, **changes}).problems() == []
