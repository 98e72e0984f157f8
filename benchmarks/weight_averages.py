"""Averages of the weights of a run's steps, by the schedule of its learning rate: MiniLM's last layer, in five folds.

Run:     python -m benchmarks.weight_averages [--seeds 0 1] [--write]
Needs:   a CPU core, two minutes for a seed and fold; what recipes/text_minilm.yaml needs. Runs are kept under
         runs/weight-averages.
Expect:  a row for each length, schedule and average; with --write, the table between the markers of
         docs/decisions/averages-of-weights.md, rewritten.

The stand-in of benchmarks/objective_parts.py with nothing added, in two lengths, products in bfloat16. The run at a
constant rate is one: it is measured after 32 steps and after 64, as by a user who does not know when it will be
stopped. Another one has half the rate. The runs that decay (warmup_stable_decay) are the first of them but for their
last tenth. A cosine is a run of its own for each length. Tests are paired by query, each query's value being its mean
over the seeds.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from benchmarks.document import replace_section
from benchmarks.objective_parts import FOLDS, Part, Texts, Training, measured, rates
from benchmarks.readings import SAMPLES
from benchmarks.text_minilm import MANPAGES, ROOT, build
from smart_train.evaluation import SCORES
from smart_train.evaluation.compare import p_text, sign_flip_p_values
from smart_train.training.learning_rate import scheduler_arguments

DECISION = ROOT / "docs" / "decisions" / "averages-of-weights.md"
LENGTHS = (32, 64)
SAVED_STEPS = 16  # of these equal parts of a run, checkpoints are the ends


def decayed(factor: float) -> Callable[[int], Tensor]:
    """The share of each of n steps, [n], in an exponential moving average that begins with the first of them."""

    def shares(n: int) -> Tensor:
        powers = factor ** torch.arange(n - 1, -1, -1, dtype=torch.float64)
        return powers / powers.sum()

    return shares


def checkpoints(count: int, apart: int = 1) -> Callable[[int], Tensor]:
    """The share of each of n steps in the mean of the last `count` checkpoints, each `apart` sixteenths of the run from
    the next."""

    def shares(n: int) -> Tensor:
        result = torch.zeros(n, dtype=torch.float64)
        result[[n - 1 - number * apart * (n // SAVED_STEPS) for number in range(count)]] = 1 / count
        return result

    return shares


LAST = "last step"
AVERAGES = {
    LAST: checkpoints(1),
    "EMA 0.9": decayed(0.9),
    "EMA 0.95": decayed(0.95),
    "4 checkpoints of the last quarter": checkpoints(4),
    "4 checkpoints of the last half": checkpoints(4, apart=2),
}
COSINE, CONSTANT, DECAY = "cosine", "constant_with_warmup", "warmup_stable_decay"
LOWER = "constant, half the rate"
MEASURED = {CONSTANT: tuple(AVERAGES), LOWER: (LAST, "EMA 0.95"), DECAY: (LAST,), COSINE: (LAST,)}


class Watched:
    """A run, with the trained weights after each of its steps."""

    def __init__(self, training: Training) -> None:
        self.training = training
        self.history: list[Tensor] = []

    def go(self, of: Sequence[float]) -> None:
        for rate in of:
            with torch.autocast("cpu", torch.bfloat16):  # anew at each step: within one, weights are rounded once
                self.training.step(rate)
            self.history.append(parameters_to_vector(self.training.trained).detach().clone())

    def state(self) -> tuple[Any, int]:
        return copy.deepcopy(self.training.optimizer.state_dict()), self.training.done

    def back_to(self, state: tuple[Any, int]) -> None:
        """Goes back to a state of before."""
        optimizer, self.training.done = state
        del self.history[self.training.done :]
        vector_to_parameters(self.history[-1], self.training.trained)
        self.training.optimizer.load_state_dict(optimizer)

    def measured(self, texts: Texts, fold: int, averages: Sequence[str]) -> dict[str, dict]:
        """What each average of the steps up to now gives; the run goes on from its own weights."""
        found, history = {}, torch.stack(self.history).double()
        self.training.net.eval()
        for name in averages:
            vector_to_parameters((AVERAGES[name](len(history)) @ history).float(), self.training.trained)
            with torch.autocast("cpu", torch.bfloat16):
                found[name] = measured(texts, self.training.net, fold)
        vector_to_parameters(self.history[-1], self.training.trained)
        self.training.net.train()
        return found


def run(texts: Texts, fold: int, seed: int) -> dict[str, dict[str, dict]]:
    """`SCHEDULE STEPS` -> average -> query id -> the value of each score, of all schedules that begin at the full
    rate."""
    found, states = {}, {}
    constant = Watched(Training(texts, Part(), fold, seed))
    for steps in LENGTHS:
        of = rates(CONSTANT, steps)
        stable = steps - scheduler_arguments(DECAY, None, steps)["num_decay_steps"]
        constant.go(of[constant.training.done : stable])
        states[steps] = constant.state(), list(constant.history)
        constant.go(of[stable:])
        found[f"{CONSTANT} {steps}"] = constant.measured(texts, fold, MEASURED[CONSTANT])
    for steps, (state, history) in states.items():
        constant.history = history
        constant.back_to(state)
        constant.go(rates(DECAY, steps)[constant.training.done :])
        found[f"{DECAY} {steps}"] = constant.measured(texts, fold, MEASURED[DECAY])
        cosine = Watched(Training(texts, Part(), fold, seed))
        cosine.go(rates(COSINE, steps))
        found[f"{COSINE} {steps}"] = cosine.measured(texts, fold, MEASURED[COSINE])
    return found


def run_lower(texts: Texts, fold: int, seed: int) -> dict[str, dict[str, dict]]:
    """The same of half that rate, kept up over the longest run."""
    lower = Watched(Training(texts, Part(), fold, seed))
    lower.go([rate / 2 for rate in rates(CONSTANT, LENGTHS[-1])])
    return {f"{LOWER} {LENGTHS[-1]}": lower.measured(texts, fold, MEASURED[LOWER])}


def values(results: dict[tuple[int, int], dict], schedule: str, average: str, seeds: Sequence[int]) -> np.ndarray:
    """float [seeds, queries, scores], the queries of all folds in one order."""
    by_seed = []
    for seed in seeds:
        asked = {query: of for fold in range(FOLDS) for query, of in results[fold, seed][schedule][average].items()}
        by_seed.append([asked[query] for query in sorted(asked)])
    return np.array(by_seed)


def difference(one: np.ndarray, other: np.ndarray) -> str:
    """A cell: how much higher `one` is in the hybrid score, and p over queries."""
    differences = (one - other).mean(axis=0)[:, [SCORES.index("hybrid")]]
    (p,) = sign_flip_p_values(differences, SAMPLES, np.random.default_rng(0))
    return f"{differences.mean():+.3f} (p {p_text(p)})"


def table(results: dict[tuple[int, int], dict], seeds: Sequence[int]) -> list[str]:
    """Markdown rows: the scores of each average, and its hybrid score less two others."""
    lines = [
        f"| steps | rate | weights | {' | '.join(SCORES)} | hybrid, each seed | less its last step | less the cosine |",
        f"|---|---|---|{'---|' * len(SCORES)}---|---|---|",
    ]
    for steps, schedule in product(LENGTHS, MEASURED):
        run, cosine = f"{schedule} {steps}", values(results, f"{COSINE} {steps}", LAST, seeds)
        if any(run not in found for found in results.values()):  # one that was run in one length alone
            continue
        last = values(results, run, LAST, seeds)
        for average in MEASURED[schedule]:
            found = values(results, run, average, seeds)
            cells = [f"{mean:.3f}" for mean in found.mean(axis=(0, 1))]
            cells.append(", ".join(f"{mean:.3f}" for mean in found.mean(axis=1)[:, SCORES.index("hybrid")]))
            cells.append("" if average == LAST else difference(found, last))
            cells.append("" if schedule == COSINE else difference(found, cosine))
            lines.append(f"| {steps} | {schedule} | {average} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "weight-averages")
    parser.add_argument("--write", action="store_true", help="write the table into docs/decisions")
    given = parser.parse_args()
    build("manpages", MANPAGES)
    given.folder.mkdir(parents=True, exist_ok=True)
    texts, results = cache(Texts), {}  # made where a run is not kept
    for seed, fold in product(given.seeds, range(FOLDS)):
        of = {}
        for name, measure in (("", run), ("-lower", run_lower)):
            path = given.folder / f"{fold}-{seed}{name}.json"
            if not path.is_file():
                path.write_text(json.dumps(measure(texts(), fold, seed)), encoding="utf-8")
            of |= json.loads(path.read_text(encoding="utf-8"))
        results[fold, seed] = of
        print(f"fold {fold}, seed {seed}", flush=True)
    lines = table(results, given.seeds)
    print("\n".join(lines))
    if given.write:
        command = f"`python -m benchmarks.weight_averages --seeds {' '.join(map(str, given.seeds))} --write`"
        replace_section(DECISION, "weight-averages", [command, "", *lines])


if __name__ == "__main__":
    main()
