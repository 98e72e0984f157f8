"""A model with one weight matrix: it sees the mean colour of an image, and of a text the colours it names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import normalize

from smart_train.inputs.images import load_image
from smart_train.models.prompt_settings import PromptConfig
from smart_train.scoring import ScoringConfig
from smart_train.scoring.embeddings import Embeddings
from smart_train.types import ModelInput

COLOURS = {"red": (250, 10, 10), "green": (10, 250, 10), "blue": (10, 10, 250), "grey": (128, 128, 128)}


class ColourModel(torch.nn.Module):
    def __init__(
        self, seed: int = 0, scoring: ScoringConfig | None = None, prompts: PromptConfig | None = None
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = torch.nn.Parameter(torch.eye(3) + 0.1 * torch.randn(3, 3, generator=generator))
        self.family = SimpleNamespace(name="colour", prompts=prompts or PromptConfig())
        self.scoring = scoring or ScoringConfig()
        self.device = torch.device("cpu")
        self.encoded: list[str] = []

    def encode_query(self, inputs: list[ModelInput], **options: object) -> Embeddings:
        return self._embed([[COLOURS[word] for word in item.text.split()] for item in inputs])

    def encode_document(self, inputs: list[ModelInput], **options: object) -> Embeddings:
        self.encoded += [Path(item.images[0]).name for item in inputs]
        images = [np.asarray(load_image(item.images[0])) for item in inputs]
        return self._embed([[image[:, :2].mean((0, 1)), image[:, 2:].mean((0, 1))] for image in images])

    @torch.no_grad()
    def _embed(self, items: list) -> Embeddings:
        tokens = [
            normalize((torch.tensor(np.array(item), dtype=torch.float32) - 100) @ self.weight, dim=-1) for item in items
        ]
        return Embeddings(normalize(torch.stack([item.mean(0) for item in tokens]), dim=-1), tokens)


@pytest.fixture
def make_model() -> type[ColourModel]:
    return ColourModel


@pytest.fixture
def model() -> ColourModel:
    return ColourModel()


@pytest.fixture
def paint() -> Callable[..., Path]:
    def draw(path: Path, left: str, right: str | None = None) -> Path:
        pixels = np.zeros((4, 4, 3), dtype=np.uint8)
        pixels[:, :2], pixels[:, 2:] = COLOURS[left], COLOURS[right or left]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        return path

    return draw


@pytest.fixture
def pages(tmp_path: Path, paint: Callable[..., Path]) -> Path:
    folder = tmp_path / "pages"
    paint(folder / "b.png", "red")
    paint(folder / "a.webp", "green")
    paint(folder / "deep" / "er" / "c.PNG", "blue")
    paint(folder / "deep" / "d.bmp", "red", "blue")
    (folder / "notes.txt").write_text("not a page")
    paint(folder / ".thumbnails" / "b.png", "red")
    paint(folder / "._b.png", "red")
    return folder
