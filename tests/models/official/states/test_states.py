"""Prompts, kept positions, grids and states against what the official code makes of the same weights and inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from smart_train import ScoringConfig, SmartModel
from smart_train.models.saving import checkpoint_names
from smart_train.types import ModelInput
from tests.models.official.states import tiny
from tests.models.vision_folders import vision_folder

HERE = Path(__file__).parent
PAGE = {"smart_lamra_qwen3_vl_training": (512, 416)}  # a size within its bounds
KINDS = {path.stem: "qwen2_vl" if path.stem == "lamra" else "qwen3_vl" for path in sorted(HERE.glob("*.npz"))}
# The official readers resize with Pillow, ours with torchvision, whose roundings differ.
RESIZED = {"tiny image": 5e-3, "huge image": 5e-3}
EVERY = pytest.mark.parametrize("name", KINDS)


def model_of(name, folder, **kwargs):
    kind = KINDS[name]
    vision_folder(folder, kind)
    model = SmartModel.from_config(folder, family=name, overrides=tiny.OVERRIDES[kind], **kwargs)
    tiny.fill(model.backbone, checkpoint_names(model.backbone, model.family))
    return model


def golden(name):
    """Input -> what is known of it -> its array."""
    known: dict[str, dict[str, np.ndarray]] = {}
    with np.load(HERE / f"{name}.npz") as file:
        for key in file.files:
            item, what = key.split(".")
            known.setdefault(item, {})[what] = file[key]
    return known


def as_input(item):
    return ModelInput(item.text, item.images, None, item.instruction)


def scoring_of(name):
    """What the official code keeps: its training loss takes every token."""
    every = {"query_tokens": "all", "document_tokens": "all"}
    return ScoringConfig(**every) if name == "smart_lamra_qwen3_vl_training" else ScoringConfig()


def test_which_families_have_them():
    assert set(KINDS) >= {"qwen3_vl_embedding", "smart_lamra_qwen3_vl", "smart_lamra_qwen3_vl_training"}


@EVERY
def test_inputs_and_states_are_the_official_ones(name, tmp_path):
    model = model_of(name, tmp_path / "folder", scoring=scoring_of(name))
    patch, known = model.family.patch, golden(name)
    assert {"text", "question", "page", "composed", "tiny image", "huge image"} <= set(known)
    for key, item in tiny.inputs(patch, page=PAGE.get(name)).items():
        if key not in known:
            continue  # several images, which that code does not read
        expected = known[key]
        features = model.family.featurize([as_input(item)], item.role)
        assert features["input_ids"][0].tolist() == expected["ids"].tolist(), key
        assert features["token_mask"][0].nonzero().flatten().tolist() == expected["kept"].tolist(), key
        if "grid" in expected:
            assert features["image_grid_thw"].tolist() == expected["grid"].tolist(), key
        with torch.no_grad():
            found = model(features)
        near = {"atol": RESIZED.get(key, 1e-6), "rtol": 0.0, "msg": lambda text, key=key: f"{key}: {text}"}
        torch.testing.assert_close(found.pooled[0], torch.from_numpy(expected["pooled"]), **near)
        if "tokens" in expected:
            torch.testing.assert_close(found.packed[:, : tiny.WIDTH], torch.from_numpy(expected["tokens"]), **near)


@pytest.mark.parametrize("layer", [1, 2, 3, 4])
def test_states_of_the_first_layers_are_those_of_older_transformers(layer, tmp_path):
    name = "qwen3_vl_embedding"
    model = model_of(name, tmp_path / "folder", scoring=ScoringConfig(layer=layer))
    known, items = golden(name), tiny.inputs(model.family.patch)
    for key in ("page", "composed"):
        with torch.no_grad():
            found = model(model.family.featurize([as_input(items[key])], items[key].role)).packed
        expected = torch.from_numpy(known[key][f"layer{layer}"])
        torch.testing.assert_close(found[:, : tiny.WIDTH], expected, atol=1e-6, rtol=0)
