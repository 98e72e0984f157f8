"""eager-embed-v1: the norm's gains are taken out once, and images are squares; see official/ for its vectors."""

import pytest
import torch

from smart_train import SmartModel
from smart_train.types import ModelInput
from tests.models.vision_folders import small_pages, vision_folder

NORM = "language_model.norm.weight"


@pytest.fixture
def published(tmp_path):
    """A plain Qwen3-VL with weights, as the model's folder is one: its gains are not 1."""
    folder = vision_folder(tmp_path / "tiny", "qwen3_vl")
    model = SmartModel.from_config(folder, family="qwen3_vl_embedding", init_std=0.05)
    with torch.no_grad():
        model.backbone.get_parameter(NORM).uniform_(0.5, 2.0)
    model.save_pretrained(tmp_path / "published")
    (tmp_path / "published" / "smart_config.json").unlink()
    return tmp_path / "published"


def test_vectors_are_those_of_the_states_before_the_norm(published, pages):
    model = SmartModel.from_pretrained(published, family="eager_embed", prompts=small_pages("eager_embed"))
    before = []
    model.backbone.get_submodule("language_model.norm").register_forward_hook(
        lambda module, args, output: before.append(args[0])
    )
    for item in (ModelInput("why"), ModelInput(None, (pages[0],))):
        found = model.encode_document(item).pooled[0]
        expected = torch.nn.functional.normalize(before.pop()[0, -1], dim=-1)
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_a_saved_model_keeps_the_gains_that_it_was_saved_with(published, tmp_path):
    model = SmartModel.from_pretrained(published, family="eager_embed")
    gains = model.backbone.get_parameter(NORM)
    assert torch.equal(gains, torch.ones_like(gains))
    with torch.no_grad():
        gains[0] = 3.0  # as training of all weights may leave it
    model.save_pretrained(tmp_path / "trained")
    again = SmartModel.from_pretrained(tmp_path / "trained")
    assert again.family.name == "eager_embed"
    assert torch.equal(again.backbone.get_parameter(NORM), gains)


def test_every_image_is_a_square_of_one_size(published):
    family = SmartModel.from_pretrained(published, family="eager_embed").family
    assert [family.visual_tokens([size]) for size in ((20, 900), (640, 480), (4000, 3000))] == [24 * 24] * 3
