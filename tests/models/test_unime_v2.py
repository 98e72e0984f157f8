"""UniME-V2: its prompts, and its images, which are all squares of one size."""

import pytest

from smart_train import SmartModel
from smart_train.types import ModelInput
from tests.models.vision_folders import vision_folder

FIND = "Find a document image that matches the given query:"
READ = "Represent the given image."


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return vision_folder(tmp_path_factory.mktemp("unime") / "model", "qwen2_vl")


@pytest.mark.parametrize(
    ("item", "role", "expected"),
    [
        (ModelInput("why"), "query", f"{FIND} why\n"),
        (ModelInput("why", instruction=""), "query", "why"),
        (ModelInput("a text"), "document", "a text"),
        (ModelInput("a text", instruction="Seek:"), "document", "Seek: a text\n"),
        (ModelInput(), "document", "\n"),
        (ModelInput(None, ("p",)), "document", f"<|image_pad|>\n{READ}\n"),
        (ModelInput("red", ("p", "q")), "document", f"<|image_pad|> <|image_pad|>\n{READ} red\n"),
        (ModelInput("in blue", ("p",)), "query", f"<|image_pad|>\n{FIND} in blue\n"),
    ],
)
def test_prompts(folder, item, role, expected):
    model = SmartModel.from_config(folder, family="unime_v2")
    assert model.family.render(item, role) == expected


@pytest.mark.parametrize(("most", "tokens"), [(None, 48 * 48), (451584, 24 * 24)])
def test_every_image_is_a_square_of_one_size(folder, most, tokens):
    """As in its evaluation, or, with `max_pixels`, as in its training: 1,344 or 672 pixels a side."""
    family = SmartModel.from_config(folder, family="unime_v2", prompts={"max_pixels": most}).family
    assert [family.visual_tokens([size]) for size in ((20, 900), (640, 480), (4000, 3000))] == [tokens] * 3
