"""A tiny random Qwen3-VL, and pages for it."""

from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from smart_train import ScoringConfig, SmartModel
from smart_train.types import ModelInput

TINY = Path(__file__).parents[2] / "data" / "tiny-qwen3-vl"


def make_model(**kwargs):
    return SmartModel.from_config(TINY, init_std=0.05, **kwargs)


@pytest.fixture
def tiny():
    return make_model()


@pytest.fixture(scope="session")
def pages():
    made = []
    for index, size in enumerate([(96, 96), (160, 96), (64, 128)]):
        page = Image.new("RGB", size, "white")
        ImageDraw.Draw(page).rectangle((8, 8, 40 + 8 * index, 40), fill=["red", "green", "blue"][index])
        made.append(page)
    return made


@pytest.fixture
def mixed(pages):
    """Text, image, image + text, two images, empty."""
    return [
        ModelInput("total revenue 2019"),
        ModelInput(None, (pages[0],)),
        ModelInput("a caption", (pages[1],)),
        ModelInput(None, (pages[0], pages[2])),
        ModelInput(),
    ]


@pytest.fixture
def drop_pooled():
    return ScoringConfig(pooled_token="drop")
