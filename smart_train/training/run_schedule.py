"""How rows become batches, candidates and optimiser steps: the Trainer's own arithmetic, done before it starts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smart_train.data.contents import Fewest

FEW_STEPS = 20  # with fewer a run is told to be short: at the default learning rates a model hardly changes in them
_WITHOUT_WARMUP = ("constant", "reduce_lr_on_plateau")


@dataclass(frozen=True)
class Schedule:
    """What a run does with its rows.

    Args:
        rows: usable training rows.
        processes: how many train together. batch: rows of each at a time. accumulation: batches per optimiser step.
        negatives: explicit negatives per query; shared: whether they serve the other queries too.
        drop_last: whether an incomplete last batch of an epoch is left out.
        epochs: passes over the rows; max_steps, where positive, decides instead.
        grouped: where rows meet by kind or length, batches of one process in an epoch, and documents of the smallest
            step over all processes.
        warmup: `training.warmup_steps`, 0 of a schedule that has none.
        fewest: how many different documents may meet in a batch, and in which rows; None where it is not known.
    """

    rows: int
    processes: int
    batch: int
    accumulation: int = 1
    negatives: int = 0
    shared: bool = True
    drop_last: bool = True
    epochs: float = 1.0
    max_steps: int = -1
    grouped: tuple[int, int] | None = None
    fewest: Fewest | None = None
    warmup: float = 0.0

    @classmethod
    def of(
        cls,
        training: Mapping[str, Any],
        *,
        rows: int,
        processes: int,
        negatives: int,
        shared: bool = True,
        grouped: tuple[int, int] | None = None,
        fewest: Fewest | None = None,
    ) -> Schedule:
        """From the `training` section of a resolved recipe."""
        return cls(
            rows=rows,
            processes=processes,
            batch=training["per_device_train_batch_size"],
            accumulation=training.get("gradient_accumulation_steps", 1),
            negatives=negatives,
            shared=shared,
            drop_last=training.get("dataloader_drop_last", False),
            epochs=training["num_train_epochs"],
            max_steps=training.get("max_steps", -1),
            grouped=grouped,
            fewest=fewest,
            warmup=0.0 if training.get("lr_scheduler_type") in _WITHOUT_WARMUP else training.get("warmup_steps") or 0.0,
        )

    @property
    def together(self) -> int:
        """Queries that share their candidates: one batch of every process."""
        return self.batch * self.processes

    @property
    def room(self) -> int:
        """Documents of a batch that each query is compared with, its positive among them. Accumulation adds none."""
        return self.together * (1 + self.negatives) if self.shared else self.together + self.negatives

    @property
    def candidates(self) -> int:
        """Different documents each query is compared with at most: a batch that holds one twice gains nothing by it."""
        return self.room if self.fewest is None else min(self.room, self.fewest.documents)

    @property
    def batches(self) -> int:
        """Batches of one process in an epoch. Several processes always have equally many, all full: an incomplete last
        round is dropped, or filled up with rows from the epoch's start."""
        if self.grouped is not None:
            return self.grouped[0]
        return self.rows // self.together if self.drop_last else math.ceil(self.rows / self.together)

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of an epoch; its last one may have fewer batches to accumulate."""
        return math.ceil(self.batches / self.accumulation)

    @property
    def steps(self) -> int:
        """Optimiser steps of the run."""
        return self.max_steps if self.max_steps > 0 else math.ceil(self.epochs * self.steps_per_epoch)

    @property
    def too_short(self) -> str:
        """Says so where the run has too few steps to learn from, and what to do; empty where it has enough."""
        if not 0 < self.steps < FEW_STEPS:
            return ""
        longer = "training.max_steps" if self.max_steps > 0 else "training.num_train_epochs"
        return (
            f"{self.rows} rows give {self.steps} optimiser step{'s' if self.steps > 1 else ''}, too few to learn much "
            "from: add rows (smart-train make-pairs makes them from PDF files), lower "
            f"training.per_device_train_batch_size ({self.batch}), or raise {longer}"
        )

    @property
    def all_warmup(self) -> str:
        """Says so where the learning rate only rises until the run ends, and what to do; empty where it does not."""
        if not 0 < self.steps <= self.warmup or self.warmup < 1:
            return ""
        return (
            f"training.warmup_steps: {self.warmup:g}; the run has {self.steps}, so that the learning rate ends at "
            f"{self.steps / self.warmup:.2g} of training.learning_rate: lower it (a number below 1 is a share of the "
            "steps)"
        )

    def problems(self) -> list[str]:
        """Why these batches cannot train, a line each; empty when they can."""
        key = "training.per_device_train_batch_size"
        product = f"{self.batch} x {self.processes} process(es) = {self.together}"
        if self.fewest is not None and self.fewest.documents == 1 and self.rows:
            alone = f"all rows of {self.fewest.kind}" if self.fewest.kind else f"all {self.rows} rows"
            if self.fewest.one_query:
                told, missing = "ask the same, which every document answers", "with other queries"
            else:
                told, missing = "have the same document", "about other documents"
            return [
                f"data.train: {alone} {told}, so no query has another one to be told from its answer; "
                f"add rows {missing}, or explicit negatives with data.negatives_per_query"
            ]
        if self.candidates < 2:
            return [
                f"{key}: {self.batch}; the only candidate of a query is its answer, so there is nothing to learn from: "
                "raise it, or set data.negatives_per_query"
            ]
        if self.grouped is not None:
            if self.grouped[1] >= 2:
                return []
            return [
                f"{key}: {self.batch}; the smallest batch of an epoch holds one document, the query's answer, so that "
                "there is nothing to learn from: raise data.max_tokens_per_batch where it is set, set "
                "training.dataloader_drop_last: true, or set negatives_per_query"
            ]
        if self.batches < 1:
            return [
                f"{key}: {product} is more than the {self.rows} training rows, so that no full batch exists; lower it, "
                "or set training.dataloader_drop_last: false"
            ]
        last = self.rows % self.together if self.processes == 1 else self.rows
        if not self.drop_last and last * (1 + self.negatives) == 1:
            return [
                f"{key}: {self.batch}; of {self.rows} training rows the last batch of an epoch holds one, whose only "
                "candidate is its answer: set training.dataloader_drop_last: true, or another batch size"
            ]
        return []
