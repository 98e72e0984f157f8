"""One encoding holds what the model gives under every layer and filter."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from smart_train import SmartModel
from smart_train.models import TokenProjection
from smart_train.models.layered_states import FILTERS, LayeredStates, encode_layers
from smart_train.scoring import ScoringConfig
from smart_train.types import ModelInput
from tests.models.conftest import TINY
from tests.models.text_folders import encoder_folder

TEXTS = ["a cat sat on the mat", "revenue", "the red page the green page total"]


def text_model(tmp_path: Path) -> SmartModel:
    return SmartModel.from_config(encoder_folder(tmp_path / "text"), family="text_encoder", init_std=0.2)


def page_model(tmp_path: Path) -> SmartModel:
    return SmartModel.from_config(TINY, init_std=0.05)


def inputs(model: SmartModel) -> list[ModelInput]:
    items = [ModelInput(text) for text in TEXTS]
    if "image" in model.family.modalities:
        items.append(ModelInput(None, (Image.new("RGB", (96, 64), "red"),)))
    return items


def states_of(model: SmartModel, role: str, layers: tuple[int, ...]) -> list[tuple[list[int], LayeredStates]]:
    return list(encode_layers(model, inputs(model), role, layers, batch_size=2))


@pytest.mark.parametrize("make", [text_model, page_model])
@pytest.mark.parametrize("role", ["query", "document"])
def test_a_selection_is_what_the_model_gives(tmp_path: Path, make, role: str) -> None:
    model = make(tmp_path)
    found = states_of(model, role, (-1, 1, 0))
    for layer, (keep, pooled_token) in [
        (-1, ("content", "keep")),
        (1, ("all", "drop")),
        *((0, each) for each in FILTERS),
    ]:
        if keep == "visual" and model.family.modalities == ("text",):
            continue
        model.family.scoring = ScoringConfig(
            layer=layer, query_tokens=keep, document_tokens=keep, pooled_token=pooled_token
        )
        encode = model.encode_query if role == "query" else model.encode_document
        expected = encode(inputs(model), batch_size=2)
        for places, states in found:
            chosen, wanted = states.select(layer, keep, pooled_token), expected[places]
            assert torch.equal(chosen.offsets, wanted.offsets), (layer, keep, pooled_token)
            torch.testing.assert_close(chosen.packed, wanted.packed, atol=2e-6, rtol=0)
            torch.testing.assert_close(chosen.pooled, wanted.pooled, atol=2e-6, rtol=0)


def test_tokens_of_a_projection_are_projected(tmp_path: Path) -> None:
    model = text_model(tmp_path)
    projection = TokenProjection(model.hidden_size, 8, layers=[1, -1])
    projection.reset(0)
    model.add_projection(projection)
    expected = model.encode_document(TEXTS, batch_size=2)
    for places, states in states_of(model, "document", (-1,)):
        torch.testing.assert_close(states.select(-1, "content", "keep").packed, expected[places].packed)


def test_states_come_back_from_their_tensors(tmp_path: Path) -> None:
    for _, states in states_of(text_model(tmp_path), "query", (-1, 0)):
        again = LayeredStates.from_tensors(states.to_tensors())
        assert again.masks.keys() == states.masks.keys() and again.states.keys() == states.states.keys()
        assert torch.equal(again.select(0, "all", "drop").packed, states.select(0, "all", "drop").packed)
