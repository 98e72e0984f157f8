"""MaxSim's values: against brute force, in every layout, dtype and block size."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from smart_train.scoring import EMPTY_DOCUMENT_SCORE, maxsim
from smart_train.scoring.reference import maxsim_reference

WIDTH = 16


def ragged(*lengths: int, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    return [torch.randn(length, WIDTH, dtype=dtype) for length in lengths]


def padded(items: list[Tensor], layout: str, filling: float) -> tuple[Tensor, Tensor]:
    """Items in one [items, T, d] tensor with their mask; padding holds `filling`."""
    width = max(len(item) for item in items) + 3
    values = torch.full((len(items), width, items[0].shape[1]), filling, dtype=items[0].dtype)
    mask = torch.zeros(len(items), width, dtype=torch.bool)
    for row, item in enumerate(items):
        if layout == "prefix":
            places = torch.arange(len(item))
        elif layout == "suffix":
            places = torch.arange(width - len(item), width)
        else:
            places = torch.randperm(width)[: len(item)].sort().values
        values[row, places] = item
        mask[row, places] = True
    return values, mask


def packed(items: list[Tensor]) -> tuple[Tensor, Tensor]:
    return torch.cat(items), torch.tensor([0, *(len(item) for item in items)]).cumsum(0)


def test_reference_by_hand() -> None:
    query = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    document = torch.tensor([[3.0, 4.0], [0.0, -1.0]])
    # Token 1: max(3, 0) = 3. Token 2: max(8, -2) = 8.
    assert maxsim_reference([query], [document]).item() == 5.5
    assert maxsim_reference([query], [document], reduction="sum").item() == 11
    # Normalised: (3/5 + 4/5) / 2.
    assert maxsim_reference([query], [document], normalize=True).item() == pytest.approx(0.7)
    assert maxsim_reference([query[:0]], [document]).item() == 0
    assert maxsim_reference([query], [document[:0]]).item() == EMPTY_DOCUMENT_SCORE
    assert maxsim_reference([query], []).shape == (1, 0)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("layout", ["prefix", "suffix", "scattered"])
@pytest.mark.parametrize("filling", [0.0, 1e3, math.nan])
def test_every_layout_equals_brute_force(reduction: str, normalize: bool, layout: str, filling: float) -> None:
    queries, documents = ragged(3, 1, 5, 0), ragged(7, 2, 0, 1, 9)
    expected = maxsim_reference(queries, documents, reduction=reduction, normalize=normalize).float()
    options = {"reduction": reduction, "normalize": normalize}
    q, q_mask = padded(queries, layout, filling)
    d, d_mask = padded(documents, layout, filling)
    for left, left_mask in ((queries, None), (packed(queries), None), (q, q_mask)):
        for right, right_mask in ((documents, None), (packed(documents), None), (d, d_mask)):
            scores = maxsim(left, right, left_mask, right_mask, **options)
            assert scores.dtype == torch.float32
            torch.testing.assert_close(scores, expected, rtol=1e-5, atol=1e-5)


def test_no_mask_means_every_token_counts() -> None:
    q, d = torch.randn(3, 4, WIDTH), torch.randn(5, 6, WIDTH)
    torch.testing.assert_close(maxsim(q, d), maxsim_reference(q, d).float(), rtol=1e-5, atol=1e-5)


def test_padding_never_wins_over_negative_similarities() -> None:
    direction = F.normalize(torch.randn(WIDTH), dim=0)
    query, document = direction.expand(1, 2, WIDTH), -direction.expand(1, 3, WIDTH)
    mask = torch.tensor([[True, True, False]])
    for filling in (0.0, 1e3, math.nan):
        filled = document.clone()
        filled[0, 2] = filling
        torch.testing.assert_close(maxsim(query, filled, document_mask=mask), torch.tensor([[-1.0]]))


def test_an_empty_document_ranks_below_everything_and_an_empty_query_is_indifferent() -> None:
    query = torch.ones(1, WIDTH)
    scores = maxsim([query, query[:0]], [query[:0], -100 * query, query])
    assert scores.argsort(dim=1, descending=True, stable=True)[0].tolist() == [2, 1, 0]
    assert scores[:, 0].tolist() == [EMPTY_DOCUMENT_SCORE] * 2
    assert scores[1, 1:].tolist() == [0, 0]
    assert torch.softmax(scores[0] / 0.01, dim=0)[0] == 0


@pytest.mark.parametrize(
    ("queries", "documents", "shape"),
    [
        ([torch.ones(2, 4)], [], (1, 0)),
        ([], [torch.ones(2, 4)], (0, 1)),
        ([], [], (0, 0)),
        (torch.ones(2, 3, 4), torch.ones(0, 3, 4), (2, 0)),
        (torch.ones(0, 3, 4), torch.ones(2, 3, 4), (0, 2)),
        (torch.ones(2, 0, 4), torch.ones(3, 0, 4), (2, 3)),
        ((torch.ones(0, 4), torch.tensor([0])), (torch.ones(3, 4), torch.tensor([0, 3])), (0, 1)),
    ],
)
def test_nothing_to_score(queries: object, documents: object, shape: tuple[int, int]) -> None:
    assert maxsim(queries, documents).shape == shape


def test_one_token_each_is_the_inner_product() -> None:
    q, d = torch.randn(3, 1, WIDTH), torch.randn(4, 1, WIDTH)
    torch.testing.assert_close(maxsim(q, d), q[:, 0] @ d[:, 0].T)


@pytest.mark.parametrize("block_bytes", [1, 64, 1000, 10**9])
def test_block_size_changes_nothing(block_bytes: int) -> None:
    queries, documents = ragged(3, 9, 1), ragged(4, 4, 4, 7, 1, 4, 4)
    q, q_mask = padded(queries, "scattered", 1e3)
    d, d_mask = padded(documents, "scattered", 1e3)
    torch.testing.assert_close(maxsim(q, d, q_mask, d_mask, block_bytes=block_bytes), maxsim(queries, documents))


def test_strided_inputs() -> None:
    q, d = torch.randn(WIDTH, 4, 3), torch.randn(5, WIDTH, 6)
    expected = maxsim_reference(q.permute(2, 1, 0), d.transpose(1, 2)).float()
    torch.testing.assert_close(maxsim(q.permute(2, 1, 0), d.transpose(1, 2)), expected, rtol=1e-5, atol=1e-5)
    one = torch.randn(1, 4, WIDTH)
    torch.testing.assert_close(maxsim(one.expand(3, -1, -1), one), maxsim(one, one).expand(3, -1))


def test_wide_products_take_the_same_values() -> None:
    # Large enough for the route that small products do not take.
    queries = [F.normalize(torch.randn(40, 512), dim=1) for _ in range(2)]
    documents = [F.normalize(torch.randn(length, 512), dim=1) for length in (300, 150, 300)]
    with torch.no_grad():
        expected = torch.stack([torch.stack([(q @ d.T).amax(1).mean() for d in documents]) for q in queries])
    torch.testing.assert_close(maxsim(queries, documents), expected, rtol=0, atol=1e-6)


@pytest.mark.usefixtures("either_arithmetic")
@pytest.mark.parametrize(("dtype", "within"), [(torch.bfloat16, 1e-3), (torch.float16, 2e-4), (torch.float64, 1e-12)])
def test_other_dtypes_add_up_wide(dtype: torch.dtype, within: float) -> None:
    queries = [F.normalize(torch.randn(24, 256), dim=1).to(dtype) for _ in range(4)]
    documents = [F.normalize(torch.randn(60, 256), dim=1).to(dtype) for _ in range(6)]
    scores = maxsim(queries, documents)
    assert scores.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(scores.double(), maxsim_reference(queries, documents), rtol=0, atol=within)


def test_autocast_does_not_reach_the_score() -> None:
    queries, documents = [item.requires_grad_() for item in ragged(3, 4)], ragged(5, 6)
    plain = maxsim(queries, documents)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = maxsim(queries, documents)
        (cast_grad,) = torch.autograd.grad(cast.sum(), queries[:1])
    assert torch.equal(plain, cast)
    (grad,) = torch.autograd.grad(plain.sum(), queries[:1])
    assert torch.equal(grad, cast_grad)


def test_a_compiled_caller_gets_the_same_scores_and_gradients() -> None:
    def loss(q: Tensor, d: Tensor) -> Tensor:
        return (maxsim(q * 2, d, normalize=True) + 1).logsumexp(dim=1).sum()

    found = []
    for call in (torch.compile(loss, backend="aot_eager"), loss):
        torch.manual_seed(1)
        states = [torch.randn(2, 3, WIDTH, requires_grad=True), torch.randn(4, 5, WIDTH, requires_grad=True)]
        value = call(*states)
        found.append((value, *torch.autograd.grad(value, states)))
    for compiled, plain in zip(*found, strict=True):
        torch.testing.assert_close(compiled, plain)


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_cuda_equals_cpu(dtype: torch.dtype) -> None:
    queries = [item.to(dtype) for item in ragged(3, 9, 0)]
    documents = [item.to(dtype).requires_grad_() for item in ragged(5, 0, 17, 4)]
    here = maxsim(queries, documents)
    there = maxsim([item.cuda() for item in queries], [item.cuda() for item in documents])
    within = 2e-2 if dtype == torch.bfloat16 else 1e-4
    torch.testing.assert_close(there.cpu(), here, rtol=1e-4, atol=within)
    (expected,) = torch.autograd.grad(here.sum(), documents[2:3])
    (found,) = torch.autograd.grad(there.sum(), documents[2:3])
    torch.testing.assert_close(found, expected, rtol=1e-2, atol=within)
