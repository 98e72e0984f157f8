"""`attn_implementation: auto`: flash attention where it can be used, else sdpa, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch.overrides import TorchFunctionMode
from transformers import AutoConfig, PretrainedConfig

from smart_train import SmartModel
from smart_train.errors import ModelError
from smart_train.models import attention
from smart_train.models.attention import choose_attention
from smart_train.types import ModelInput
from tests.models.conftest import TINY, make_model
from tests.models.flash_stand_in import install, take

CUDA = torch.device("cuda")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """As on an H100 with flash-attn."""
    monkeypatch.setattr(attention, "is_flash_attn_2_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    return monkeypatch


def chosen(asked: str | None = "auto", config: Any = None, **options: Any) -> attention.Attention:
    config = config or AutoConfig.from_pretrained(TINY)
    return choose_attention(asked, config, TINY, **{"dtype": "bfloat16", "device": CUDA, **options})


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", torch.bfloat16, torch.float16])
def test_flash_attention_is_taken_where_it_is_installed(gpu: pytest.MonkeyPatch, dtype: Any) -> None:
    assert chosen(dtype=dtype) == ("flash_attention_2", "flash-attn is installed")


def test_the_dtype_is_that_of_the_stored_weights_where_nobody_chose_one(gpu: pytest.MonkeyPatch) -> None:
    config = AutoConfig.from_pretrained(TINY)
    for dtype, taken in ((torch.bfloat16, "flash_attention_2"), (torch.float32, "sdpa"), (None, "sdpa")):
        config.dtype = dtype  # None: the folder has no weights to look at, which counts as float32
        assert chosen(config=config, dtype="auto").implementation == taken


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"device": torch.device("cpu")}, "flash attention needs a GPU, and this is cpu"),
        ({"dtype": "float32"}, "flash attention takes float16 or bfloat16, and the weights are float32"),
        ({"dtype": torch.float32}, "flash attention takes float16 or bfloat16, and the weights are float32"),
        ({"quantized": True}, "the weights are quantised"),
        ({"config": PretrainedConfig()}, "transformers has no flash attention for PreTrained"),
    ],
)
def test_else_it_is_sdpa_and_the_reason_is_told(gpu: pytest.MonkeyPatch, changes: dict[str, Any], reason: str) -> None:
    assert chosen(**changes) == ("sdpa", reason)


def test_what_the_machine_lacks_is_told(gpu: pytest.MonkeyPatch) -> None:
    gpu.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert chosen() == ("sdpa", "flash attention needs an Ampere GPU or newer")
    gpu.setattr(attention, "is_flash_attn_2_available", lambda: False)
    assert chosen() == ("sdpa", "flash-attn 2 is not installed")


def test_a_model_without_flash_attention_takes_sdpa(gpu: pytest.MonkeyPatch) -> None:
    config = AutoConfig.from_pretrained(TINY)
    kind = attention.MODEL_MAPPING[type(config.vision_config)]
    gpu.setattr(kind, "_supports_flash_attn", False)
    assert chosen(config=config) == ("sdpa", "transformers has no flash attention for Qwen3VL")


@pytest.mark.parametrize("asked", [None, "eager", "sdpa"])
def test_what_was_asked_for_is_taken_as_it_is(gpu: pytest.MonkeyPatch, asked: str | None) -> None:
    assert chosen(asked) == (asked, "")


def test_flash_attention_by_name_refuses_weights_that_it_does_not_take(gpu: pytest.MonkeyPatch) -> None:
    assert chosen("flash_attention_2") == ("flash_attention_2", "")
    message = "takes float16 or bfloat16, and the weights are float32: set attn.* to sdpa, or .* to bfloat16"
    with pytest.raises(ModelError, match=message):
        chosen("flash_attention_2", dtype="float32")
    with pytest.raises(ModelError, match=message):
        SmartModel.from_config(TINY, attn_implementation="flash_attention_2")


def test_on_a_cpu_a_model_is_loaded_with_sdpa(tmp_path: Path) -> None:
    make_model().save_pretrained(tmp_path)
    for model in (
        SmartModel.from_pretrained(tmp_path, attn_implementation="auto"),
        make_model(attn_implementation="auto"),
    ):
        assert model.config._attn_implementation == "sdpa"
        if model.device.type == "cpu":
            assert model.attention_reason == "flash attention needs a GPU, and this is cpu"
    assert make_model().attention_reason == ""


class _Reads(TorchFunctionMode):
    """Counts tensors that are read as numbers, for which a GPU is waited for, and calls of attention."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = self.attentions = 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.reads += function in (torch.Tensor.tolist, torch.Tensor.item)
        self.attentions += function is F.scaled_dot_product_attention
        return function(*args, **(kwargs or {}))


def test_in_the_vision_tower_flash_attention_waits_for_no_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of torch's own, every layer reads three times where images end, and attends to one image after the other."""
    model, pages = make_model(), 3
    layers = model.config.vision_config.depth
    items = [ModelInput(images=(Image.new("RGB", (64, 64 * size)),)) for size in range(1, pages + 1)]
    features = model.family.featurize(items, "document")

    def counted() -> tuple[int, int]:
        with torch.no_grad(), _Reads() as counter:
            model.backbone.get_image_features(features["pixel_values"], features["image_grid_thw"])
        return counter.reads, counter.attentions

    reads, attentions = counted()
    assert attentions == pages * layers
    called = install(monkeypatch)
    take(model)
    with_flash, _ = counted()
    assert called == ["ragged"] * layers
    assert with_flash == reads - 3 * layers + 1, "the longest image is read once, for all layers"
