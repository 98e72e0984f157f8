"""A training step waits for its device once, however many documents and chunks there are. Counted on a CPU, which
waits for nothing: operators that must know a value, or a shape that depends on values, and tensors read as lists."""

from __future__ import annotations

import pytest

from smart_train.training import GradientCaching
from smart_train.training.grad_cache import HostFeatures
from tests.cuda.waits import waits_on_cpu
from tests.training.batches import batch, tiny, training_module

ONCE = 1  # are the scores finite, has every positive tokens, has the teacher judged: read together


@pytest.mark.parametrize("products", ["exact", "float16"])
@pytest.mark.parametrize("taught", [False, True])
def test_a_plain_step_waits_once(taught: bool, products: str) -> None:
    model = tiny("lora")
    module = training_module(model, "joint", learn_temperature=True, taught=taught, products=products)

    def counted(rows: int) -> tuple[int, int, int]:
        inputs = batch(model, rows, negatives=2 if taught else 0)
        return waits_on_cpu(lambda: module(inputs).total.backward())

    ours, theirs, lists = counted(2)
    assert ours == ONCE
    assert lists == 0
    assert (ours, theirs, lists) == counted(5)


@pytest.mark.parametrize("mode", ["lora", "projection"])
def test_a_cached_step_waits_once_however_many_chunks_it_has(mode: str) -> None:
    model = tiny(mode)
    inputs = batch(model, 4)
    sides = {side: HostFeatures(inputs[side]) for side in ("query", "document")}

    def counted(size: int) -> int:
        module = training_module(model, "late", caching=GradientCaching(size))
        return waits_on_cpu(lambda: module({**inputs, **sides}).total.backward())[0]

    assert counted(4) == counted(1) == ONCE
