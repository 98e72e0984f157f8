"""A text model of two layers, and queries whose answer is what its late score puts first: tuning must find that."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

from smart_train import SmartModel
from smart_train.evaluation import EvaluationSet
from smart_train.scoring import ScoringConfig
from smart_train.types import ModelInput
from tests.models.text_folders import WORDS, encoder_folder


@dataclass
class Toy:
    """folder: the model's. queries[i] is answered by documents[answers[i]]."""

    folder: Path
    model: SmartModel
    queries: list[str]
    documents: list[str]
    answers: list[int]

    def data(self, first: int = 0, last: int | None = None, name: str = "toy") -> EvaluationSet:
        queries, answers = self.queries[first:last], self.answers[first:last]
        return EvaluationSet(
            [ModelInput(text) for text in queries],
            [f"q{i}" for i in range(len(queries))],
            [ModelInput(text) for text in self.documents],
            [f"d{i}" for i in range(len(self.documents))],
            [{f"d{answer}"} for answer in answers],
            name=name,
        )

    def write(self, file: Path, count: int | None = None) -> Path:
        """The rows as JSON lines."""
        rows = [
            {"query": query, "positive": self.documents[answer], "document_id": f"d{answer}"}
            for query, answer in list(zip(self.queries, self.answers, strict=True))[:count]
        ]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return file


def make_toy(folder: Path, scoring: ScoringConfig | None = None) -> Toy:
    """`scoring`: in the model's folder."""
    made = SmartModel.from_config(encoder_folder(folder / "config"), family="text_encoder", init_std=0.2)
    made.family.scoring = scoring or ScoringConfig()
    made.save_pretrained(folder / "model")
    drawn = random.Random(0)
    documents = list(dict.fromkeys(" ".join(drawn.choices(WORDS, k=9)) for _ in range(40)))
    queries = list(dict.fromkeys(" ".join(drawn.choices(WORDS, k=4)) for _ in range(48)))
    late = ScoringConfig(pooled_weight=0.0)
    scores = made.similarity(made.encode_query(queries), made.encode_document(documents), scoring=late)
    return Toy(folder / "model", made, queries, documents, scores.argmax(dim=1).tolist())
