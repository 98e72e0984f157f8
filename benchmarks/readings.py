"""Qwen3-VL made a retriever in LamRA's way, read twice: as that model reads, and as the SMART authors trained.

Run:     python -m benchmarks.readings [--jobs 2] [--seeds 0 1 2]
Needs:   2 CPU cores, no network; about 15 minutes. Runs are kept under runs/readings and resume.
Expect:  the table between the markers of docs/findings.md, rewritten.

Every run is recipes/quickstart.yaml with another `model.family` and seed, which draws the weights and the order of the
rows. The one reading numbers image tokens by rows and columns and has DeepStack, the other numbers them like words and
has none. Images have the same size in both. Prompts differ by a newline and a generation prompt.
"""

from __future__ import annotations

import argparse
import statistics
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

from benchmarks.document import replace_section
from benchmarks.local_binding import METRIC, ROOT, prepare, run
from smart_train.evaluation import SCORES

FAMILIES = ("lamra_qwen3_vl", "smart_lamra_qwen3_vl")
# The least area of the one is 256 tokens and of the other 4, and a page has 25.
SAME_PAGES = "model.min_pixels=4096"


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

    cases = list(product(FAMILIES, given.seeds))
    with ThreadPoolExecutor(given.jobs) as pool:
        results = dict(zip(cases, pool.map(one, cases), strict=True))
    lines = table(results)
    print("\n".join(lines))
    command = " ".join(["python -m benchmarks.readings", *given.overrides])
    replace_section(ROOT / "docs" / "findings.md", "readings", [f"`{command}`", "", *lines])


if __name__ == "__main__":
    main()
