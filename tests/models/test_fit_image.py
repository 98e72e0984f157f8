"""fit_image: an image at its final size gives the features of the image itself, so that it may be kept on disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from smart_train.data import PageCache
from smart_train.errors import DataError, ModelError
from smart_train.models import Family, PromptConfig, get_family
from smart_train.scoring import ScoringConfig
from smart_train.types import ModelInput
from tests.models.conftest import TINY
from tests.models.text_folders import encoder_folder
from tests.models.vision_folders import vision_folder


def family(name: str, folder: Path, **prompts: object) -> Family:
    return get_family(name)(str(folder), scoring=ScoringConfig(), prompts=PromptConfig(**prompts))


def noise(size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


@pytest.mark.parametrize(("name", "kind"), [("qwen3_vl_embedding", "qwen3_vl"), ("gme", "qwen2_vl")])
def test_features_of_cached_pages_are_those_of_the_pages(tmp_path: Path, name: str, kind: str) -> None:
    folder = vision_folder(tmp_path / kind, kind) if kind != "qwen3_vl" else TINY
    made = family(name, folder, min_pixels=96 * 96, max_pixels=192 * 192)
    paths = []
    for number, size in enumerate(((40, 30), (130, 110), (500, 301))):  # enlarged, rounded, reduced
        paths.append(tmp_path / f"{number}.png")
        noise(size).save(paths[-1])
    inputs = [ModelInput("a caption", (path,)) for path in paths]
    cache = PageCache(tmp_path / "cache", made)
    expected = made.featurize(inputs, "document")
    for _ in range(2):  # made, then read
        found = made.featurize([cache(item) for item in inputs], "document")
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert torch.equal(found[key], value), key
    assert len(list((tmp_path / "cache").rglob("*.png"))) == 3


def test_bounds_that_neither_family_nor_run_names_are_those_of_the_processor_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    saved = json.loads((TINY / "preprocessor_config.json").read_text())["size"]
    monkeypatch.setattr(get_family("qwen3_vl_embedding"), "default_min_pixels", None)
    monkeypatch.setattr(get_family("qwen3_vl_embedding"), "default_max_pixels", None)
    assert dict(family("qwen3_vl_embedding", TINY).processor.image_processor.size) == saved
    smaller = family("qwen3_vl_embedding", TINY, max_pixels=saved["longest_edge"] // 2)
    assert dict(smaller.processor.image_processor.size) == {**saved, "longest_edge": saved["longest_edge"] // 2}


def test_a_page_is_resized_once_and_again_when_it_or_the_bounds_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "page.png"
    noise((100, 100)).save(path)
    made = family("qwen3_vl_embedding", TINY, min_pixels=64 * 64, max_pixels=64 * 64)
    fitted = []
    original = type(made).fit_image
    monkeypatch.setattr(type(made), "fit_image", lambda self, image: fitted.append(1) or original(self, image))
    cache = PageCache(tmp_path / "cache", made)
    first = cache(ModelInput(images=(path,)))
    assert cache(ModelInput(images=(path,))) == first and len(fitted) == 1
    assert cache(ModelInput(images=(path.read_bytes(),))) != first and len(fitted) == 2  # known by content
    assert cache(ModelInput(images=(path.read_bytes(),))) != first and len(fitted) == 2
    larger = family("qwen3_vl_embedding", TINY, min_pixels=128 * 128, max_pixels=128 * 128)
    PageCache(tmp_path / "cache", larger)(ModelInput(images=(path,)))
    assert len(fitted) == 3
    noise((90, 100)).save(path)
    assert cache(ModelInput(images=(path,))) != first and len(fitted) == 4
    assert cache(ModelInput(text="words")) == ModelInput(text="words")


def test_what_cannot_be_cached_is_said(tmp_path: Path) -> None:
    made = family("qwen3_vl_embedding", TINY)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="data.cache_dir .*file.*: cannot be written"):
        PageCache(tmp_path / "file" / "below", made)
    with pytest.raises(DataError, match="absent.png: cannot be read .No such file"):
        PageCache(tmp_path / "cache", made)(ModelInput(images=(tmp_path / "absent.png",)))
    text = family("text_encoder", encoder_folder(tmp_path / "encoder"))
    with pytest.raises(ModelError, match="text_encoder reads text, but not images"):
        _ = text.image_settings
    with pytest.raises(ModelError, match="text_encoder reads text, but not images"):
        text.fit_image(noise((4, 4)))
