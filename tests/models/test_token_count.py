"""token_count: what featurize would give, from sizes alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from smart_train.errors import ModelError
from smart_train.models import Family, PromptConfig, get_family
from smart_train.scoring import ScoringConfig
from smart_train.types import ModelInput
from tests.models.conftest import TINY
from tests.models.text_folders import decoder_folder, encoder_folder
from tests.models.vision_folders import vision_folder

SIZES = ((96, 96), (160, 96), (1300, 40), (700, 900))


def family(name: str, folder: Path, **prompts: object) -> Family:
    return get_family(name)(str(folder), scoring=ScoringConfig(), prompts=PromptConfig(**prompts))


@pytest.mark.parametrize(("name", "kind"), [("qwen3_vl_embedding", "qwen3_vl"), ("gme", "qwen2_vl")])
@pytest.mark.parametrize("bounds", [{}, {"min_pixels": 64 * 64, "max_pixels": 256 * 256}])
def test_pages_are_counted_by_their_size(tmp_path: Path, name: str, kind: str, bounds: dict[str, int]) -> None:
    made = family(name, vision_folder(tmp_path / kind, kind) if kind != "qwen3_vl" else TINY, **bounds)
    for images in (SIZES[:1], SIZES[:2], SIZES[2:]):
        item = ModelInput("a caption", tuple(Image.new("RGB", size) for size in images))
        for role in ("query", "document"):
            features = made.featurize([item], role)
            assert made.token_count(item, role, images) == features["attention_mask"].sum()
            assert made.visual_tokens(images) == torch.isin(features["input_ids"], made.visual_ids).sum()
    with pytest.raises(ModelError, match="the tokens of a video cannot be counted"):
        made.token_count(ModelInput(video="v.mp4"), "document", ())


@pytest.mark.parametrize("closes", [False, True])
def test_text_is_counted_whole(tmp_path: Path, closes: bool) -> None:
    decoder = family("text_decoder", decoder_folder(tmp_path / "decoder", closes=closes))
    encoder = family("text_encoder", encoder_folder(tmp_path / "encoder"))
    for made in (decoder, encoder):
        for role in ("query", "document"):
            item = ModelInput("the red cat sat on the mat")
            assert made.token_count(item, role, ()) == made.featurize([item], role)["attention_mask"].sum()
    assert encoder.token_count(ModelInput("cat " * 200), "query", ()) == 202 > encoder.max_length
