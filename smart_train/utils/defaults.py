"""Default values that the library and its command line share. Importing them needs no library.

typer reads a command's defaults from its signature, before anything that takes seconds to import.
"""

from __future__ import annotations

from typing import NamedTuple

BATCH_SIZE = 32  # items encoded at a time
TOP_K = 10  # hits per query
# Queries of one gradient: a page of 1,300 tokens keeps a gigabyte of activations at 2 billion weights.
PROBE_PAIRS = 8
REPORT_SAMPLES = 24  # pairs of each part that the page of `validate-data` shows
TOLERANCE = 1e-4  # largest difference of a pooled, late or hybrid score that an fp32 export may show


class MiningDefaults(NamedTuple):
    """Of `MiningConfig`, by the names of its fields."""

    score: str = "hybrid"
    negatives: int = 4
    first_rank: int = 1
    last_rank: int = 100
    margin: float = 0.95
    max_score: float | None = None
    pick: str = "top"
    seed: int = 0
    candidates: int | None = None
    when_short: str = "drop"


MINING = MiningDefaults()
MINING_SHARD = 512  # items encoded, held and written at once
MINING_STORE = "float32"  # what token states are kept as on the disk
