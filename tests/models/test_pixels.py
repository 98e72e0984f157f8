"""Pixels that travel in 8 bits come back as the processor gave them, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.utils import is_torchvision_available

from smart_train import SmartModel
from smart_train.data import PairCollator
from smart_train.models.families.pixel_levels import PIXEL_LEVELS, VIDEO_LEVELS
from smart_train.models.family import Features
from smart_train.models.pixels import CompactCollator, compacted, expanded
from smart_train.models.slicing import select_rows
from smart_train.training.grad_cache import GradientCaching, HostFeatures, encode_cached
from smart_train.types import Example, ModelInput
from tests.models.idefics3_folders import colidefics3_folder
from tests.models.paligemma_folders import colpali_folder
from tests.models.vision_folders import SMALL_PAGES, vision_folder
from tests.runs import OVERRIDES, TINY


def noise(width: int, height: int) -> Image.Image:
    drawn = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(drawn)


ITEMS = [
    ModelInput("a page", images=(noise(96, 64),)),
    ModelInput("no page"),
    ModelInput(images=(noise(64, 160), Image.new("RGB", (64, 64), "white"))),
    ModelInput(images=(noise(301, 199),)),  # resized by the processor
]


@pytest.fixture(scope="module")
def model() -> SmartModel:
    return SmartModel.from_config(TINY, overrides=OVERRIDES, init_std=0.05)


@pytest.fixture(scope="module", params=["qwen3_vl", "qwen2_vl"])
def family(request: pytest.FixtureRequest, model: SmartModel, tmp_path_factory: pytest.TempPathFactory):
    if request.param == "qwen3_vl":
        return model.family
    folder = vision_folder(tmp_path_factory.mktemp("folder") / "two", "qwen2_vl")
    return SmartModel.from_config(folder, family="gme", prompts=SMALL_PAGES).family


def nbytes(features: Features) -> int:
    return sum(value.nbytes for value in features.values())


def assert_same(found: Features, expected: Features) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype and torch.equal(found[name], value), name
    for name in ("pixel_values", "pixel_values_videos"):
        if name in expected:
            assert torch.equal(found[name].view(torch.int32), expected[name].view(torch.int32))


def test_an_eighth_travels_and_everything_comes_back(family) -> None:
    features = family.featurize(ITEMS, "document")
    compact = family.compact(features)
    assert compact["pixel_values"].dtype == torch.uint8
    assert features["pixel_values"].nbytes == 8 * compact["pixel_values"].nbytes
    assert_same(family.expand(compact), features)
    assert family.expand(features) is features and nbytes(compact) < nbytes(features) / 5


def test_rows_of_a_compact_batch_are_rows_of_the_batch(family) -> None:
    features = family.featurize(ITEMS, "document")
    for rows in ([2, 0], [1], [3]):
        found = family.expand(select_rows(family.compact(features), rows, family.visual_fields))
        expected = select_rows(features, rows, family.visual_fields)
        assert found.keys() == expected.keys() and PIXEL_LEVELS not in found
        for name, value in expected.items():
            assert torch.equal(found[name], value), name


needs_torchvision = pytest.mark.skipif(not is_torchvision_available(), reason="video processors need torchvision")
CLIPS = [
    ModelInput("a clip", video=[noise(96, 64), noise(96, 64).rotate(90), noise(96, 64).rotate(180)]),
    ModelInput("a page", images=(noise(96, 64),)),
    ModelInput("both", images=(noise(64, 64),), video=[noise(200, 130), Image.new("RGB", (200, 130), "white")]),
    ModelInput("neither"),
]


@needs_torchvision
def test_videos_travel_as_a_quarter_and_come_back_too(family) -> None:
    features = family.featurize(CLIPS, "document")
    compact = family.compact(features)
    assert compact["pixel_values_videos"].dtype == torch.uint8
    assert features["pixel_values_videos"].nbytes == 4 * compact["pixel_values_videos"].nbytes
    assert_same(family.expand(compact), features)
    for rows in ([2, 0], [1], [3], [0, 1]):
        found = family.expand(select_rows(compact, rows, family.visual_fields))
        assert_same(found, select_rows(features, rows, family.visual_fields))
    moved = features["pixel_values_videos"].clone()
    moved[0, 0] += 1e-6  # a number of no level
    found = family.compact({**features, "pixel_values_videos": moved})
    assert found["pixel_values_videos"] is moved and VIDEO_LEVELS not in found and PIXEL_LEVELS in found


@needs_torchvision
def test_every_level_of_a_video_has_a_number_of_its_own(family) -> None:
    levels = family._video_levels
    assert levels.shape == (3, 256) and levels.dtype == torch.float32
    assert (levels.diff(dim=1) > 0).all()


@pytest.mark.parametrize("folder_of", [colpali_folder, colidefics3_folder])
def test_whole_images_and_tiles_travel_as_a_quarter(folder_of, tmp_path: Path) -> None:
    model = SmartModel.from_config(folder_of(tmp_path / "folder"), init_std=0.2)
    family, items = model.family, [*ITEMS[:2], ModelInput(images=(noise(31, 77), noise(60, 40)))]
    features = family.featurize(items, "document")
    compact = family.compact(features)
    assert compact["pixel_values"].dtype == torch.uint8
    assert features["pixel_values"].shape == compact["pixel_values"].shape
    assert_same(family.expand(compact), features)
    for rows in ([2, 0], [1], [2]):
        found = family.expand(select_rows(compact, rows, family.visual_fields))
        expected = select_rows(features, rows, family.visual_fields)
        assert found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in found)
    moved = features["pixel_values"].clone()
    moved.view(-1)[0] += 1e-6  # a number of no level
    other = {**features, "pixel_values": moved}
    assert family.compact(other) is other
    with torch.no_grad():
        for one, two in zip(model(compact)[:3], model(features)[:3], strict=True):
            assert torch.equal(one, two)


def test_a_model_reads_both_alike(model: SmartModel) -> None:
    features = model.family.featurize(ITEMS, "document")
    with torch.no_grad():
        expected, found = model(features), model(model.family.compact(features))
    for one, other in zip(found[:3], expected[:3], strict=True):
        assert torch.equal(one, other)


def test_a_collator_of_both_sides(model: SmartModel) -> None:
    rows = [Example(ITEMS[1], (item,), f"q{at}", (f"d{at}",), "made", at) for at, item in enumerate(ITEMS)]
    plain = PairCollator(model.family)
    batch, expected = CompactCollator(plain, model.family.compact)(rows), plain(rows)
    assert batch["document"]["pixel_values"].dtype == torch.uint8
    assert_same(model.family.expand(batch["document"]), expected["document"])
    assert batch["query"].keys() == expected["query"].keys()


def test_what_would_not_come_back_is_left_alone(model: SmartModel) -> None:
    family = model.family
    text = family.featurize([ITEMS[1]], "query")
    assert family.compact(text) is text
    features = family.featurize(ITEMS[:1], "document")
    levels, frames = family._levels, family._frames
    pixels = features["pixel_values"]
    for place, change in ((0, 1e-6), (-1, 0.1)):  # a number of no level, and two frames that differ
        moved = pixels.clone()
        moved[0, place] += change
        assert compacted(moved, levels, frames) is None
        other = {**features, "pixel_values": moved}
        assert family.compact(other) is other
    assert compacted(pixels.bfloat16(), levels, frames) is None
    again = compacted(pixels, levels, frames)
    assert again is not None and torch.equal(expanded(again, levels.bfloat16(), frames), pixels.bfloat16())


def test_cached_chunks_have_the_same_gradients(model: SmartModel) -> None:
    features = model.family.featurize(ITEMS, "document")
    found = []
    for given in (features, model.family.compact(features)):
        model.zero_grad()
        made = encode_cached(model, HostFeatures(given), GradientCaching(mini_batch_size=2, keep_vision="off"))
        (made.packed.square() @ torch.arange(float(made.packed.shape[1]))).sum().backward()
        found.append([made.packed.detach(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)])
    assert len(found[0]) == len(found[1]) > 10
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
