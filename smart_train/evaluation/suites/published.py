"""Published figures to hold a measured one against: averages over the tasks of a suite, of recall@1 for
images and videos and of nDCG@5 for documents, in per cent, from "Your Embedding Model is SMARTer Than You Think"
(arXiv 2605.24938), training-free.

Nobody publishes these by task, so a comparison needs all tasks of a suite.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from smart_train.errors import DataError, did_you_mean

SOURCE = "arXiv 2605.24938"
_METRIC = "ndcg_at_5"
_METRICS = {"mmeb-image": "recall_at_1", "mmeb-video": "recall_at_1"}


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
    "mmeb-ood": {
        "VLM2Vec-V2": Published(62.04, 64.00),
        "GME-2B": Published(66.93, 67.82),
        "Qwen3-VL-Embedding-2B": Published(69.37, 69.90),
        "Qwen3-VL-Embedding-8B": Published(73.27, 73.21),
    },
    "mmeb-image": {
        "VLM2Vec-V2": Published(69.50, 69.95),
        "GME-2B": Published(70.13, 71.05),
        "Qwen3-VL-Embedding-2B": Published(74.91, 75.33),
        "Qwen3-VL-Embedding-8B": Published(80.09, 80.15),
    },
    "mmeb-video": {
        "VLM2Vec-V2": Published(28.66, 30.03),
        "GME-2B": Published(26.73, 26.50),
        "Qwen3-VL-Embedding-2B": Published(54.04, 56.05),
        "Qwen3-VL-Embedding-8B": Published(59.01, 60.43),
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


def published_metric(suite: str) -> str:
    """What the figures of a suite of `FIGURES` are averages of, in mteb's spelling."""
    return _METRICS.get(suite, _METRIC)


def published_model(asked: str | None, names: Iterable[str]) -> str | None:
    """The model of `MODELS` that the figures are to be held against: the one `asked` for, else the one whose weights
    one of `names` (a path, a Hub id) says; None where none does.

    Raises:
        DataError: `asked` is not in the table.
    """
    if asked is not None:
        listed_model = {model.lower(): model for model in MODELS}.get(asked.lower())
        if listed_model is None:
            raise DataError(
                f"--published {asked}: no published figures of it are known{did_you_mean(asked, MODELS)}; known: "
                f"{', '.join(MODELS)}"
            )
        return listed_model
    for name in names:
        plain = "".join(letter for letter in name.lower() if letter.isalnum())
        for weights, model in _WEIGHTS.items():
            if weights in plain:
                return model
    return None
