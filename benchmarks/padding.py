"""How much of a step's document positions is padding, by how its rows are chosen.

    python -m benchmarks.padding            # counts alone: no model is made, a second
    python -m benchmarks.padding --write    # the same, into docs/benchmarks.md

Four corpora, by the tokens of their pages or texts; 64 rows a step and process. `data.group_by_length` keeps the number
of rows, and so of candidates; `data.max_tokens_per_batch` (here 64 mean lengths, at most 256 rows) bounds the positions
of a step instead. With gradient caching a side is sorted before it is divided, so that less is left to gain.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from benchmarks._harness import DOCUMENT
from benchmarks.document import print_or_write
from smart_train.data import Group, GroupedBatches
from smart_train.training import GradientCaching
from smart_train.training.padding import positions

ROWS, BATCH, CHUNK = 20_000, 64, 8


def corpora(rows: int) -> dict[str, list[int]]:
    """Tokens of each document of four corpora."""
    rng = random.Random(0)
    return {
        "one size of page": [1_160] * rows,
        "pages and slides": [rng.choice((1_160, 620, 740)) for _ in range(rows)],
        "sizes from 64 to 1,800": [rng.randint(64, 1_800) for _ in range(rows)],
        "text, log-normal around 300": [max(8, min(8_192, round(rng.lognormvariate(5.7, 0.8)))) for _ in range(rows)],
    }


def share(lengths: Sequence[int], batches: GroupedBatches, caching: GradientCaching | None = None) -> float:
    """The share of an epoch's document positions that is padding."""
    steps = [[lengths[row] for row in batch] for batch in batches]
    return 1 - sum(map(sum, steps)) / sum(positions(step, caching) for step in steps)


def shares(lengths: Sequence[int]) -> dict[str, float]:
    """The same, by how the rows of a step are chosen and divided."""
    group = Group("rows", range(len(lengths)), lengths=lengths)
    at_random = GroupedBatches([group], batch_size=BATCH)
    by_length = GroupedBatches([group], batch_size=BATCH, by_length=True)
    budget = BATCH * sum(lengths) // len(lengths)
    chunks = GradientCaching(CHUNK)
    return {
        "at random": share(lengths, at_random),
        "group_by_length": share(lengths, by_length),
        "max_tokens_per_batch": share(
            lengths, GroupedBatches([group], batch_size=4 * BATCH, max_tokens=budget, drop_last=False)
        ),
        f"at random, cached {CHUNK} at a time": share(lengths, at_random, chunks),
        f"group_by_length, cached {CHUNK} at a time": share(lengths, by_length, chunks),
    }


def lines(rows: int = ROWS) -> list[str]:
    """The table, in Markdown."""
    found = {name: shares(lengths) for name, lengths in corpora(rows).items()}
    ways = list(next(iter(found.values())))
    return [
        "## Padding",
        "",
        "`python -m benchmarks.padding --write`",
        "",
        f"**Share of document positions that is padding, {rows:,} rows, {BATCH} a step**",
        "",
        f"| documents | {' | '.join(ways)} |",
        f"|{'---|' * (1 + len(ways))}",
        *(f"| {name} | {' | '.join(f'{by_way[way]:.1%}' for way in ways)} |" for name, by_way in found.items()),
        "",
    ]


if __name__ == "__main__":
    print_or_write(__doc__, DOCUMENT, "padding", lines)
