"""What each objective does to each score of a real text embedder: pooled, late, hybrid and joint on MiniLM, by seed.

Run:     python -m benchmarks.text_objectives [--seeds 0 1 2] [--objectives joint pooled late hybrid]
Needs:   a CPU core, about 10 minutes a run; what recipes/text_minilm.yaml needs. Runs are kept under runs/text-minilm
         and resume; those of `joint` are those of `benchmarks.text_minilm`.
Expect:  the table between the markers of docs/findings.md, rewritten after each run.

Every run is recipes/text_minilm.yaml with another `objective.name` and seed. Tests are paired by query, each query's
value being its mean over the seeds.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.document import replace_section
from benchmarks.local_binding import OBJECTIVES
from benchmarks.readings import SAMPLES, per_query
from benchmarks.text_minilm import FINDINGS, MANPAGES, METRIC, ROOT, build, run
from smart_train.evaluation import SCORES
from smart_train.evaluation.compare import sign_flip_p_values
from smart_train.evaluation.result_tables import PER_QUERY_FILE

FIRST = "joint"  # what the others are compared with: the recipe's


def place(objective: str, folder: Path) -> Path:
    """The folder that holds `seed-N` of each run with this objective."""
    return folder if objective == FIRST else folder / objective


def row(objective: str, results: dict[tuple[str, int], dict], folder: Path) -> str:
    """A Markdown row: each score after training, its mean and each seed; a star where it differs from that of the runs
    of `joint` with the same seeds."""
    seeds = [seed for name, seed in results if name == objective]
    stars = differs(objective, [seed for seed in seeds if (FIRST, seed) in results], folder)
    cells = []
    for score, star in zip(SCORES, stars, strict=True):
        values = [results[objective, seed]["after"][score][METRIC] for seed in seeds]
        one_by_one = f" ({', '.join(f'{value:.3f}' for value in values)})" if len(values) > 1 else ""
        cells.append(f"{statistics.mean(values):.3f}{star}{one_by_one}")
    return f"| {objective} | {', '.join(map(str, seeds))} | {' | '.join(cells)} |"


def differs(objective: str, seeds: Sequence[int], folder: Path) -> list[str]:
    """For each score a star where p < 0.05, else nothing. Prints the differences and their p values."""
    if objective == FIRST or not seeds:
        return [""] * len(SCORES)
    mine, theirs = (
        np.mean([per_query(place(name, folder) / f"seed-{seed}" / PER_QUERY_FILE, METRIC) for seed in seeds], axis=0)
        for name in (objective, FIRST)
    )
    p_values = sign_flip_p_values(mine - theirs, SAMPLES, np.random.default_rng(0))
    print(objective, "less", FIRST, list(zip(SCORES, (mine - theirs).mean(axis=0), p_values, strict=True)), flush=True)
    return ["*" if p_value < 0.05 else "" for p_value in p_values]


def table(results: dict[tuple[str, int], dict], folder: Path) -> list[str]:
    """Markdown rows: the model as it is, and each objective that has a run."""
    before = next(iter(results.values()))["before"]
    untrained = " | ".join(f"{before[score][METRIC]:.3f}" for score in SCORES)
    lines = [
        f"| trained with | seeds | {' | '.join(SCORES)} |",
        f"|---|---|{'---|' * len(SCORES)}",
        f"| nothing (untrained) | | {untrained} |",
    ]
    trained = {name for name, _ in results}
    return lines + [row(name, results, folder) for name in OBJECTIVES if name in trained]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--objectives", nargs="+", choices=OBJECTIVES, default=[FIRST, *SCORES])
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "text-minilm")
    given = parser.parse_args()
    build("manpages", MANPAGES)
    results: dict[tuple[str, int], dict] = {}
    for seed in given.seeds:  # seed by seed, so that a call that is stopped leaves whole pairs
        for objective in given.objectives:
            target = place(objective, given.folder)
            target.mkdir(parents=True, exist_ok=True)
            results[objective, seed] = run(seed, target, f"objective.name={objective}")
            lines = table(results, given.folder)
            print("\n".join(lines), flush=True)
            replace_section(FINDINGS, "text-objectives", ["`python -m benchmarks.text_objectives`", "", *lines])


if __name__ == "__main__":
    main()
