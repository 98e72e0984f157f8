"""A model whose embeddings are drawn from the text of the input: no weights, no tokenizer, known answers."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import pytest
import torch
from torch.nn.functional import normalize

from smart_train.evaluation import EvaluationSet
from smart_train.scoring import ScoringConfig
from smart_train.scoring.embeddings import Embeddings
from smart_train.types import ModelInput
from tests.tuned import Toy, make_toy


class DrawnModel:
    """Every text gets its own random vectors; text "x|y" is close to text "x" (a query near its page)."""

    def __init__(self, scoring: ScoringConfig | None = None, constant: bool = False) -> None:
        self.scoring = scoring or ScoringConfig()
        self.device = torch.device("cpu")
        self.constant = constant
        self.encoded: list[str] = []

    def encode_query(self, inputs: Sequence[ModelInput], **options: object) -> Embeddings:
        return self._encode(inputs, 3)

    def encode_document(self, inputs: Sequence[ModelInput], **options: object) -> Embeddings:
        return self._encode(inputs, 9)

    def _encode(self, inputs: Sequence[ModelInput], most: int) -> Embeddings:
        pooled, tokens = [], []
        for item in inputs:
            text = item.text or ""
            self.encoded.append(text)
            drawn = torch.zeros(10, 8)
            for weight, part in ((1.0, text.split("|")[0]), (0.9, text)):
                seed = 0 if self.constant else zlib.crc32(part.encode())
                drawn += weight * torch.randn(10, 8, generator=torch.Generator().manual_seed(seed))
            drawn = normalize(drawn, dim=-1)
            pooled.append(drawn[0])
            count = 1 if self.constant else 1 + len(text) % most
            tokens.append(drawn[1 : 1 + count])
        return Embeddings(torch.stack(pooled), tokens)


def drawn_set(queries: int, documents: int) -> EvaluationSet:
    """Query i ("page i|question") is answered by page i; the other pages answer nothing."""
    return EvaluationSet(
        queries=[ModelInput(text=f"page {i}|question") for i in range(queries)],
        query_ids=[f"q{i}" for i in range(queries)],
        documents=[ModelInput(text=f"page {i}") for i in range(documents)],
        document_ids=[f"d{i}" for i in range(documents)],
        relevant=[{f"d{i}"} for i in range(queries)],
    )


@pytest.fixture
def make_model() -> type[DrawnModel]:
    return DrawnModel


@pytest.fixture
def model() -> DrawnModel:
    return DrawnModel()


@pytest.fixture
def make_set() -> Callable[[int, int], EvaluationSet]:
    return drawn_set


@pytest.fixture
def evaluation_set() -> EvaluationSet:
    return drawn_set(30, 60)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("toy"))
