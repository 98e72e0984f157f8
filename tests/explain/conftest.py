"""Models of every family that reads images."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smart_train import SmartModel
from smart_train.models import FAMILIES, register_family
from tests.explain.painted import painted
from tests.models.conftest import TINY
from tests.models.projector_family import ProjectorFamily, projector_folder
from tests.models.vision_folders import SMALL_PAGES, vision_folder

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., SmartModel]]:
    """A tiny model of a family, by its name."""
    register_family(ProjectorFamily)
    root = tmp_path_factory.mktemp("kinds")

    def build(name: str, **options: object) -> SmartModel:
        kind = FAMILIES[name].model_types[0]
        folder = root / kind
        if not folder.exists():
            projector_folder(folder) if kind == "paligemma" else vision_folder(folder, kind)
        options |= {"prompts": SMALL_PAGES} if FAMILIES[name].pixel_bounds else {}
        return SmartModel.from_config(folder, family=name, init_std=0.05, **options)

    yield build
    del FAMILIES[ProjectorFamily.name]


@pytest.fixture(scope="module")
def paint(make: Callable[..., SmartModel]) -> Callable[[str], SmartModel]:
    """A model of a family with the states of `painted.py`, made once."""
    return functools.cache(lambda name: painted(make(name)))


@pytest.fixture(scope="module")
def tiny() -> SmartModel:
    return SmartModel.from_config(TINY, init_std=0.05)
