"""Under gradient caching what a chunk needs is sent to the device once, as far as the budget allows it.

Nothing is sent on a CPU, so the tests count calls of what sends, and say that it sends. Results are those of sending
twice, bit for bit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from transformers.utils import is_torchvision_available

from smart_train.models import SmartModel
from smart_train.models.family import Features
from smart_train.training import GradientCaching, grad_cache
from smart_train.training.grad_cache import HostFeatures, encode_cached
from smart_train.training.kept_inputs import KeptInputs
from smart_train.types import ModelInput
from tests.models.vision_folders import vision_folder
from tests.training.batches import batch, noise, tiny
from tests.training.test_kept_vision import GIB, ROWS, Calls, assert_equal, chunks_with_images, step, tower

PIXELS = ("pixel_values", "pixel_values_videos")


class Sent:
    """What went to the device: how often something, and how many numbers of pixels."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times, self.pixels = 0, 0
        send: Callable[[Features, torch.device], Features] = grad_cache.on_device

        def counted(features: Features, device: torch.device) -> Features:
            self.times += 1
            self.pixels += sum(features[name].numel() for name in PIXELS if name in features)
            return send(features, device)

        monkeypatch.setattr(grad_cache, "on_device", counted)
        monkeypatch.setattr(grad_cache, "is_sent", lambda features, device: True)

    def taken(self) -> tuple[int, int]:
        taken = self.times, self.pixels
        self.times = self.pixels = 0
        return taken


def of_batch(inputs: dict) -> tuple[int, int]:
    """One copy of everything: a call for each chunk of two rows on either side, and every pixel."""
    return 2 * len(GradientCaching(2).chunks([1] * ROWS)), inputs["document"]["pixel_values"].numel()


@pytest.mark.parametrize("mode", ["lora", "full", "projection"])
def test_everything_is_sent_once(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    """Whether the tower's outputs are kept, the tower is trained, or only the projection is replayed."""
    model, objective = tiny(mode, dropout=0.2), "late" if mode == "projection" else "joint"
    inputs = batch(model, ROWS)
    calls, pixels = of_batch(inputs)
    sent = Sent(monkeypatch)

    twice = step(model, inputs, "off", objective)
    assert sent.taken() == ((calls, pixels) if mode == "projection" else (2 * calls, 2 * pixels))
    once = step(model, inputs, "auto", objective)
    assert sent.taken() == (calls, pixels)
    assert_equal(once, twice)


def test_without_a_tower_to_run_again_the_pixels_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []
    keep = KeptInputs.keep

    def noted(self: KeptInputs, chunk: int, features: Features) -> None:
        kept.append(sum(features[name].numel() for name in PIXELS if name in features))
        keep(self, chunk, features)

    monkeypatch.setattr(KeptInputs, "keep", noted)
    model = tiny("lora")
    inputs = batch(model, ROWS)
    Sent(monkeypatch)
    step(model, inputs, "auto")
    assert len(kept) == of_batch(inputs)[0] and not any(kept)
    kept.clear()
    tower(model).requires_grad_(True)
    step(model, inputs, "auto")
    assert sum(kept) == of_batch(inputs)[1]


def test_what_is_kept_without_a_frozen_tower_is_the_batch_once_and_little_of_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The budget is a bound: no more is kept than the batch has, 50 bytes of a position of text."""
    kept: list[tuple[int, int, int]] = []  # of a chunk: its bytes, those of its pixels, its positions
    keep = KeptInputs.keep

    def noted(self: KeptInputs, chunk: int, features: Features) -> None:
        pixels = sum(features[name].nbytes for name in PIXELS if name in features)
        kept.append((sum(part.nbytes for part in features.values()), pixels, features["input_ids"].numel()))
        keep(self, chunk, features)

    monkeypatch.setattr(KeptInputs, "keep", noted)
    model = tiny("full")
    inputs = batch(model, ROWS)
    Sent(monkeypatch)
    step(model, inputs, "auto")
    assert sum(pixels for _, pixels, _ in kept) == inputs["document"]["pixel_values"].nbytes
    of_text = [(size, positions) for size, pixels, positions in kept if not pixels]
    assert of_text and all(size <= 64 * positions for size, positions in of_text)


def test_on_a_cpu_chunks_are_not_a_second_copy_of_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Features] = []
    monkeypatch.setattr(KeptInputs, "keep", lambda self, chunk, features: kept.append(features))
    model = tiny("full")
    step(model, batch(model, ROWS), "auto")
    assert not kept


def test_a_chunk_that_does_not_fit_is_sent_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny("full")
    inputs = batch(model, ROWS)
    calls, pixels = of_batch(inputs)
    sent = Sent(monkeypatch)
    found = step(model, inputs, pixels * 4 / GIB)  # half of it for each side
    times, numbers = sent.taken()
    assert calls < times < 2 * calls and pixels < numbers < 2 * pixels
    assert_equal(found, step(model, inputs, "off"))


def test_outputs_of_the_tower_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a family whose backbone looks at pixels itself, both are kept where both fit, and else the outputs."""
    model = tiny("lora")
    monkeypatch.setattr(model.family, "without_pixels", lambda features: None, raising=False)
    inputs = batch(model, ROWS)
    expected = step(model, inputs, "off")
    calls, pixels = of_batch(inputs)
    sent = Sent(monkeypatch)
    assert_equal(step(model, inputs, "auto"), expected)
    assert sent.taken() == (calls, pixels)

    runs = Calls(monkeypatch, tower(model))
    grids = inputs["document"]["image_grid_thw"]
    outputs = 1 + len(model.config.vision_config.deepstack_visual_indexes)
    of_outputs = int(grids.prod(1).sum()) // 4 * model.hidden_size * 4 * outputs
    assert_equal(step(model, inputs, 2 * of_outputs / GIB), expected)
    assert runs.taken() == chunks_with_images(model, inputs)
    assert pixels < sent.taken()[1] <= 2 * pixels


def test_room_is_made_by_giving_up_what_was_kept_last() -> None:
    inputs = KeptInputs(100)
    for chunk in range(3):
        inputs.keep(chunk, {"ids": torch.zeros(30, dtype=torch.uint8)})
    inputs.keep(3, {"ids": torch.zeros(11, dtype=torch.uint8)})
    assert inputs.left == 10 and inputs.take(3) is None
    assert inputs.make_room(10) and inputs.left == 10
    assert not inputs.make_room(101) and inputs.left == 10, "what cannot fit anyway costs nothing"
    assert inputs.make_room(11) and inputs.left == 40
    assert inputs.take(2) is None and inputs.take(1) is not None and inputs.take(1) is None
    assert inputs.left == 70


@pytest.mark.parametrize(
    ("kind", "family"), [("qwen2_vl", "gme"), ("qwen2_5_vl", "jina_v4"), ("qwen3_vl", "qwen3_vl_embedding")]
)
def test_no_backbone_looks_at_the_pixels_of_a_tower_whose_outputs_are_kept(tmp_path, kind: str, family: str) -> None:
    """Of each backbone class, in 8 bits and as the processor gives them."""
    model = SmartModel.from_config(vision_folder(tmp_path / kind, kind), family=family, init_std=0.05)
    for name, parameter in model.backbone.named_parameters():
        parameter.requires_grad_(not model.family.is_vision(name))
    items = [ModelInput("one", (noise(1),)), ModelInput("none"), ModelInput(None, (noise(2), noise(4)))]
    if is_torchvision_available():
        items.append(ModelInput(video=(noise(1), noise(4))))
    features = model.family.featurize(items, "document")

    def gradients(given: Features, keep: str) -> list[Tensor]:
        model.zero_grad()
        made = encode_cached(model, HostFeatures(given), GradientCaching(2, keep_vision=keep))
        (made.packed.square() @ torch.arange(float(made.packed.shape[1]))).sum().backward()
        return [made.packed.detach(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)]

    expected = gradients(features, "off")
    for given in (features, model.family.compact(features)):
        found = gradients(given, "auto")
        assert len(found) == len(expected) > 10
        assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
