"""token_count where a limit or a bound is reached, and what does not fit; that it counts as featurize does, every
family is asked in test_conformance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers.utils import is_torchvision_available

from smart_train.errors import ModelError
from smart_train.models import PromptConfig, get_family
from smart_train.models.prompt_length import LengthCheck
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


@pytest.mark.skipif(not is_torchvision_available(), reason="videos need torchvision")
def test_a_video_behind_an_address_is_not_counted() -> None:
    family = get_family("qwen3_vl_embedding")(str(TINY), scoring=ScoringConfig(), prompts=PromptConfig())
    item = ModelInput(video="https://example.org/v.mp4")
    with pytest.raises(ModelError, match="the tokens of a video behind an address cannot be counted without fetching"):
        family.token_count(item, "document", ())
    LengthCheck(family)(item, "document", ())  # found when it is read


def test_text_is_counted_whole(tmp_path: Path) -> None:
    family = get_family("text_encoder")(
        str(encoder_folder(tmp_path / "encoder")), scoring=ScoringConfig(), prompts=PromptConfig()
    )
    assert family.token_count(ModelInput("cat " * 200), "query", ()) == 202 > family.max_length


def is_refused(call: Callable[[], object]) -> str:
    try:
        call()
    except ModelError as error:
        return str(error)
    return ""


def test_what_the_check_of_lengths_refuses_is_what_featurize_refuses() -> None:
    family = get_family("qwen3_vl_embedding")(str(TINY), scoring=ScoringConfig(), prompts=PromptConfig(max_length=100))
    check, told = LengthCheck(family), []
    for side in (64, 192, 256, 288, 320):
        page = Image.new("RGB", (side, 256))
        for text in (None, "red", "the red cat " * 3, "the red cat " * 60, "<|image_pad|> " * 40):
            item = ModelInput(text, images=(page,))
            expected = is_refused(lambda item=item: family.featurize([item], "document"))
            found = is_refused(lambda item=item: check(item, "document", [item.images[0].size]))
            assert bool(found) == bool(expected)
            assert found == expected or "<|" in (text or "")  # how many tokens that text has in a prompt is not known
            told.append(bool(expected))
    assert 5 <= sum(told) <= 20, "some fit and some do not"


@pytest.mark.parametrize("words", [3, 600])
def test_a_rows_own_instruction_may_leave_no_room(tmp_path: Path, words: int) -> None:
    item = ModelInput("cat " * 200, instruction="find " * words)
    folders = {"text_encoder": encoder_folder(tmp_path / "encoder"), "qwen3_vl_embedding": TINY}
    for name, folder in folders.items():
        family = get_family(name)(str(folder), scoring=ScoringConfig(), prompts=PromptConfig(max_length=60))
        expected = is_refused(lambda family=family: family.featurize([item], "query"))
        assert is_refused(lambda family=family: LengthCheck(family)(item, "query", ())) == expected
    assert bool(expected) == (words == 600)


def test_texts_of_one_prompt_are_not_counted_each(monkeypatch: pytest.MonkeyPatch) -> None:
    family = get_family("qwen3_vl_embedding")(str(TINY), scoring=ScoringConfig(), prompts=PromptConfig(max_length=200))
    counted: list[ModelInput] = []
    count = family.token_count
    monkeypatch.setattr(family, "token_count", lambda item, *others: counted.append(item) or count(item, *others))
    check = LengthCheck(family)
    for number in range(50):
        check(ModelInput(f"text {number} " * (number + 1)), "document", ())
        check(ModelInput(f"page {number}", images=("page.png",)), "document", [(64, 64 + 32 * (number % 2))])
    assert len(counted) == 3
