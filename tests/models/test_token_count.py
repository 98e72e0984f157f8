"""token_count where a limit or a bound is reached; that it counts as featurize does, every family is asked in
test_conformance."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from smart_train.errors import ModelError
from smart_train.models import PromptConfig, get_family
from smart_train.scoring import ScoringConfig
from smart_train.types import ModelInput
from tests.models.conftest import TINY
from tests.models.text_folders import encoder_folder


def test_bounds_on_an_images_area_are_followed() -> None:
    prompts = PromptConfig(min_pixels=64 * 64, max_pixels=256 * 256)
    family = get_family("qwen3_vl_embedding")(str(TINY), scoring=ScoringConfig(), prompts=prompts)
    for size in ((20, 20), (1300, 40), (700, 900)):
        item = ModelInput(images=(Image.new("RGB", size),))
        features = family.featurize([item], "document")
        assert family.token_count(item, "document", [size]) == features["attention_mask"].sum()
        assert family.visual_tokens([size]) == torch.isin(features["input_ids"], family.visual_ids).sum()
    with pytest.raises(ModelError, match="the tokens of a video cannot be counted"):
        family.token_count(ModelInput(video="v.mp4"), "document", ())


def test_text_is_counted_whole(tmp_path: Path) -> None:
    family = get_family("text_encoder")(
        str(encoder_folder(tmp_path / "encoder")), scoring=ScoringConfig(), prompts=PromptConfig()
    )
    assert family.token_count(ModelInput("cat " * 200), "query", ()) == 202 > family.max_length
