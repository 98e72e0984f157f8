"""Published figures of whole suites, to hold a measured one against. Averages of nDCG@5 over the tasks of a suite, in
per cent, from "Your Embedding Model is SMARTer Than You Think" (arXiv 2605.24938), training-free.

Nobody publishes these by task, so a comparison needs all tasks of a suite.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from smart_train.errors import DataError, did_you_mean

SOURCE = "arXiv 2605.24938"
METRIC = "ndcg_at_5"


@dataclass(frozen=True)
class Published:
    """What is published of one model on one suite: its own, pooled score, and the hybrid score (SMART), in per cent."""

    pooled: float
    hybrid: float


# suite of `catalogue.SUITES` -> model -> figures
FIGURES: dict[str, dict[str, Published]] = {
    "vidore-v1": {
        "VLM2Vec-V2": Published(75.34, 80.23),
        "GME-2B": Published(87.61, 87.97),
        "Qwen3-VL-Embedding-2B": Published(84.46, 85.52),
        "Qwen3-VL-Embedding-8B": Published(87.29, 87.92),
    },
    "vidore-v2": {
        "VLM2Vec-V2": Published(47.28, 51.08),
        "GME-2B": Published(53.76, 57.23),
        "Qwen3-VL-Embedding-2B": Published(65.38, 66.61),
        "Qwen3-VL-Embedding-8B": Published(69.35, 70.57),
    },
    "visrag": {
        "VLM2Vec-V2": Published(79.43, 82.76),
        "GME-2B": Published(82.49, 84.18),
        "Qwen3-VL-Embedding-2B": Published(86.19, 86.87),
        "Qwen3-VL-Embedding-8B": Published(88.78, 89.12),
    },
}
MODELS = tuple(FIGURES["vidore-v1"])
# How the names of their weights read, without case and marks.
_WEIGHTS = {
    "vlm2vecv2": "VLM2Vec-V2",
    "gme2b": "GME-2B",
    "gmeqwen2vl2b": "GME-2B",
    "qwen3vlembedding2b": "Qwen3-VL-Embedding-2B",
    "qwen3vlembedding8b": "Qwen3-VL-Embedding-8B",
}


def published_model(requested: str | None, names: Iterable[str]) -> str | None:
    """The model of `MODELS` whose published figures are shown beside ours: the one that is `requested`, else the one
    that one of `names` (paths, Hub ids) belongs to; None where none does.

    Raises:
        DataError: `requested` is not in the table.
    """
    if requested is not None:
        known_model = {model.lower(): model for model in MODELS}.get(requested.lower())
        if known_model is None:
            raise DataError(
                f"--published {requested}: no published figures of it are known{did_you_mean(requested, MODELS)}; "
                f"known: {', '.join(MODELS)}"
            )
        return known_model
    for name in names:
        plain = "".join(letter for letter in name.lower() if letter.isalnum())
        for weights, model in _WEIGHTS.items():
            if weights in plain:
                return model
    return None
