"""Scores and their gradients on a device, in every dtype, against fp64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from smart_train.scoring import EMPTY_DOCUMENT_SCORE, PackedDocuments, ScoringConfig, maxsim, smart_scores
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.reference import maxsim_reference

# Width of a state -> query tokens that no two of which lie near each other in it.
WIDTHS = {24: 6, 320: 9, 2048: 9}
DTYPES = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 2e-2}
PACKED = {"float32": 1e-5, "bfloat16": 4e-3, "int8": 6e-3}


def states(width: int) -> tuple[list[Tensor], list[Tensor]]:
    """Unit states in fp32 of ragged queries and documents. A document holds every query token with a little noise, and
    others: every maximum has a clear winner, which rounding to 16 bits does not change."""
    directions = torch.linalg.qr(torch.randn(width, WIDTHS[width])).Q.T
    documents = []
    for others in (0, 11, 40, 3):
        own = directions[torch.randperm(len(directions))] + 0.3 * torch.randn(len(directions), width) / width**0.5
        rest = torch.randn(others, width) - torch.ones(width)  # far from all of them
        documents.append(F.normalize(torch.cat([own, rest]), dim=1)[torch.randperm(len(own) + others)])
    return [directions[:3], directions, directions[:0], directions[2:]], documents


def padded(items: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Items at random places of [items, T, d], NaN between them, with their mask."""
    width = max(len(item) for item in items) + 3
    values = items[0].new_full((len(items), width, items[0].shape[1]), float("nan"))
    mask = torch.zeros(len(items), width, dtype=torch.bool, device=values.device)
    for row, item in enumerate(items):
        places = torch.randperm(width)[: len(item)].sort().values.to(values.device)
        values[row, places], mask[row, places] = item, True
    return values, mask


def gradients(scores: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    weights = torch.linspace(-1, 1, scores.numel(), dtype=scores.dtype, device=scores.device).view_as(scores)
    found = torch.autograd.grad((scores * weights).sum(), leaves, materialize_grads=True)  # one query has no tokens
    return [gradient.double().cpu() for gradient in found]


@pytest.mark.parametrize("layout", ["ragged", "masked"])
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", WIDTHS)
def test_maxsim_and_its_gradient_are_those_of_fp64(
    device: str, width: int, dtype: torch.dtype, normalize: bool, layout: str
) -> None:
    leaves = [item.to(device, dtype).requires_grad_() for side in states(width) for item in side]
    queries, documents = leaves[:4], leaves[4:]
    exact = [leaf.detach().cpu().double().requires_grad_() for leaf in leaves]
    expected = maxsim_reference(exact[:4], exact[4:], normalize=normalize)
    if layout == "masked":
        (left, left_mask), (right, right_mask) = padded(queries), padded(documents)
        scores = maxsim(left, right, left_mask, right_mask, normalize=normalize)
    else:
        scores = maxsim(queries, documents, normalize=normalize)
    within = DTYPES[dtype]
    assert scores.device.type == device and scores.dtype == torch.float32
    torch.testing.assert_close(scores.double().cpu(), expected, rtol=0, atol=within)
    for found, wanted in zip(gradients(scores, leaves), gradients(expected, exact), strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=within)


@pytest.mark.parametrize("products", ["bfloat16", "float16"])
@pytest.mark.parametrize("width", WIDTHS)
def test_winners_found_by_rounded_states_are_scored_in_fp32(device: str, width: int, products: str) -> None:
    leaves = [item.to(device).requires_grad_() for side in states(width) for item in side]
    exact, found = (maxsim(leaves[:4], leaves[4:], products=name) for name in ("exact", products))
    torch.testing.assert_close(found, exact, rtol=0, atol=1e-5)
    for gradient, wanted in zip(gradients(found, leaves), gradients(exact, leaves), strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_small_budget_of_memory_changes_nothing(device: str, width: int) -> None:
    sides = [[item.to(device) for item in side] for side in states(width)]
    torch.testing.assert_close(maxsim(*sides, block_bytes=64), maxsim(*sides), rtol=0, atol=1e-6)


def test_no_autocast_reaches_the_scores(device: str) -> None:
    sides = [[item.to(device) for item in side] for side in states(320)]
    with torch.autocast(device, torch.bfloat16):
        inside = maxsim(*sides)
    assert torch.equal(inside, maxsim(*sides))


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_kernels_score_alike(dtype: torch.dtype) -> None:
    pytest.importorskip("late_interaction_kernels", reason="needs the extra kernels")
    found = []
    for backend in ("torch", "kernels"):
        leaves = [item.to("cuda", dtype).requires_grad_() for side in states(24) for item in side]
        scores = maxsim(leaves[:4], leaves[4:], backend=backend)
        found.append([scores.double().cpu(), *gradients(scores, leaves)])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(theirs, ours, rtol=0, atol=DTYPES[dtype])


def embeddings(items: list[Tensor]) -> Embeddings:
    return Embeddings(F.normalize(torch.randn(len(items), 16), dim=1), items)


@pytest.mark.parametrize("dtype", PACKED)
@pytest.mark.parametrize("width", WIDTHS)
def test_packed_documents_score_like_fp64(device: str, width: int, dtype: str) -> None:
    queries, documents = states(width)
    documents.insert(1, documents[0][:0])
    stored = PackedDocuments(embeddings(documents), dtype=dtype, device=device)
    found = stored.score_parts(embeddings(queries)).late
    assert found.device.type == device
    expected = maxsim_reference(queries, documents)
    torch.testing.assert_close(found.double().cpu(), expected, rtol=0, atol=PACKED[dtype])
    assert (found[:, 1] == EMPTY_DOCUMENT_SCORE).all()


@pytest.mark.parametrize("dtype", PACKED)
def test_top_k_is_the_head_of_the_ranking(device: str, dtype: str) -> None:
    scoring = ScoringConfig()
    counts = ([5, 9], [7, 3, 11] * 5)
    sides = [[F.normalize(torch.randn(length, 96), dim=1) for length in lengths] for lengths in counts]
    queries, documents = map(embeddings, sides)
    stored = PackedDocuments(documents, dtype=dtype, device=device)
    full = stored.scores(queries, scoring)
    torch.testing.assert_close(full.cpu(), smart_scores(queries, documents, scoring), rtol=0, atol=5e-3)
    ordered = full.sort(dim=1, descending=True, stable=True)
    for k in (1, 4, 99):
        best = stored.top_k(queries, k, scoring)
        assert torch.equal(best.indices, ordered.indices[:, :k]) and torch.equal(best.scores, ordered.values[:, :k])
