"""What each objective does to each score: pooled, late, hybrid and joint training on data/local-binding, by seed.

Run:     python -m benchmarks.local_binding [--jobs 2] [--seeds 0 1 2]
Needs:   2 CPU cores, no network; about 25 minutes. Runs are kept under runs/local-binding and resume.
Expect:  the table between the markers of docs/findings.md, rewritten.

Every run is recipes/quickstart_paper.yaml with another `objective.name` and seed; the seed draws the weights and the
order of the rows, nothing else. The held-out pages are the same for all.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.document import replace_section
from smart_train.evaluation import SCORES

ROOT = Path(__file__).parents[1]
PREPARED = ROOT / "data" / "local-binding" / "built"
OBJECTIVES = (*SCORES, "joint")
METRIC = "ndcg@5"
RECIPE = "quickstart_paper"


def run(recipe: str, name: str, seed: int, folder: Path, overrides: list[str]) -> dict:
    """One run of recipes/RECIPE.yaml to its end; its evaluation.json."""
    output = folder / f"{name}-{seed}"
    command = [sys.executable, "-m", "smart_train", "train", f"recipes/{recipe}.yaml"]
    command += [f"training.seed={seed}", f"model.from_config.seed={seed}"]
    command += [f"training.output_dir={output}", "export.enabled=false", "training.disable_tqdm=true", *overrides]
    with (folder / f"{name}-{seed}.log").open("w", encoding="utf-8") as log:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[1:])} failed; see {folder / f'{name}-{seed}.log'}")
    print(f"{name}, seed {seed}: done", flush=True)
    return json.loads((ROOT / output / "evaluation.json").read_text(encoding="utf-8"))


def table(results: dict[tuple[str, int], dict], seeds: list[int]) -> list[str]:
    """Markdown rows: mean and standard deviation over the seeds."""
    chance = f"{next(iter(results.values()))['chance'][METRIC]:.3f}"
    lines = [
        f"| trained with | scored pooled | scored late | scored hybrid | ({METRIC}, {len(seeds)} seeds, mean ± sd) |",
        "|---|---|---|---|---|",
        f"| (chance) | {chance} | {chance} | {chance} | |",
    ]
    codes = json.loads((PREPARED / "manifest.json").read_text(encoding="utf-8"))["splits"]["held_out"][
        "ndcg@5_of_codes_alone"
    ]
    lines.append(f"| (codes without what they stand beside) | {codes:.3f} | {codes:.3f} | {codes:.3f} | |")
    untrained = [results[OBJECTIVES[0], seed]["before"] for seed in seeds]
    lines.append(_row("nothing (untrained)", untrained, ""))
    for objective in OBJECTIVES:
        after = [results[objective, seed]["after"] for seed in seeds]
        note = ", ".join(f"{result['hybrid'][METRIC]:.3f}" for result in after)
        lines.append(_row(objective, after, f"hybrid by seed: {note}"))
    return lines


def prepare(folder: Path) -> None:
    """Makes the data and the folder of the runs once, before runs start side by side."""
    (ROOT / folder).mkdir(parents=True, exist_ok=True)
    if not PREPARED.exists():
        subprocess.run([sys.executable, "data/local-binding/build.py", "--output", str(PREPARED)], cwd=ROOT, check=True)


def _row(name: str, results: list[dict], note: str) -> str:
    cells = []
    for score in SCORES:
        values = [result[score][METRIC] for result in results]
        cells.append(f"{statistics.mean(values):.3f} ± {statistics.stdev(values) if len(values) > 1 else 0:.3f}")
    return f"| {name} | {' | '.join(cells)} | {note} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2, help="runs at once, one core each")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folder", type=Path, default=Path("runs/local-binding"))
    parser.add_argument("overrides", nargs="*", help="key=value changes to every recipe")
    given = parser.parse_args()
    prepare(given.folder)
    pairs = [(objective, seed) for seed in given.seeds for objective in OBJECTIVES]
    with ThreadPoolExecutor(given.jobs) as pool:
        found = pool.map(
            lambda pair: run(RECIPE, *pair, given.folder, [f"objective.name={pair[0]}", *given.overrides]), pairs
        )
        results = dict(zip(pairs, found, strict=True))
    lines = table(results, given.seeds)
    print("\n".join(lines))
    command = " ".join(["python -m benchmarks.local_binding", *given.overrides])
    replace_section(ROOT / "docs" / "findings.md", "local-binding", [f"`{command}`", "", *lines])


if __name__ == "__main__":
    main()
