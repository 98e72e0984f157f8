"""Qwen3-VL made a retriever in LamRA's way, read twice: as that model reads, and as the SMART authors trained.

Run:     python -m benchmarks.readings [--jobs 2] [--seeds 0 1 2]
Needs:   2 CPU cores, no network; about 15 minutes. Runs are kept under runs/readings and resume.
Expect:  the table between the markers of docs/findings.md, rewritten.

Every run is recipes/quickstart.yaml with another `model.family` and seed, which draws the weights and the order of the
rows. The one reading numbers image tokens by rows and columns and has DeepStack, the other numbers them like words and
has none. Images have the same size in both. Prompts differ by a newline and a generation prompt. The last row is paired
by query, each query's value being its mean over the seeds.
"""

from __future__ import annotations

import argparse
import json
import statistics
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.document import replace_section
from benchmarks.local_binding import METRIC, ROOT, prepare, run
from smart_train.evaluation import SCORES
from smart_train.evaluation.compare import p_text, sign_flip_test
from smart_train.evaluation.result_tables import PER_QUERY_FILE

FAMILIES = ("lamra_qwen3_vl", "smart_lamra_qwen3_vl")
# The least area of the one is 256 tokens and of the other 4, and a page has 25.
SAME_PAGES = "model.min_pixels=4096"
SAMPLES, CONFIDENCE = 10_000, 0.95


def table(results: dict[tuple[str, int], dict]) -> list[str]:
    """Markdown rows: each score after training, its mean and each seed."""
    lines = [f"| `model.family` | {' | '.join(SCORES)} |", f"|---|{'---|' * len(SCORES)}"]
    for family in FAMILIES:
        cells = []
        for score in SCORES:
            values = [found["after"][score][METRIC] for (name, _), found in results.items() if name == family]
            cells.append(f"{statistics.mean(values):.3f} ({', '.join(f'{value:.3f}' for value in values)})")
        lines.append(f"| `{family}` | {' | '.join(cells)} |")
    return lines


def paired(folder: Path, seeds: list[int]) -> str:
    """A Markdown row: how much higher the second reading is, its interval and p value, over the held-out queries."""
    first, second = (
        np.mean([per_query(folder / f"{family}-{seed}" / PER_QUERY_FILE) for seed in seeds], axis=0)
        for family in FAMILIES
    )
    p_values, low, high = sign_flip_test(second - first, SAMPLES, CONFIDENCE, np.random.default_rng(0))
    cells = [
        f"{mean:+.3f} ({least:+.3f} to {most:+.3f}, p {p_text(p_value)})"
        for mean, least, most, p_value in zip((second - first).mean(axis=0), low, high, p_values, strict=True)
    ]
    return f"| second less first, {CONFIDENCE:.0%} interval | {' | '.join(cells)} |"


def per_query(path: Path, metric: str = METRIC) -> np.ndarray:
    """float [queries, scores]: the values of a run after training, in the order of the query ids."""
    values = json.loads(path.read_text(encoding="utf-8"))
    order = np.argsort(values["query_ids"])
    return np.array([values["after"][score][metric] for score in SCORES]).T[order]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2, help="runs at once, one core each")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folder", type=Path, default=Path("runs/readings"))
    parser.add_argument("overrides", nargs="*", help="key=value changes to the recipe")
    given = parser.parse_args()
    prepare(given.folder)

    def one(case: tuple[str, int]) -> dict:
        family, seed = case
        return run("quickstart", family, seed, given.folder, [f"model.family={family}", SAME_PAGES, *given.overrides])

    # Seed by seed, so that a run that is stopped leaves whole pairs.
    cases = [(family, seed) for seed, family in product(given.seeds, FAMILIES)]
    with ThreadPoolExecutor(given.jobs) as pool:
        results = dict(zip(cases, pool.map(one, cases), strict=True))
    lines = [*table(results), paired(ROOT / given.folder, given.seeds)]
    print("\n".join(lines))
    command = " ".join(["python -m benchmarks.readings", *given.overrides])
    replace_section(ROOT / "docs" / "findings.md", "readings", [f"`{command}`", "", *lines])


if __name__ == "__main__":
    main()
