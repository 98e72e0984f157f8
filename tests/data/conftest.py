"""A small page set on disk, and a featurizer that shows what it was given."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from smart_train.types import ModelInput


@pytest.fixture
def pages(tmp_path: Path) -> list[Path]:
    """Four pages of one colour each, pages/0.png .. pages/3.png below tmp_path."""
    (tmp_path / "pages").mkdir()
    paths = []
    for index, color in enumerate(("red", "green", "blue", "black")):
        paths.append(tmp_path / "pages" / f"{index}.png")
        Image.new("RGB", (8, 8), color).save(paths[-1])
    return paths


@pytest.fixture
def write_jsonl(tmp_path: Path) -> Callable[..., Path]:
    def write(*rows: Any, name: str = "train.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
        return path

    return write


class Echo:
    """Stands in for a model family: features are the key of the role and the number of inputs."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, list[ModelInput]]] = []

    def featurize(self, inputs: Sequence[ModelInput], role: str) -> dict[str, torch.Tensor]:
        self.seen.append((role, list(inputs)))
        return {"input_ids": torch.zeros(len(inputs), 1, dtype=torch.int64)}


@pytest.fixture
def echo() -> Echo:
    return Echo()
