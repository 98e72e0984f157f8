"""A family of another line needs its own file alone: slicing, training, memory, export and other libraries follow it.

What every family promises is in test_conformance.py, where it has a row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import smart_train
from smart_train import SmartModel
from smart_train.errors import ModelError
from smart_train.export import export_model, verify_folder
from smart_train.export.embedder_layout import plain_obstacle
from smart_train.export.routes import LIBRARY
from smart_train.models import FAMILIES, get_family, register_family
from smart_train.models.families.qwen3_vl import Qwen3VLEmbedding
from smart_train.models.families.text_encoder import TextEncoder
from smart_train.models.peft import add_lora
from smart_train.models.slicing import IMAGE_COUNTS, append_rows, select_rows
from smart_train.run import memory_estimate
from smart_train.training import GradientCaching
from smart_train.types import ModelInput
from tests.models.projector_family import SIDE, ProjectorFamily, projector_folder
from tests.runs import tiny_recipe
from tests.training.batches import batch, noise, training_module

LATE_ONLY = ("token_mask", "pooled_index", IMAGE_COUNTS)
ITEMS = [
    ModelInput("the cat sat on the mat"),
    ModelInput(None, (noise(1),)),
    ModelInput("a caption", (noise(2), noise(3))),
    ModelInput(),
    ModelInput("red", (noise(4),)),
]


@pytest.fixture(autouse=True)
def known() -> Iterator[None]:
    register_family(ProjectorFamily)
    yield
    del FAMILIES[ProjectorFamily.name]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return projector_folder(tmp_path_factory.mktemp("projector") / "plain")


@pytest.fixture
def model(folder: Path) -> SmartModel:
    return SmartModel.from_config(folder, init_std=0.2)


def test_it_is_found_by_its_model_type(model: SmartModel) -> None:
    assert type(model.family) is ProjectorFamily is get_family("projector")
    assert type(model.backbone).__name__ == "PaliGemmaModel"


def test_states_are_those_of_the_plain_class(model: SmartModel) -> None:
    """One by one, without the positions that the family gives."""
    ours = model.encode_document(ITEMS)
    for row, item in enumerate(ITEMS):
        features = model.family.featurize([item], "document")
        plain = {name: value for name, value in features.items() if name not in (*LATE_ONLY, "position_ids")}
        with torch.no_grad():
            states = model.backbone(**plain).last_hidden_state[0]
        torch.testing.assert_close(ours.pooled[row], F.normalize(states[-1], dim=-1), atol=1e-6, rtol=0)
        kept = F.normalize(states[features["token_mask"][0]], dim=-1)
        torch.testing.assert_close(ours.tokens[row], kept, atol=1e-6, rtol=0)


@pytest.mark.parametrize("rows", [[0], [2], [0, 3], [4, 2, 1], [0, 1, 2, 3, 4]])
def test_a_slice_equals_featurizing_its_rows(model: SmartModel, rows: list[int]) -> None:
    family = model.family
    whole = family.featurize(ITEMS, "document")
    assert whole["pixel_values"].shape == (4, 3, SIDE, SIDE) and whole[IMAGE_COUNTS].tolist() == [0, 1, 2, 0, 1]
    found = select_rows(whole, rows, family.visual_fields)
    expected = family.featurize([ITEMS[row] for row in rows], "document")
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype and torch.equal(found[name], value), name


def test_images_that_do_not_add_up_are_refused(model: SmartModel) -> None:
    features = model.family.featurize(ITEMS, "document")
    features[IMAGE_COUNTS] = torch.tensor([1, 1, 2, 0, 1])
    with pytest.raises(ModelError, match="5 images by image_counts, 4 by pixel_values"):
        select_rows(features, [0], model.family.visual_fields)


def test_padding_filled_with_anything_changes_nothing(model: SmartModel) -> None:
    features = model.family.featurize(ITEMS, "document")
    padding = features["attention_mask"] == 0
    assert padding.any()
    noisy = {**features, "input_ids": features["input_ids"].masked_fill(padding, 7)}
    with torch.no_grad():
        torch.testing.assert_close(model(noisy).packed, model(features).packed, atol=1e-6, rtol=0)


def test_a_rank_without_images_takes_a_blank_one_along(model: SmartModel, monkeypatch: pytest.MonkeyPatch) -> None:
    features = model.family.featurize([ITEMS[0], ITEMS[3]], "query")
    blank = model.family.featurize([ITEMS[1]], "document")
    joined = append_rows(features, blank, model.family.visual_fields)
    assert len(joined["input_ids"]) == 3 and len(joined["pixel_values"]) == 1
    with torch.no_grad():
        expected = model(features)
        monkeypatch.setattr(model, "in_step", True)
        monkeypatch.setattr("smart_train.models.in_step.any_rank", lambda seen, device: True)
        calls: list[int] = []
        tower = model.backbone.get_submodule("vision_tower")
        tower.register_forward_hook(lambda *_: calls.append(1))
        found = model.embed(features)
    assert calls == [1]
    torch.testing.assert_close(found.packed, expected.packed, atol=1e-6, rtol=0)
    assert len(found) == 2


def test_gradient_caching_is_the_plain_step(folder: Path) -> None:
    def step(caching: GradientCaching | None) -> tuple[Tensor, dict[str, Tensor]]:
        model = SmartModel.from_config(folder, init_std=0.2)
        module = training_module(model, "joint", caching=caching)
        loss = module(batch(model, 7)).total
        loss.backward()
        return loss.detach(), {name: p.grad for name, p in module.named_parameters() if p.grad is not None}

    loss, gradients = step(None)
    cached_loss, cached = step(GradientCaching(mini_batch_size=3))
    torch.testing.assert_close(cached_loss, loss, atol=1e-6, rtol=0)
    assert cached.keys() == gradients.keys() and any("vision_tower" in name for name in gradients)
    for name, gradient in gradients.items():
        torch.testing.assert_close(cached[name], gradient, atol=1e-5, rtol=1e-4, msg=name)


def test_memory_is_estimated_from_its_own_tower(model: SmartModel) -> None:
    features = model.family.featurize(ITEMS, "document")
    load = memory_estimate.BatchSide.of(features, 10, model.family)
    assert load.patches == 4 * 9 / 5
    recipe = tiny_recipe(Path("unused"), Path("unused"))
    parts = memory_estimate.estimate(recipe, model, {"document": load}, 1)
    assert parts["pixels"] == pytest.approx(4 * 3 * SIDE**2 * 10 * 4 / 5)  # fp32 numbers of eight images
    text = memory_estimate.estimate(recipe, model, {"document": replace(load, patches=0.0)}, 1)
    block = (9 * 32 + 2 * 48) * 4  # bytes that a patch keeps in a layer, of which there are two
    assert parts["activations"] - text["activations"] == pytest.approx(2 * block * load.patches * 10)


def test_an_export_gives_the_same_in_every_library(folder: Path, tmp_path: Path) -> None:
    SmartModel.from_config(folder, init_std=0.2).save_pretrained(tmp_path / "base")
    model = SmartModel.from_pretrained(tmp_path / "base", device="cpu")
    model.backbone = add_lora(model.backbone, model.family, r=4, alpha=8, dropout=0.0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.1)
    model.save_pretrained(tmp_path / "adapter")
    report = export_model(tmp_path / "adapter", tmp_path / "export")
    assert report.parity.largest < 1e-5
    routes = {route.route: route for route in verify_folder(tmp_path / "export")}
    assert routes["smart_train"].largest < 1e-5 and routes["transformers"].largest < 1e-5
    for name in LIBRARY:  # where it is not installed, it says so
        assert routes[name].skipped == "sentence-transformers is not installed" or routes[name].largest < 1e-5
    assert "sentence-transformers cannot express the prompt and pooled position of projector" in plain_obstacle(model)
    assert json.loads((tmp_path / "export" / "preprocessor_config.json").read_text())["size"] == {
        "height": SIDE,
        "width": SIDE,
    }


def test_a_fitted_image_gives_the_same_features(model: SmartModel) -> None:
    page = noise(5)
    fitted = model.family.fit_image(page)
    assert fitted.size == (SIDE, SIDE)
    whole, small = (model.family.featurize([ModelInput(None, (image,))], "document") for image in (page, fitted))
    # Rounded to whole levels of 256 on the way, and a level is 2 / 255.
    torch.testing.assert_close(small["pixel_values"], whole["pixel_values"], atol=2 / 255, rtol=0)


def test_bounds_on_an_image_that_it_does_not_have_are_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match="model.max_pixels 9000: projector has no bounds on an image's area"):
        SmartModel.from_config(folder, prompts={"max_pixels": 9000})


def test_no_other_file_knows_a_family_by_its_class_or_its_features() -> None:
    """What a family does differently is asked of it: by a member of `Family`, never by class or name of a tensor."""
    package = Path(smart_train.__file__).parent
    fields = [name for visual in Qwen3VLEmbedding.visual_fields for name in (visual.pixels, *visual.by_item)]
    known = re.compile(rf"\b({'|'.join(['TextFamily', 'VisionLanguageFamily', 'vision_config', *fields])})\b")
    named = [
        f"{path.relative_to(package)}: {line.strip()}"
        for path in package.rglob("*.py")
        if path.parent.name != "families"
        for line in path.read_text(encoding="utf-8").splitlines()
        if known.search(line)
    ]
    assert "image_grid_thw" in known.pattern
    assert not named


def test_a_name_is_given_once() -> None:
    class Other(ProjectorFamily):
        pass

    with pytest.raises(ModelError, match="family 'projector' is already ProjectorFamily; give Other another name"):
        register_family(Other)
    assert register_family(ProjectorFamily) is ProjectorFamily


def test_a_family_that_reads_images_says_how() -> None:
    class Silent(TextEncoder):
        name = "silent"
        modalities = ("text", "image")
        visual_fields = ()

    with pytest.raises(
        ModelError,
        match="family 'silent' reads image, but does not define visual_ids, visual_tokens, vision_shape, fit_image, "
        "image_settings, an entry of visual_fields for image",
    ):
        register_family(Silent)
    assert "silent" not in FAMILIES
