"""Where the winning patches of a trained model lie: on the mark that a query's word names, or elsewhere on the page.

Run:     python -m benchmarks.where_it_matches runs/quickstart_paper [--pages 200]
Needs:   a finished run of recipes/quickstart_paper.yaml; one CPU core, no network; about a minute.
Expect:  the table between the markers of docs/explain.md, rewritten.

Every page of data/local-binding has six marks in 25 cells, and a cell is one token of the model. A query names three of
them: "red circle beside K, ...". A word hits when its winning patch is the cell of the mark that it speaks of.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.document import replace_section
from smart_train import SmartModel
from smart_train.explain import Explanation, explain
from smart_train.inputs.mark_pages import CELL, MARKS
from smart_train.recipe import load_recipe
from smart_train.recipe.reader import RECIPE_FILE
from smart_train.types import ModelInput

ROOT = Path(__file__).parents[1]
# A cell is also a token of Qwen3-VL.
COLOURS = {mark.split()[0]: colour for mark, (colour, _) in MARKS.items()}
KINDS = ("colour", "shape", "code")


def hits(found: Explanation, query: str, page: np.ndarray) -> tuple[Counter[str], Counter[str]]:
    """How many words of each kind there are, and of how many the winning patch is the cell that they speak of."""
    cells: dict[int, tuple[str, tuple[int, int]]] = {}  # where a word ends in the query -> its kind and cell
    for phrase in re.finditer(r"(\w+) (\w+) beside (\w+)", query):
        rows, columns = (page == COLOURS[phrase[1]]).all(axis=2).nonzero()
        for place, kind in enumerate(KINDS, start=1):
            cells[phrase.end(place)] = (kind, (int(rows[0]) // CELL, int(columns[0]) // CELL))
    end = -"".join(token.text for token in found.query_prompt).index(query)  # counted from where the query begins
    seen, hit, winners = Counter[str](), Counter[str](), iter(found.winners)
    for token in found.query_prompt:
        end += len(token.text)
        winner = found.document_tokens[next(winners)] if token.kept else None
        if winner is not None and end in cells:
            kind, cell = cells[end]
            seen[kind] += 1
            hit[kind] += winner.image == 0 and (winner.row, winner.column) == cell
    return seen, hit


def measure(model: SmartModel, rows: list[dict[str, str]], folder: Path) -> dict[str, float]:
    """Kind of word -> the share that hits."""
    seen, hit = Counter[str](), Counter[str]()
    for row in rows:
        page = Image.open(folder / row["positive"]).convert("RGB")
        found = explain(model, row["query"], ModelInput(images=(page,)))
        for total, more in zip((seen, hit), hits(found, row["query"], np.asarray(page)), strict=True):
            total.update(more)
    assert all(seen[kind] == 3 * len(rows) for kind in KINDS), f"words were missed: {seen}"
    return {kind: hit[kind] / seen[kind] for kind in KINDS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--pages", type=int, default=200)
    given = parser.parse_args()
    data = Path(load_recipe(given.run / RECIPE_FILE).data.evaluation.path)
    rows = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines()][: given.pages]
    lines = ["| model | colour word | shape word | code |", "|---|---|---|---|"]
    lines.append(f"| a patch drawn at random | {' | '.join(['0.040'] * len(KINDS))} |")
    for name, folder in (("untrained", "base"), ("trained (quickstart_paper)", "final")):
        shares = measure(SmartModel.from_pretrained(given.run / folder), rows, data.parent)
        lines.append(f"| {name} | {' | '.join(f'{shares[kind]:.3f}' for kind in KINDS)} |")
    print("\n".join(lines))
    command = (
        f"`python -m benchmarks.where_it_matches {given.run}`: {len(rows)} pages, {3 * len(rows)} words of each kind"
    )
    replace_section(ROOT / "docs" / "explain.md", "where-it-matches", [command, "", *lines])


if __name__ == "__main__":
    main()
