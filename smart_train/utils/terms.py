"""Names and bounds that a recipe and the code below it share. Importing them needs no library.

A mistake in a recipe is reported before torch is imported, so its sections cannot ask `losses`, `scoring` or
`evaluation`.
"""

from __future__ import annotations

from typing import Literal, get_args

Score = Literal["pooled", "late", "hybrid"]
SCORES: tuple[str, ...] = get_args(Score)

Objective = Literal["joint", "hybrid", "late", "pooled"]
# objective -> the score matrices it needs
OBJECTIVES: dict[str, tuple[str, ...]] = {
    "joint": ("pooled", "late"),
    "hybrid": ("pooled", "late"),
    "late": ("late",),
    "pooled": ("pooled",),
}
MIN_TEMPERATURE = 0.01  # a learned temperature below this makes one hard negative own the gradient
MAX_TEMPERATURE = 1000.0  # above it a softmax takes all scores for equal, those of a teacher up to 100 too
# Where the weights are learned: T of a term. The late score is a mean over all query tokens, of which a few tell pages
# apart, so its differences are several times smaller than the pooled score's.
LEARNED_TEMPERATURES = (0.005, 1.0)
MAX_HARDNESS = 10.0  # above it one negative has all the weight, as it nearly has from 1 on at low temperatures
MAX_TERM_WEIGHT = 1e6  # fp32 has seven digits: beside a term with a larger weight, one of weight 1 is lost in the sum

# Number formats of stored token states -> bytes of a number. int8 has an fp32 scale for each state beside them.
NumberFormat = Literal["float32", "bfloat16", "float16", "int8"]
NUMBER_FORMATS: tuple[str, ...] = get_args(NumberFormat)
FORMAT_BYTES: dict[str, int] = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}

# By which products of tokens the best are found: documents in an evaluation and in mining, and the tokens that win in a
# training step. What is found has its score from fp32 products in all of them; "exact": nothing is rounded.
Products = Literal["exact", "bfloat16", "float16"]
PRODUCTS: tuple[str, ...] = get_args(Products)
EXACT = "exact"

HIGHEST_SEED = 2**32 - 1  # NumPy's

# By which folders are known.
RUN_FILE = "run.json"  # in the folder of every run
RECIPE_FILE = "recipe.yaml"  # a recipe that a command writes into a folder: beside RUN_FILE
INDEX_FILE = "index.json"  # in every index of documents
GOLDEN_FILE = "golden.safetensors"  # in every export

HEADLINE = "ndcg@5"  # where there is room for one metric; the best checkpoint is chosen by it, too
