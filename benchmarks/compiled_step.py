"""A training step with a backbone that torch.compile compiled: what it saves, what compiling costs, when that pays.

Run:     python -m benchmarks.compiled_step [--rounds 5] [--write]
Needs:   a CPU core and a C++ compiler, no network; about three minutes. CUDA where there is one.
Expect:  the table between the markers of docs/benchmarks.md. Batches of three lengths are met, as a run meets them, so
         that compiling again for another shape is counted; caches of compiled code are off.
"""

from __future__ import annotations

import random
import resource
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks._harness import Report, arguments, interleaved, ratio
from benchmarks.peers import sentence, text_folder
from benchmarks.train_step import on_device, step
from smart_train import ScoringConfig, SmartModel
from smart_train.data import PairCollator
from smart_train.losses import ContrastiveObjective
from smart_train.training import TrainingModule
from smart_train.types import Example, ModelInput

PLAIN, COMPILED = "plain", "compiled"
Batches = list[dict[str, Any]]


class Made(NamedTuple):
    """A module to train, and batches of three lengths."""

    module: TrainingModule
    batches: Batches


@dataclass(frozen=True)
class Texts:
    """Texts through a BERT of random weights, all of which are trained."""

    texts: int = 16
    width: int = 256

    def make(self, device: str) -> Made:
        with tempfile.TemporaryDirectory() as folder:
            model = SmartModel.from_pretrained(text_folder(Path(folder) / "model", self.width), device=device)
        objective = ContrastiveObjective(
            "joint", scoring=ScoringConfig(), temperatures=dict.fromkeys(("pooled", "late"), 0.05)
        )
        rng, batches = random.Random(0), []
        for words in (30, 45, 60):
            rows = [
                Example(
                    ModelInput(sentence(rng, 8)), (ModelInput(sentence(rng, words)),), f"q{row}", (f"d{row}",), "", row
                )
                for row in range(self.texts)
            ]
            batches.append(on_device(PairCollator(model.family)(rows), device))
        return Made(TrainingModule(model, objective).to(device).train(), batches)


CASES = {"all weights, 16 texts, 4 layers of 256": Texts()}


class Cost(NamedTuple):
    """What it takes before the compiled steps run: seconds, and how many graphs were made."""

    seconds: float
    graphs: int


def seconds_of_all() -> float:
    """CPU seconds of this process and of the compilers that it called."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + used.ru_utime + used.ru_stime


def compile_backbone(made: Made, backend: str = "inductor") -> Cost:
    """Compiles the backbone in place, by one step with each batch."""
    from torch._dynamo.utils import counters
    from torch._inductor import config

    config.compile_threads = 1  # else the compilers are processes that go on, and their time is not told
    config.force_disable_caches = True
    torch._dynamo.reset()
    counters.clear()
    start = seconds_of_all()
    made.module.model.backbone.compile(backend=backend)
    all_steps(made)
    return Cost(seconds_of_all() - start, counters["stats"]["unique_graphs"])


def all_steps(made: Made) -> None:
    for batch in made.batches:
        step(made.module, batch)


def row(name: str, cost: Cost, seconds: Mapping[str, Sequence[float]]) -> list[str]:
    """A row of the table. Args: seconds: of three steps, in every round."""
    plain = statistics.median(seconds[PLAIN]) / 3
    share = ratio(seconds, COMPILED, PLAIN)
    saved = plain * (1 - share)
    after = f"{(cost.seconds - 3 * plain) / saved:,.0f}" if saved > 0 else "never"
    return [name, f"{plain:.2f} s", f"{share:.2f}", str(cost.graphs), f"{cost.seconds:.0f} s", after]


def main() -> None:
    options = arguments(__doc__ or "")
    torch.set_num_threads(options.threads)
    report, rows = Report("compiled_step", "A compiled backbone", options), []
    for name, case in CASES.items():
        plain, compiled = case.make(options.device), case.make(options.device)
        cost = compile_backbone(compiled)
        runs = {PLAIN: partial(all_steps, plain), COMPILED: partial(all_steps, compiled)}
        rows.append(row(name, cost, interleaved(runs, options.rounds, options.device, options.threads)))
    columns = ["step", "plain", "compiled / plain", "graphs", "to compile", "pays after steps"]
    report.table("Batches of three lengths; CPU seconds", columns, rows)
    report.finish()


if __name__ == "__main__":
    main()
