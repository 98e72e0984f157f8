"""Documents of many lengths: a handful of launches for a block, and the same winners."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from smart_train.scoring import forced_arithmetic, maxsim
from smart_train.scoring.document_groups import groups
from smart_train.scoring.inputs import token_set
from smart_train.scoring.segments import PADS, largest

WIDTH = 16


class Launches(TorchDispatchMode):
    """Counts operators that compute something; views are free."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not function.is_view
        return function(*args, **(kwargs or {}))


@pytest.fixture
def padded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As on a GPU."""
    monkeypatch.setitem(PADS, "cpu", True)
    yield


def made(lengths: list[int], *, tied: bool = False, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """Token states of items of these lengths; `tied`: of few values, so that most maxima are shared."""
    generator = torch.Generator().manual_seed(sum(lengths))
    states = torch.randn(sum(lengths), WIDTH, generator=generator)
    if tied:
        states = states.sign()
    return [part.requires_grad_() for part in states.to(dtype).split(lengths)]


def step(queries: list[Tensor], documents: list[Tensor], **options: Any) -> list[Tensor]:
    """Scores and all gradients, under weights that tell the pairs apart."""
    queries, documents = ([item.detach().requires_grad_() for item in side] for side in (queries, documents))
    scores = maxsim(queries, documents, **options)
    weights = torch.arange(1.0, scores.numel() + 1).view_as(scores)
    (scores * weights).sum().backward()
    return [scores.detach(), *(item.grad for item in (*queries, *documents))]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(
    "options",
    [{}, {"normalize": True}, {"block_bytes": 3000}, {"reduction": "sum"}, {"products": "float16"}],
    ids=str,
)
def test_the_copy_changes_no_bit(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, tied: bool, options: dict[str, Any]
) -> None:
    queries = made([3, 5, 1], tied=tied, dtype=dtype)
    documents = made([7, 2, 2, 31, 1, 9, 0, 4], tied=tied, dtype=dtype)
    expected = step(queries, documents, **options)
    monkeypatch.setitem(PADS, "cpu", True)
    if "block_bytes" in options:  # several blocks, cut elsewhere: products of other shapes may round differently
        pairs = zip(step(queries, documents, **options), expected, strict=True)
        assert all(torch.allclose(one, other, atol=1e-2 if dtype == torch.bfloat16 else 1e-5) for one, other in pairs)
        return
    for found, value in zip(step(queries, documents, **options), expected, strict=True):
        assert torch.equal(found, value)


@pytest.mark.parametrize("products", ["exact", "bfloat16"])
def test_launches_do_not_grow_with_the_number_of_lengths(padded: None, products: str) -> None:
    few, many = ([5 + (3 * item) % 17 for item in range(count)] for count in (8, 64))
    with forced_arithmetic("native"):
        assert packed_launches(many, products) == packed_launches(few, products)
        assert packed_launches(many, products) <= packed_launches([9] * 64, products) + 12


def test_a_look_at_each_document_costs_a_launch_each() -> None:
    """What a CPU does, and every device did: the count above can fail."""
    few, many = ([5 + (3 * item) % 17 for item in range(count)] for count in (8, 64))
    assert packed_launches(many) >= packed_launches(few) + 2 * (64 - 8)


def packed_launches(lengths: list[int], products: str = "exact") -> int:
    queries, documents = (torch.cat(made(side)).detach().requires_grad_() for side in ([4, 6], lengths))
    offsets = [torch.tensor([0, *side]).cumsum(0) for side in ([4, 6], lengths)]
    with Launches() as counter:
        maxsim((queries, offsets[0]), (documents, offsets[1]), products=products).sum().backward()
    return counter.count


def test_the_copy_fits_the_budget_of_a_block(padded: None) -> None:
    lengths = [400, *[3] * 200, 390, 7]
    documents = token_set([part.detach() for part in made(lengths)], None, "document")
    budget = 1 << 16
    found = list(groups(documents.values, documents.starts, documents.lengths, 32, budget))
    assert sum(len(group.spans) for group in found) == len(lengths)
    for group in found:
        copied = len(group.spans) * max(length for _, length in group.spans)
        rows = min(32, group.query_rows)
        assert rows * 4 * (copied + group.stop - group.start) <= budget or len(group.spans) == 1


def test_a_copy_of_narrow_products_in_fp32_fits_the_budget_too() -> None:
    """Products of 16 bits, which are scaled by norms in fp32: 6 bytes for each."""
    documents = token_set([part.detach() for part in made([8] * 100, dtype=torch.bfloat16)], None, "document")
    budget = 1 << 12
    sizes = (documents.values, documents.starts, documents.lengths, 32, budget)
    with forced_arithmetic("native"):
        plain, scaled = (
            max(group.query_rows * (group.stop - group.start) for group in groups(*sizes, scaled=is_scaled))
            for is_scaled in (False, True)
        )
    assert 2 * plain <= budget < 6 * plain and 6 * scaled <= budget


def test_whole_numbers_have_a_lowest_too(padded: None) -> None:
    """Products of int8 states."""
    products = torch.randint(-50, -1, (3, 9), dtype=torch.int32, generator=torch.Generator().manual_seed(0))
    best = torch.empty(3, 3)
    largest(products, [(0, 2), (2, 6), (8, 1)], best)
    expected = [products[:, :2].amax(1), products[:, 2:8].amax(1), products[:, 8]]
    assert torch.equal(best, torch.stack(expected, dim=1).float())
