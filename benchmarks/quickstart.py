"""The quickstart under five seeds: what its training gives each score, and when.

Run:     python -m benchmarks.quickstart [--jobs 2] [--seeds 0 1 2 3 4]
Needs:   2 CPU cores, no network; about 6 minutes for two seeds. Runs are kept under runs/quickstart-seeds and resume.
Expect:  the tables between the markers of docs/findings.md and README.md, rewritten.

Every run is recipes/quickstart.yaml with another seed, which draws the weights and the order of the rows. The held-out
pages are the same for all.
"""

from __future__ import annotations

import argparse
import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.document import replace_section
from benchmarks.local_binding import METRIC, ROOT, prepare, run
from smart_train.evaluation import SCORES
from smart_train.training.training_log import LOG_NAME, read_log

RECIPE = "quickstart"


def table(results: dict[int, dict]) -> list[str]:
    """Markdown rows: before and after, mean, lowest and highest over the seeds."""
    lines = ["| score | chance | untrained | trained | lowest and highest seed |", "|---|---|---|---|---|"]
    chance = next(iter(results.values()))["chance"][METRIC]
    for score in SCORES:
        before, after = ([found[when][score][METRIC] for found in results.values()] for when in ("before", "after"))
        means = f"{statistics.mean(before):.3f} | **{statistics.mean(after):.3f}**"
        lines.append(f"| {score} | {chance:.3f} | {means} | {min(after):.3f} to {max(after):.3f} |")
    return lines


def by_step(logs: dict[int, list[dict]]) -> list[str]:
    """Markdown rows: pooled, late and hybrid of each seed at each evaluation while training."""
    found = {
        seed: {entry["step"]: entry for entry in log if f"eval_hybrid_{METRIC}" in entry} for seed, log in logs.items()
    }
    steps = sorted(next(iter(found.values())))
    lines = [f"| seed | {' | '.join(f'step {step}' for step in steps)} |", f"|---|{'---|' * len(steps)}"]
    for seed, evaluations in found.items():
        cells = [" / ".join(f"{evaluations[step][f'eval_{score}_{METRIC}']:.3f}" for score in SCORES) for step in steps]
        lines.append(f"| {seed} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2, help="runs at once, one core each")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--folder", type=Path, default=Path("runs/quickstart-seeds"))
    parser.add_argument("overrides", nargs="*", help="key=value changes to the recipe")
    given = parser.parse_args()
    prepare(given.folder)
    with ThreadPoolExecutor(given.jobs) as pool:
        found = pool.map(lambda seed: run(RECIPE, RECIPE, seed, given.folder, given.overrides), given.seeds)
        results = dict(zip(given.seeds, found, strict=True))
    logs = {seed: read_log(ROOT / given.folder / f"{RECIPE}-{seed}" / LOG_NAME) for seed in given.seeds}
    lines = table(results)
    print("\n".join([*lines, *by_step(logs)]))
    command = " ".join(["python -m benchmarks.quickstart", *given.overrides])
    replace_section(ROOT / "docs" / "findings.md", "quickstart", [f"`{command}`", "", *lines, "", *by_step(logs)])
    replace_section(ROOT / "README.md", "quickstart", lines)


if __name__ == "__main__":
    main()
