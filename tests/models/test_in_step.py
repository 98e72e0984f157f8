"""Ranks that must run the vision tower together: a batch without images gives the same beside a blank one."""

from __future__ import annotations

import pytest
import torch
from transformers.utils import is_torchvision_available

from smart_train import SmartModel
from smart_train.errors import ModelError
from smart_train.models import in_step
from smart_train.models.slicing import append_rows, select_rows
from smart_train.types import ModelInput
from tests.models.conftest import TINY
from tests.training.batches import noise

TEXT = [ModelInput("revenue"), ModelInput("who signed the annex and when did they sign it")]


@pytest.fixture(scope="module")
def model() -> SmartModel:
    return SmartModel.from_config(TINY, init_std=0.05)


def gradients(model: SmartModel, features: dict) -> tuple[torch.Tensor, dict[str, torch.Tensor | None]]:
    model.zero_grad()
    found = model(features)
    (found.pooled.square().sum() + found.packed[:, 0].sum()).backward()
    return torch.cat([found.pooled.flatten(), found.packed.flatten()]).detach(), {
        name: None if p.grad is None else p.grad.clone() for name, p in model.named_parameters()
    }


needs_torchvision = pytest.mark.skipif(not is_torchvision_available(), reason="videos need torchvision")


@pytest.mark.parametrize(
    "elsewhere",
    [{"image"}, *(pytest.param(kinds, marks=needs_torchvision) for kinds in ({"video"}, {"image", "video"}))],
    ids=lambda kinds: " and ".join(sorted(kinds)),  # a set has no order, and workers must agree on names
)
def test_what_only_other_ranks_see_changes_nothing(
    model: SmartModel, monkeypatch: pytest.MonkeyPatch, elsewhere: set[str]
) -> None:
    features = model.family.featurize(TEXT, "query")
    expected, plain = gradients(model, features)
    kinds = iter(("image", "video"))
    monkeypatch.setattr(model, "in_step", True)
    monkeypatch.setattr(in_step, "any_rank", lambda own, device: own or next(kinds) in elsewhere)
    found, beside = gradients(model, features)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    # A longer batch rounds in another order: sums of gradients by some ulps of the largest.
    largest = max(gradient.abs().max().item() for gradient in plain.values() if gradient is not None)
    for name, gradient in plain.items():
        other = beside[name]
        if gradient is None:  # the vision tower: it ran, and nothing came back through it
            assert "visual" in name and (other is None or not other.any())
        else:
            torch.testing.assert_close(other, gradient, rtol=0, atol=1e-6 * largest)
    assert any(gradient is not None for name, gradient in beside.items() if "visual" in name)


def test_every_batch_reaches_the_vision_tower_where_an_engine_would_lose_what_earlier_ones_found(
    model: SmartModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "in_step", True)
    text, page = (
        model.family.featurize(TEXT, "query"),
        model.family.featurize([ModelInput(images=(noise(1),))], "query"),
    )
    found = {}
    for always in (False, True):
        monkeypatch.setattr(model, "always_sees", always)
        found[always] = gradients(model, text)
        added = [grad is not None for name, grad in found[always][1].items() if "visual" in name]
        assert (all if always else lambda flags: not any(flags))(added)
    torch.testing.assert_close(found[True][0], found[False][0], rtol=0, atol=1e-6)
    assert not any(grad.any() for name, grad in found[True][1].items() if "visual" in name)
    seen: list[int] = []
    model.backbone.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    model(page)
    assert seen == [1], "nothing is added to a batch with images"


def test_nothing_is_added_where_everybody_has_images(model: SmartModel, monkeypatch: pytest.MonkeyPatch) -> None:
    features = model.family.featurize([ModelInput(images=(noise(1),))], "document")
    assert {visual.kind for visual in model.family.visual_fields if visual.pixels in features} == {"image"}
    expected = model(features).packed
    monkeypatch.setattr(model, "in_step", True)
    assert torch.equal(model(features).packed, expected)


def test_joined_rows_are_those_that_were_joined(model: SmartModel) -> None:
    first = model.family.featurize(TEXT, "query")
    second = model.family.featurize([ModelInput("a", images=(noise(2),))], "document")
    joined = append_rows(first, second, model.family.visual_fields)
    assert len(joined["input_ids"]) == 3
    for rows, part in (([0, 1], first), ([2], second)):
        back = select_rows(joined, rows, model.family.visual_fields)
        assert back.keys() == part.keys()
        for name, value in part.items():
            assert torch.equal(back[name], value), name
    with pytest.raises(ModelError, match="extra is in only one of the two batches"):
        append_rows({**first, "extra": first["pooled_index"]}, second, model.family.visual_fields)
