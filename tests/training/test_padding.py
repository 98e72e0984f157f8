"""The share of padding that the log shows is that of the forwards that a step makes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from smart_train import SmartModel
from smart_train.models.stored_states import stored
from smart_train.training import GradientCaching
from smart_train.training.grad_cache import HostFeatures, encode_cached
from smart_train.training.padding import Padding
from tests.training.batches import batch, tiny


def side(lengths: list[int]) -> HostFeatures:
    mask = torch.zeros(len(lengths), max(lengths) + 3, dtype=torch.int64)  # a batch may be wider than its longest row
    for row, length in enumerate(lengths):
        mask[row, :length] = 1
    return HostFeatures({"attention_mask": mask[:, : max(lengths)]})


def test_positions_without_a_token_are_counted() -> None:
    padding = Padding(None)
    padding.count({"query": side([2, 2]), "document": side([10, 6, 4, 4])})
    padding.count({"query": side([4, 2]), "document": side([10, 10, 10, 10])})
    assert padding.take() == pytest.approx({"padding_query": 2 / 12, "padding_document": 16 / 80})
    assert padding.take() == {}, "counted anew after every log"


def test_chunks_are_padded_to_their_own_longest_row() -> None:
    padding = Padding(GradientCaching(2))
    padding.count({"query": side([2, 2]), "document": side([4, 10, 4, 6])})
    assert padding.take() == pytest.approx({"padding_query": 0.0, "padding_document": 4 / 28})


def test_states_from_the_disk_have_no_padding() -> None:
    states = HostFeatures(stored(torch.ones(2, 3), torch.tensor([0, 2, 5]), torch.ones(5, 1, 3), None))
    padding = Padding(None)
    padding.count({"query": states, "document": states})
    assert padding.take() == {}


def test_what_is_counted_is_what_the_backbone_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    model, computed = tiny("lora"), []
    whole = SmartModel.forward

    def seen(self: SmartModel, features: dict[str, Tensor]) -> Any:
        mask = features["attention_mask"]
        computed.append((int(mask.sum()), mask.numel()))
        return whole(self, features)

    monkeypatch.setattr(SmartModel, "forward", seen)
    inputs = batch(model, 5)
    caching = GradientCaching(2)
    for name in ("query", "document"):
        padding, given = Padding(caching), HostFeatures(inputs[name])
        with torch.no_grad():
            encode_cached(model, given, caching)
        padding.count({"query": given, "document": given})
        tokens, positions = map(sum, zip(*computed, strict=True))
        assert padding.take()["padding_query"] == pytest.approx(1 - tokens / positions)
        computed.clear()
