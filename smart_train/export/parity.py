"""Proof that two models score alike: the same probe inputs through both, the scores side by side."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from smart_train.models import SmartModel
from smart_train.models.family import Role
from smart_train.scoring import ScoringConfig, combine, score_parts
from smart_train.scoring.embeddings import Embeddings
from smart_train.types import Example, ModelInput

_WORDS = ("invoice", "total revenue", "2019", "margin", "table of contents", "safety valve", "42 µm", "naïve", "数据")


@dataclass(frozen=True)
class Probe:
    """Inputs to compare two models on."""

    queries: tuple[ModelInput, ...]
    documents: tuple[ModelInput, ...]

    @classmethod
    def make(cls, modalities: Sequence[str], examples: Sequence[Example] = (), *, limit: int = 16) -> Probe:
        """Fixed texts and drawn pages of several shapes, then up to `limit` of the run's own held-out pairs.

        The fixed part needs no data, so an export can be proved anywhere; the examples show what the model is for. Each
        is encoded up to three times in float32 on the CPU, so their pages are limited, too: after the first pair only
        those are taken with which neither side has more than `limit` images; a video counts as so many.
        """
        rng = random.Random(0)
        texts = [ModelInput(" ".join(rng.choices(_WORDS, k=length))) for length in (1, 3, 8, 24, 60)]
        documents = list(texts)
        if "image" in modalities:
            for width, height in ((64, 64), (160, 96), (96, 224)):
                noise = Image.frombytes("RGB", (width // 8, height // 8), rng.randbytes(width * height // 64 * 3))
                documents.append(ModelInput(None, (noise.resize((width, height), Image.Resampling.NEAREST),)))
        queries, pages = list(texts), 0
        for example in examples[:limit]:
            query, document = example.query, example.documents[0]
            more = max(len(item.images) + (limit if item.video is not None else 0) for item in (query, document))
            if pages == 0 or pages + more <= limit:
                queries.append(query)
                documents.append(document)
                pages += more
        return cls(tuple(queries), tuple(documents))

    def side(self, role: Role) -> tuple[ModelInput, ...]:
        """The inputs of one role."""
        return self.queries if role == "query" else self.documents

    def encode(self, model: SmartModel) -> tuple[Embeddings, Embeddings]:
        """Both sides as `model` sees them."""
        return (
            model.encode_query(self.queries, batch_size=8, show_progress_bar=False),
            model.encode_document(self.documents, batch_size=8, show_progress_bar=False),
        )


@dataclass(frozen=True)
class ParityReport:
    """Largest absolute differences of the scores of every probe query against every probe document.

    Attributes:
        queries: how many there are. same_best: for how many of them the same document has the best hybrid score.
    """

    pooled: float
    late: float
    hybrid: float
    queries: int
    same_best: int

    @property
    def largest(self) -> float:
        return max(self.pooled, self.late, self.hybrid)

    @property
    def effect(self) -> str:
        """What the difference does, in the words of a report."""
        return (
            f"moves scores by at most {self.largest:.1e}; the best document stays the same for {self.same_best} of "
            f"{self.queries} probe queries"
        )

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {value:.2e}" for name, value in self.to_dict().items())
        return f"largest difference {self.largest:.2e} ({parts})"

    def to_dict(self) -> dict[str, Any]:
        """The differences alone."""
        return {"pooled": self.pooled, "late": self.late, "hybrid": self.hybrid}


def measure_parity(
    expected: tuple[Embeddings, Embeddings], actual: tuple[Embeddings, Embeddings], scoring: ScoringConfig
) -> ParityReport:
    """Differences between two encodings (queries, documents) of one probe. Both are finite: a model that gives
    NaN raises where it encodes."""
    ours, theirs = score_parts(*expected), score_parts(*actual)
    pairs = {
        "pooled": (ours.of("pooled"), theirs.of("pooled")),
        "late": (ours.of("late"), theirs.of("late")),
        "hybrid": (combine(ours, scoring), combine(theirs, scoring)),
    }
    best, best_exported = (side.argmax(dim=1) for side in pairs["hybrid"])
    differences = {name: float((left - right).abs().max()) for name, (left, right) in pairs.items()}
    return ParityReport(**differences, queries=len(expected[0]), same_best=int((best == best_exported).sum()))
