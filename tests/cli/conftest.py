"""What several files of tests of commands share: a program to call, a small model, pages."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from smart_train import SmartModel
from tests.command import ended

TINY = Path(__file__).parents[2] / "data" / "tiny-qwen3-vl"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Calls `smart-train ARGUMENTS` in this process."""

    return partial(ended, monkeypatch, capsys)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    for index, colour in enumerate(("red", "green", "blue")):
        page = Image.new("RGB", (96, 96), "white")
        ImageDraw.Draw(page).rectangle((8, 8, 40 + 8 * index, 40), fill=colour)
        page.save(folder / f"{colour}.png")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    SmartModel.from_config(TINY, init_std=0.05).save_pretrained(folder)
    return folder
