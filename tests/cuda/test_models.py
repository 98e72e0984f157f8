"""What a model encodes on a device: as on the CPU, in 16 bits, in 4 bits, merged."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from smart_train import SmartModel
from smart_train.models import TokenProjection
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.processor_arithmetic import cut_integer_products
from smart_train.types import ModelInput
from tests.training.batches import document, tiny

DOCUMENTS: list[ModelInput] = [document(index) for index in range(7)]


def assert_near(found: Embeddings, expected: Embeddings, cosine: float) -> None:
    """Pooled vectors and token states of the same shapes, none further from its own than `cosine`."""
    assert torch.equal(found.offsets, expected.offsets)
    for mine, theirs in ((found.pooled, expected.pooled), (found.packed, expected.packed)):
        assert F.cosine_similarity(mine.float(), theirs.float(), dim=1).min() >= cosine


@pytest.mark.parametrize("mode", ["full", "lora", "projection"])
def test_a_batch_there_is_one_by_one_on_the_cpu(device: str, mode: str) -> None:
    model = tiny(mode)
    expected = model.encode_document(DOCUMENTS, batch_size=1)
    found = model.to(device).encode_document(DOCUMENTS, batch_size=4)
    assert found.device.type == "cpu" and model.device.type == device
    torch.testing.assert_close(found.packed, expected.packed, rtol=0, atol=2e-5)
    torch.testing.assert_close(found.pooled, expected.pooled, rtol=0, atol=2e-5)
    asked = model.encode_query(["growth of the second quarter", "map"])
    assert model.similarity(asked, found).shape == (2, 7)


def test_a_projection_of_several_layers(device: str) -> None:
    model = tiny("full")
    model.projection = TokenProjection(model.hidden_size, 16, hidden_dim=24, layers=(0, 1, -1))
    model.projection.reset(0)
    expected = model.encode_document(DOCUMENTS)
    assert expected.packed.shape[1] == 16
    torch.testing.assert_close(model.to(device).encode_document(DOCUMENTS).packed, expected.packed, rtol=0, atol=2e-5)


@pytest.mark.parametrize(("dtype", "cosine"), [("bfloat16", 0.995), ("float16", 0.9995)])
def test_weights_of_16_bits(device: str, dtype: str, cosine: float, tmp_path: Path) -> None:
    tiny("full").save_pretrained(tmp_path / "model")
    exact = SmartModel.from_pretrained(tmp_path / "model", dtype="float32", device="cpu")
    narrow = SmartModel.from_pretrained(tmp_path / "model", dtype=dtype, device=device)
    assert {p.dtype for p in narrow.parameters()} == {getattr(torch, dtype)}
    found = narrow.encode_document(DOCUMENTS)
    assert found.packed.dtype == torch.float32
    assert_near(found, exact.encode_document(DOCUMENTS), cosine)


def test_autocast_is_near_full_precision(device: str) -> None:
    model = tiny("full")
    expected = model.encode_document(DOCUMENTS)
    model.to(device)
    with torch.autocast(device, torch.bfloat16):
        assert_near(model.encode_document(DOCUMENTS), expected, 0.995)


def test_an_adapter_merges_there(device: str) -> None:
    model = tiny("lora").to(device)
    expected = model.encode_document(DOCUMENTS)
    model.backbone = model.backbone.merge_and_unload()
    torch.testing.assert_close(model.encode_document(DOCUMENTS).packed, expected.packed, rtol=0, atol=2e-5)


@pytest.mark.parametrize(("kind", "cosine"), [("4bit", 0.8), ("8bit", 0.98)])
def test_weights_of_few_bits(device: str, kind: str, cosine: float, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="needs the extra quantization")
    if device == "cpu" and kind == "8bit" and (cut := cut_integer_products()):
        pytest.skip(cut)
    tiny("full").save_pretrained(tmp_path / "model")
    exact = SmartModel.from_pretrained(tmp_path / "model", dtype="float32", device="cpu")
    small = SmartModel.from_pretrained(tmp_path / "model", dtype="float32", device=device, quantization=kind)
    assert small.quantization == kind
    assert_near(small.encode_document(DOCUMENTS), exact.encode_document(DOCUMENTS), cosine)
