"""Prompts, kept positions, grids and states against what the official code makes of the same weights and inputs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers.utils import is_torchvision_available

from smart_train import ScoringConfig, SmartModel
from smart_train.models.saving import checkpoint_names
from smart_train.types import ModelInput
from tests.models.idefics3_folders import LONGEST, TILE, colidefics3_folder
from tests.models.official.states import tiny
from tests.models.paligemma_folders import SIDE, colpali_folder
from tests.models.vision_folders import vision_folder
from tests.videos import write_clip

HERE = Path(__file__).parent
# A size within the bounds of those that have large ones.
PAGE = {
    "smart_lamra_qwen3_vl_training": (512, 416),
    **dict.fromkeys(("gme", "ops_mm_embedding", "moca"), (560, 392)),
    **dict.fromkeys(("colpali", "colpali_v1_2"), (SIDE, SIDE)),  # theirs has one size for all images
    "colidefics3": (LONGEST, 3 * TILE),  # its longer side always has this length
}
KINDS = {
    "qwen3_vl_embedding": "qwen3_vl",
    "smart_lamra_qwen3_vl": "qwen3_vl",
    "smart_lamra_qwen3_vl_training": "qwen3_vl",
    "eager_embed": "qwen3_vl",
    "gme": "qwen2_vl",
    "lamra": "qwen2_vl",
    "vlm2vec": "qwen2_vl",
    "unime_v2": "qwen2_vl",
    "lamra_qwen2_5_vl": "qwen2_5_vl",
    "jina_v4": "qwen2_5_vl",
    "ops_mm_embedding": "qwen2_vl",
    "nomic_embed_multimodal": "qwen2_5_vl",
    "moca": "qwen2_5_vl",
    "colqwen": "qwen2_vl",
    "colqwen_2_5": "qwen2_5_vl",
    "colpali": "paligemma",
    "colpali_v1_2": "paligemma",
    "colidefics3": "idefics3",
}
FAMILIES = {"colqwen_2_5": "colqwen"}  # whose file has another name than they
LATE_ONLY = {"colqwen", "colqwen_2_5", "colpali", "colpali_v1_2", "colidefics3"}
BUILD = {"paligemma": colpali_folder, "idefics3": colidefics3_folder}  # others: by `vision_folder`
# Their official code knows no late interaction, or (the SMART authors' training loss) takes every token.
EVERY_TOKEN = {
    *("smart_lamra_qwen3_vl_training", "vlm2vec", "unime_v2"),
    *("jina_v4", "ops_mm_embedding", "nomic_embed_multimodal", "moca", "eager_embed"),
}
# They have a prefix for every query, where others have an instruction.
WITH_PREFIXES = {"jina_v4", "nomic_embed_multimodal", "eager_embed", *LATE_ONLY}
# Inputs that their official code does not read.
UNREAD = {
    **dict.fromkeys(("gme", "lamra", "lamra_qwen2_5_vl", "moca"), {"several"}),
    **dict.fromkeys(("smart_lamra_qwen3_vl", "smart_lamra_qwen3_vl_training"), {"several"}),
    "jina_v4": {"several", "composed"},
    **dict.fromkeys(LATE_ONLY, {"several", "composed"}),
    # One is enough: all images get one size.
    "eager_embed": {"several", "tiny image", "huge image"},
    "unime_v2": {"several", "composed", "tiny image", "huge image"},
    **dict.fromkeys(("nomic_embed_multimodal", "colqwen", "colqwen_2_5"), {"several", "composed", "tiny image"}),
}
# The size of a video's frames that their official reader leaves as it is; the other families' code reads no video.
FRAMES = {
    "qwen3_vl_embedding": (448, 320),
    "vlm2vec": (112, 84),
    "lamra": (392, 280),
    "lamra_qwen2_5_vl": (392, 280),
}
# The official readers resize with Pillow, ours with torchvision, whose roundings differ.
RESIZED = {"tiny image": 5e-3, "huge image": 5e-3}
BY_PILLOW = {"colidefics3"}  # ours too
# Every image is made smaller, in its code by torchvision, and in ours by Pillow where torchvision is missing.
ALWAYS_RESIZED = {"eager_embed": 1e-6 if is_torchvision_available() else 1e-3}
EVERY = pytest.mark.parametrize("name", KINDS)
needs_torchvision = pytest.mark.skipif(not is_torchvision_available(), reason="video processors need torchvision")


def model_of(name, folder, **kwargs):
    kind = KINDS[name]
    BUILD[kind](folder) if kind in BUILD else vision_folder(folder, kind)
    model = SmartModel.from_config(folder, family=FAMILIES.get(name, name), overrides=tiny.OVERRIDES[kind], **kwargs)
    tiny.fill(model.backbone, checkpoint_names(model.backbone, model.family))
    if name == "jina_v4":
        add_task_matrices(model, folder)
    elif name == "eager_embed":
        model.family.add_weights(model.backbone)
    return model


def add_task_matrices(model, folder):
    """Makes `folder` one of jinaai/jina-embeddings-v4's kind, and adds its task's matrices to the weights."""
    config = json.loads((folder / "config.json").read_text()) | {"architectures": ["JinaEmbeddingsV4Model"]}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "adapters").mkdir()
    (folder / "adapters" / "adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 8}))
    matrices = {}
    for name, value in model.backbone.named_parameters():
        if ".layers." in name and name.endswith("proj.weight"):
            for side, shape in (("A", (4, value.shape[1])), ("B", (len(value), 4))):
                key = f"base_model.model.model.{name.removesuffix('.weight')}.lora_{side}.retrieval.weight"
                matrices[key] = tiny.weight(key, torch.Size(shape))
    save_file(matrices, folder / "adapters" / "adapter_model.safetensors")
    model.family.add_weights(model.backbone)


def golden(name):
    """Input -> what is known of it -> its array."""
    known: dict[str, dict[str, np.ndarray]] = {}
    with np.load(HERE / f"{name}.npz") as file:
        for key in file.files:
            item, what = key.split(".")
            known.setdefault(item, {})[what] = file[key]
    return known


def inputs_for(model, name):
    """The inputs of which `name` has golden numbers, by their names."""
    patch = getattr(model.family, "patch", SIDE)  # ColPali's images have one size
    return tiny.inputs(patch, page=PAGE.get(name))


def as_input(item, name):
    return ModelInput(item.text, item.images, None, None if name in WITH_PREFIXES else item.instruction)


def scoring_of(name):
    """What the official code keeps; None: what the family says."""
    return ScoringConfig(query_tokens="all", document_tokens="all") if name in EVERY_TOKEN else None


def test_which_families_have_them():
    assert set(KINDS) == {path.stem for path in HERE.glob("*.npz")}
    assert set(FRAMES) == {path.stem for path in (HERE / "videos").glob("*.npz")}


@EVERY
def test_inputs_and_states_are_the_official_ones(name, tmp_path):
    model = model_of(name, tmp_path / "folder", scoring=scoring_of(name))
    items, known = inputs_for(model, name), golden(name)
    assert set(known) == set(items) - UNREAD.get(name, set())
    for key, expected in known.items():
        features = model.family.featurize([as_input(items[key], name)], items[key].role)
        if "grid" in expected:
            assert features["image_grid_thw"].tolist() == expected["grid"].tolist(), key
        resized = 1e-6 if name in BY_PILLOW else RESIZED.get(key, ALWAYS_RESIZED.get(name, 1e-6))
        agree(model, features, expected, key, resized)


@needs_torchvision
@pytest.mark.parametrize("name", FRAMES)
def test_videos_give_the_official_ids_and_states(name, tmp_path):
    """Frame times are among the ids of Qwen3-VL."""
    model, known = model_of(name, tmp_path / "folder", scoring=scoring_of(name)), golden(f"videos/{name}")
    items = tiny.videos(FRAMES[name])
    assert set(known) == set(items)
    for key, expected in known.items():
        item = items[key]
        video = write_clip(tmp_path / "clip.mkv", item.frames, item.rate) if item.rate else list(item.frames)
        features = model.family.featurize([ModelInput(item.text, video=video)], item.role)
        assert features["video_grid_thw"].tolist() == expected["grid"].tolist(), key
        agree(model, features, expected, key, 1e-6)


def agree(model, features, expected, key, tolerance):
    """`features` of one input, and what `model` makes of them, are the `expected` ones."""
    assert features["input_ids"][0].tolist() == expected["ids"].tolist(), key
    assert features["token_mask"][0].nonzero().flatten().tolist() == expected["kept"].tolist(), key
    with torch.no_grad():
        found = model(features)
    near = {"atol": tolerance, "rtol": 0.0, "msg": lambda text: f"{key}: {text}"}
    if not model.family.late_only:
        torch.testing.assert_close(found.pooled[0], torch.from_numpy(expected["pooled"]), **near)
    if "tokens" in expected:
        torch.testing.assert_close(found.packed[:, : tiny.WIDTH], torch.from_numpy(expected["tokens"]), **near)


@pytest.mark.parametrize("name", sorted(LATE_ONLY))
def test_late_scores_are_those_of_the_official_processor(name, tmp_path):
    """It adds up over the query's tokens; ours is the mean over them."""
    model, known = model_of(name, tmp_path / "folder"), golden(name)
    items = inputs_for(model, name)
    documents = model.encode_document([as_input(items[key], name) for key in ("page", "huge image")])
    for key in ("text", "question"):
        query = model.encode_query(as_input(items[key], name))
        found = model.similarity(query, documents)[0] * len(query.packed)
        expected = torch.from_numpy(known[key]["scores"])
        torch.testing.assert_close(found[0], expected[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(found[1], expected[1], atol=5e-2, rtol=0)  # resized by another library


@pytest.mark.parametrize("layer", [1, 2, 3, 4])
def test_states_of_the_first_layers_are_those_of_older_transformers(layer, tmp_path):
    name = "qwen3_vl_embedding"
    model = model_of(name, tmp_path / "folder", scoring=ScoringConfig(layer=layer))
    known, items = golden(name), inputs_for(model, name)
    for key in ("page", "composed"):
        with torch.no_grad():
            found = model(model.family.featurize([as_input(items[key], name)], items[key].role)).packed
        expected = torch.from_numpy(known[key][f"layer{layer}"])
        torch.testing.assert_close(found[:, : tiny.WIDTH], expected, atol=1e-6, rtol=0)
