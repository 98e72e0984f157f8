"""What mined negatives do on data/local-binding: held-out nDCG by where the negatives come from, and how many of them
are answers that nobody labelled.

Run:     python -m benchmarks.hard_negatives [--seeds 0 1 2]
Needs:   1 CPU core, no network; about 1.5 hours. Runs are kept under runs/hard-negatives and resume.
Expect:  the tables between the markers of docs/findings.md and docs/mining.md, rewritten.

Every seed's recipes/quickstart_paper.yaml is trained once, in-batch negatives alone, and mines its own training pages.
From there it is trained for 100 more steps on the same rows in the same order, with one explicit negative for each row,
or none.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from benchmarks.document import replace_section
from smart_train.evaluation import SCORES
from smart_train.inputs.mark_pages import NAMED

ROOT = Path(__file__).parents[1]
DATA = ROOT / "data" / "local-binding"
BUILT = DATA / "built"
METRIC = "ndcg@5"
DEEPEST = 3990  # of 4,000 pages, less what are known positives: one search serves every rule
# What is trained on in the second stage -> how it is mined; None: no explicit negative.
TRAINED: dict[str, list[str] | None] = {
    "in-batch alone": None,
    "a page at random": ["--pick", "random", "--last-rank", str(DEEPEST), "--margin", "0"],
    "rank 1": ["--margin", "0"],
    "rank 31": ["--first-rank", "31", "--margin", "0"],
}
RULES: dict[str, list[str]] = {
    **{f"ranks from {first}": ["--first-rank", str(first), "--margin", "0"] for first in (1, 5, 11, 31, 101)},
    **{f"margin {margin}": ["--margin", str(margin)] for margin in (0.99, 0.97, 0.95)},
}
SECOND_STAGE = [
    "model.from_config=null",
    "training.learning_rate=3e-4",
    "training.max_steps=100",
    "training.eval_steps=100",
    "evaluation.before=false",
    "export.enabled=false",
]


def command(*arguments: str, log: Path) -> None:
    """One `smart-train` command on the first recipe, its output in `log`."""
    line = [sys.executable, "-m", "smart_train", arguments[0], "recipes/quickstart_paper.yaml", *arguments[1:]]
    with log.open("w", encoding="utf-8") as file:
        done = subprocess.run(
            line, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=file, stderr=subprocess.STDOUT
        )
    if done.returncode:
        raise SystemExit(f"{' '.join(line[1:])} failed; see {log}")


def train(output: Path, *overrides: str) -> dict:
    """A run to its end; what `evaluation.json` holds of it after training."""
    command("train", f"training.output_dir={output}", "training.disable_tqdm=true", *overrides, log=log_of(output))
    return json.loads((ROOT / output / "evaluation.json").read_text(encoding="utf-8"))["after"]


def mine(
    model: Path, output: Path, negatives: int, options: list[str], overrides: list[str], work: Path | None = None
) -> Path:
    """Mines into `output`; `work` is the encoded corpus of another folder, so that nothing is encoded twice."""
    if work is not None and not (ROOT / output / "work").exists():
        shutil.copytree(ROOT / work / "work", ROOT / output / "work")
    ranks = [] if "--last-rank" in options else ["--last-rank", "300"]
    options = [*options, *ranks, "--negatives", str(negatives), "--when-short", "keep"]
    named = ["--model", str(model / "export"), "--output", str(output)]
    command("mine", *named, *options, *overrides, log=log_of(output))
    return output


def log_of(output: Path) -> Path:
    return ROOT / output.parent / f"{output.name}.log"


def seed_results(seed: int, folder: Path, stages: list[str], overrides: list[str]) -> dict[str, dict]:
    """Metrics of one seed after the first stage ("") and after each second one."""
    first = folder / f"first-{seed}"
    drawn = [f"training.seed={seed}", f"model.from_config.seed={seed}"]
    results = {"": train(first, *drawn, *overrides)}
    deepest = mine(first, folder / f"mined-{seed}", 1, TRAINED["a page at random"], overrides)
    for stage in stages:
        name = f"{stage.replace(' ', '-')}-{seed}"
        rows = []
        if TRAINED[stage] is not None:
            mined = mine(first, folder / f"mined-{name}", 1, TRAINED[stage], overrides, deepest)
            rows = [f"data.train.path={mined}", "data.negatives_per_query=1"]
        start = [f"model.name_or_path={first / 'export'}", f"training.seed={seed + 10}"]
        results[stage] = train(folder / name, *start, *SECOND_STAGE, *rows, *overrides)
        print(f"seed {seed}, {stage}: {METRIC} {results[stage]['hybrid'][METRIC]:.3f}", flush=True)
    return results


def table(results: dict[int, dict[str, dict]]) -> list[str]:
    """Markdown rows: means over the seeds, the hybrid score of each."""
    seeds = ", ".join(map(str, results))
    lines = [f"| negatives of each row | pooled | late | hybrid | hybrid, seeds {seeds} |", "|---|---|---|---|---|"]
    for stage in next(iter(results.values())):
        by_seed = [found[stage] for found in results.values()]
        means = [f"{statistics.mean(after[score][METRIC] for after in by_seed):.3f}" for score in SCORES]
        each = ", ".join(f"{after['hybrid'][METRIC]:.3f}" for after in by_seed)
        lines.append(f"| {stage or '(before the second stage)'} | {' | '.join(means)} | {each} |")
    return lines


def answers_table(model: Path, folder: Path, negatives: int, overrides: list[str]) -> list[str]:
    """Markdown rows: of the negatives that each rule lets through, how many bindings of the query their page shows.
    All three make it an answer."""
    build = _build_script()
    parameters = build.Parameters()
    held_out = build.draw_held_out(parameters, random.Random(f"{parameters.seed} held-out"))
    taken = {build.page_id(binding) for binding, _ in held_out}
    pages = build.draw_train(parameters, taken, random.Random(f"{parameters.seed} train"))
    by_content = {
        (BUILT / "images" / "train" / f"train-{number:05d}.png").read_bytes(): binding
        for number, (binding, _) in enumerate(pages)
    }
    named = {f"train-{number:05d}-0": queries[0] for number, (_, queries) in enumerate(pages)}
    lines = [
        f"| rule | rows with {negatives} | 0 of 3 bindings | 1 | 2 | 3: an answer |",
        "|---|---|---|---|---|---|",
    ]
    for rule, options in RULES.items():
        mined = mine(model, folder, negatives, options, overrides)
        rows = [json.loads(line) for line in (ROOT / mined / "train.jsonl").open()]
        counts = [0] * (NAMED + 1)
        for row in rows:
            for column in (column for column in row if column.startswith("negative_")):
                binding = by_content[(ROOT / folder / row[column]).read_bytes()]
                counts[sum(binding[mark] == code for mark, code in named[row["query_id"]].items())] += 1
        full = sum(f"negative_{negatives - 1}" in row for row in rows) / len(rows)
        shares = " | ".join(f"{100 * count / max(1, sum(counts)):.1f} %" for count in counts)
        lines.append(f"| {rule} | {100 * full:.0f} % | {shares} |")
    return lines


def _build_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("local_binding_build", DATA / "build.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--stages", nargs="+", default=list(TRAINED), choices=list(TRAINED))
    parser.add_argument("--folder", type=Path, default=Path("runs/hard-negatives"))
    parser.add_argument("overrides", nargs="*", help="key=value changes to every run")
    given = parser.parse_args()
    (ROOT / given.folder).mkdir(parents=True, exist_ok=True)
    results = {seed: seed_results(seed, given.folder, given.stages, given.overrides) for seed in given.seeds}
    seed = given.seeds[0]
    answers = answers_table(given.folder / f"first-{seed}", given.folder / f"mined-{seed}", 4, given.overrides)
    line = f"`{' '.join(['python -m benchmarks.hard_negatives', *given.overrides])}`"
    replace_section(ROOT / "docs" / "findings.md", "hard-negatives", [line, "", *table(results)])
    replace_section(ROOT / "docs" / "mining.md", "answers", answers)
    print("\n".join([*table(results), "", *answers]))


if __name__ == "__main__":
    main()
