"""The number of times that work waits for its device does not grow with the number of documents."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from smart_train.scoring import PackedDocuments, ScoringConfig, maxsim
from smart_train.scoring.embeddings import Embeddings
from tests.cuda.test_training import placed
from tests.cuda.waits import waits
from tests.training.batches import batch, tiny, training_module


def embeddings(count: int, device: str) -> Embeddings:
    tokens = [F.normalize(torch.randn(5 + 3 * (index % 4), 64, device=device), dim=1) for index in range(count)]
    return Embeddings(F.normalize(torch.randn(count, 16, device=device), dim=1), tokens)


@pytest.mark.parametrize("products", ["exact", "bfloat16"])
@pytest.mark.parametrize("layout", ["list", "packed", "masked"])
def test_the_late_loss(device: str, layout: str, products: str) -> None:
    def counted(count: int) -> int:
        queries, documents = embeddings(4, device), embeddings(count, device)
        sides = [side.tokens for side in (queries, documents)]
        masks = []
        if layout == "packed":
            sides = [(side.packed, side.offsets) for side in (queries, documents)]
        elif layout == "masked":
            sides = [torch.nn.utils.rnn.pad_sequence(side, batch_first=True) for side in sides]
            masks = [side.abs().sum(dim=2) > 0 for side in sides]
        for side in sides:
            for part in side[:1] if layout == "packed" else side if layout == "list" else [side]:
                part.requires_grad_()
        return waits(lambda: maxsim(*sides, *masks, products=products).sum().backward(), device)

    assert counted(4) == counted(24)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_packed_scoring(device: str, dtype: str) -> None:
    def counted(count: int) -> int:
        queries = embeddings(4, device)
        stored = PackedDocuments(embeddings(count, device), dtype=dtype)
        return waits(lambda: stored.top_k(queries, 3, ScoringConfig()), device)

    # One wait a block, for equal scores at the edge; not for a dozen documents, of which none is left out.
    assert counted(16) == counted(96)


def test_the_loss_of_a_batch(device: str) -> None:
    """From embeddings to gradients. Before them a Qwen-VL waits for each image, in transformers' own code."""
    model = tiny("lora")
    module = training_module(model, "joint", learn_temperature=True).to(device)

    def counted(rows: int) -> int:
        sides = {side: embeddings(rows, device) for side in ("query", "document")}
        for side in sides.values():
            side.packed.requires_grad_()
        inputs = placed(batch(model, rows), device) | sides
        return waits(lambda: module(inputs).total.backward(), device)

    assert counted(4) == counted(12)
