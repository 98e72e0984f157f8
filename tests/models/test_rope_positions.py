"""Positions that are made beside the tokens are those that each kind of backbone would count in its forward."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers.utils import is_torchvision_available

from smart_train import SmartModel
from smart_train.models.families.rope_positions import RopeRule
from smart_train.models.readout import ROPE_POSITIONS, backbone_inputs
from smart_train.models.slicing import select_rows
from smart_train.types import ModelInput
from tests.models.vision_folders import SMALL_PAGES, vision_folder
from tests.training.batches import noise

KINDS = {"qwen2_vl": "ops_mm_embedding", "qwen2_5_vl": "jina_v4", "qwen3_vl": "qwen3_vl_embedding"}
needs_torchvision = pytest.mark.skipif(not is_torchvision_available(), reason="videos need torchvision")


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SmartModel:
    folder: Path = vision_folder(tmp_path_factory.mktemp("rope") / request.param, request.param)
    return SmartModel.from_config(folder, family=KINDS[request.param], prompts=SMALL_PAGES)


def frames(count: int, size: tuple[int, int] = (96, 64)) -> list[Image.Image]:
    return [Image.new("RGB", size, (40 * index, 90, 200)) for index in range(count)]


PAGES = [
    ModelInput("a caption", (noise(1),)),
    ModelInput("text alone, and longer than the others are, so that they are padded"),
    ModelInput(None, (noise(0), noise(2))),
]
VIDEOS = [ModelInput("a walk", video=frames(6)), ModelInput("one frame", (noise(2),), frames(1, (64, 96)))]


def assert_as_the_backbone_counts(model: SmartModel, items: list[ModelInput]) -> None:
    features = model.family.featurize(items, "document")
    own = {name: value for name, value in features.items() if name != ROPE_POSITIONS}
    names = ("input_ids", "mm_token_type_ids", "image_grid_thw", "video_grid_thw", "second_per_grid_ts")
    given = {name: own[name] for name in names if name in own}
    expected, _ = model.backbone.get_rope_index(**given, attention_mask=own["attention_mask"])
    assert torch.equal(backbone_inputs(features)["position_ids"], expected)
    assert len(expected.unique()) > 4 and not torch.equal(expected[1], expected[2])
    with torch.no_grad():
        assert torch.equal(model(features).packed, model(own).packed)


def test_of_pages(model: SmartModel) -> None:
    assert_as_the_backbone_counts(model, PAGES)


@needs_torchvision
def test_of_videos_beside_pages(model: SmartModel) -> None:
    assert_as_the_backbone_counts(model, [*VIDEOS, *PAGES])


def test_of_text_alone(model: SmartModel) -> None:
    features = model.family.featurize([PAGES[1], ModelInput("short")], "query")
    own = {name: value for name, value in features.items() if name != ROPE_POSITIONS}
    with torch.no_grad():
        assert torch.equal(model(features).packed, model(own).packed)


def test_a_chunk_takes_its_rows(model: SmartModel) -> None:
    features = model.family.featurize(PAGES, "document")
    chosen = select_rows(features, [2, 0], model.family.visual_fields)
    assert chosen[ROPE_POSITIONS].shape == (*chosen["input_ids"].shape, 3)
    valid = chosen["attention_mask"][1].bool()
    before = features[ROPE_POSITIONS][0][features["attention_mask"][0].bool()]
    assert torch.equal(chosen[ROPE_POSITIONS][1][valid], before)


def test_an_unknown_kind_of_backbone_counts_by_itself() -> None:
    assert RopeRule.of({"model_type": "qwen9_vl", "vision_config": {"spatial_merge_size": 2}}) is None
    assert RopeRule.of({}) is None
