"""Models of known answers, and the folder in which the published layouts lie as if they had been downloaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import normalize

from smart_train.models.prompt_settings import PromptConfig
from smart_train.scoring import ScoringConfig
from smart_train.scoring.embeddings import Embeddings
from smart_train.types import ModelInput
from tests.evaluation.suites import layouts

# Of the four of ViDoRe v2 and the six of v3.
LANGUAGES = ("french", "english")


class HandModel:
    """Every text has the vectors that the test gives it: (pooled [D], tokens [T, d]); counts what it encodes."""

    def __init__(self, vectors: Mapping[str, tuple[Sequence[float], Sequence[Sequence[float]]]], **scoring: float):
        self.vectors = vectors
        self.scoring = ScoringConfig(**scoring)
        self.device = torch.device("cpu")
        self.family = SimpleNamespace(
            name="by_hand", modalities=("text",), prompts=PromptConfig(), default_query_instruction=None
        )
        self.encoded: list[ModelInput] = []

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {"vectors": torch.tensor([sum(map(ord, text)) + sum(held[0]) for text, held in self.vectors.items()])}

    def encode_query(self, inputs: Sequence[ModelInput], **_: object) -> Embeddings:
        self.encoded += inputs
        held = [self.vectors[item.text or ""] for item in inputs]
        return Embeddings(
            normalize(torch.tensor([list(map(float, pooled)) for pooled, _ in held]), dim=-1),
            [normalize(torch.tensor(tokens, dtype=torch.float32), dim=-1) for _, tokens in held],
        )

    encode_document = encode_query


def quick(chosen):
    """`chosen` with fewer cut-offs: mteb's statistics cost more than all else here, and grow with them."""
    for task in (task for one in chosen for task in one.tasks):
        task.k_values = (1, 5, 10)
    return chosen


@pytest.fixture
def hand_model() -> type[HandModel]:
    return HandModel


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `datasets` prepares of a folder goes to a temporary one."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.getbasetemp() / "datasets")


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DATA: data sets by OWNER/NAME, each of eight pages. Not to be written to."""
    data = tmp_path_factory.mktemp("published")
    layouts.vidore(data / "mteb" / "docvqa_test_subsampled_beir")
    layouts.vidore(data / "vidore" / "esg_reports_v2", languages=LANGUAGES)
    layouts.vidore_v3(data / "vidore" / "vidore_v3_hr_mteb_format", LANGUAGES)
    layouts.vidore_v3(data / "mteb" / "Vidore3HrOCRRetrieval", LANGUAGES[1:], text=True)
    layouts.vidore_v3(data / "mteb" / "Vidore3HrBM25sReranking.v2", LANGUAGES[1:], text=True, ranked=3)
    layouts.visrag(data / "mteb" / "VisRAGRetChartQA")
    return data


@pytest.fixture(scope="session")
def page_model():
    """A Qwen3-VL of two layers with random weights."""
    from smart_train import SmartModel
    from tests.runs import OVERRIDES, TINY

    return SmartModel.from_config(TINY, overrides=OVERRIDES, init_std=0.05)


@pytest.fixture
def texts(tmp_path: Path) -> Callable[..., Path]:
    """DATA with one BEIR data set: its name, queries, documents and judgements."""

    def write(name: str, *parts: object) -> Path:
        layouts.beir(tmp_path / "DATA" / name, *parts)  # type: ignore[arg-type]
        return tmp_path / "DATA"

    return write
