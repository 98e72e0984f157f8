"""MoCa: its prompts, how its folders are known, attention in both directions, and what a saved model says of it."""

import json

import pytest
import torch
from transformers import AutoModel

from smart_train import SmartModel
from smart_train.models import detect_family
from smart_train.models.readout import READOUT
from smart_train.types import ModelInput
from tests.models.vision_folders import SMALL_PAGES, vision_folder

VISION = "<|vision_start|><|image_pad|><|vision_end|>"
READ = "Represent the given document image."


@pytest.fixture
def folder(tmp_path):
    return vision_folder(tmp_path / "model", "qwen2_5_vl")


@pytest.mark.parametrize(
    ("item", "role", "expected"),
    [
        (ModelInput("why"), "query", "why"),
        (ModelInput("why", instruction="Seek:"), "query", "Seek: why\n"),
        (ModelInput("in blue", ("p",), instruction="Seek:"), "query", f"{VISION}\nSeek: in blue\n"),
        (ModelInput("in blue", ("p",)), "query", f"{VISION}\nin blue"),
        (ModelInput(None, ("p",)), "query", VISION),
        (ModelInput("a text"), "document", "a text"),
        (ModelInput(), "document", "\n"),
        (ModelInput(None, ("p",)), "document", f"{VISION}\n{READ}"),
        (ModelInput("red", ("p", "q")), "document", f"{VISION * 2}\n{READ} red"),
        (ModelInput(None, ("p",), instruction=""), "document", VISION),
    ],
)
def test_prompts(folder, item, role, expected):
    assert SmartModel.from_config(folder, family="moca").family.render(item, role) == expected


def test_a_side_under_a_token_gets_one(folder):
    family = SmartModel.from_config(folder, family="moca", prompts=SMALL_PAGES).family
    assert [family.image_size(size) for size in ((20, 900), (640, 5), (9, 9), (640, 480))] == [
        *((28, 900), (640, 28), (28, 28), (640, 480))
    ]


def test_the_class_that_it_was_saved_with_names_it(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["Qwen2_5ForEmbedding"]}))
    assert detect_family("qwen2_5_vl", folder).name == "moca"


def test_a_saved_model_attends_both_ways_in_transformers_too(folder, pages, tmp_path):
    model = SmartModel.from_config(folder, family="moca", init_std=0.05, prompts=SMALL_PAGES)
    model.save_pretrained(tmp_path / "saved")
    items = [ModelInput("the total revenue"), ModelInput(None, (pages[0],))]
    expected = model.encode_document(items, batch_size=2)
    again = SmartModel.from_pretrained(tmp_path / "saved")
    assert again.family.name == "moca"
    torch.testing.assert_close(again.encode_document(items, batch_size=2).packed, expected.packed, atol=1e-6, rtol=0)

    features = model.family.featurize(items, "document")
    inputs = {name: value for name, value in features.items() if name not in READOUT}
    plain = AutoModel.from_pretrained(tmp_path / "saved").eval()
    with torch.no_grad():
        states = plain(**inputs).last_hidden_state
    means = torch.stack([row[valid].mean(0) for row, valid in zip(states, features["pooled_mask"], strict=True)])
    found = torch.nn.functional.normalize(means, dim=-1)
    torch.testing.assert_close(found, expected.pooled, atol=1e-6, rtol=0)


def test_a_token_is_changed_by_those_behind_it_and_not_by_padding(folder):
    model = SmartModel.from_config(folder, family="moca", init_std=0.05)
    short, long = (model.encode_query(ModelInput(text)).packed for text in ("red", "red page of the total revenue"))
    assert not torch.allclose(short[0], long[0], atol=1e-3)
    padded = model.encode_query([ModelInput("red"), ModelInput("red page of the total revenue")], batch_size=2)
    torch.testing.assert_close(padded.tokens[0], short, atol=1e-6, rtol=0)
