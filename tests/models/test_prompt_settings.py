"""Prompts and limits that no model can have are named where they are given."""

import json

import pytest

from smart_train import SmartModel
from smart_train.errors import ModelError
from smart_train.models import PromptConfig
from tests.models.text_folders import encoder_folder


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_length": 0}, "prompts.max_length: 0; it must be a whole number of at least 1, or null"),
        ({"max_length": "512"}, "prompts.max_length: '512'; it must be a whole number"),
        ({"min_pixels": -4}, "prompts.min_pixels: -4; it must be"),
        ({"max_pixels": True}, "prompts.max_pixels: true; it must be"),
        ({"query_instruction": 5}, "prompts.query_instruction: 5; it must be a text, or null"),
        ({"document_instruction": ["a"]}, r"prompts.document_instruction: \['a'\]; it must be a text"),
    ],
)
def test_values_of_another_kind_are_named(tmp_path, given, message):
    with pytest.raises(ModelError, match=message):
        PromptConfig(**given)
    folder = encoder_folder(tmp_path / "base")
    with pytest.raises(ModelError, match=message):
        SmartModel.from_config(folder, prompts=given)
    SmartModel.from_config(folder).save_pretrained(tmp_path / "saved")
    path = tmp_path / "saved" / "smart_config.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "prompts": {**values["prompts"], **given}}))
    with pytest.raises(ModelError, match=f"smart_config.json: not a valid file of smart_train .*{message}"):
        SmartModel.from_pretrained(tmp_path / "saved")
