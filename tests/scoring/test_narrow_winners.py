"""Late scores whose winners are found by products of rounded states: how far scores and gradients are off, and what is
multiplied.

States are drawn around one centre, as those of a trained model lie, so that the best tokens of a page are near to each
other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize
from torch.utils._python_dispatch import TorchDispatchMode

from smart_train.errors import ScoreError
from smart_train.scoring import ScoringConfig, forced_arithmetic, maxsim
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.rounding_bounds import rounded, score_bounds

NARROW = pytest.mark.parametrize("products", ["bfloat16", "float16"])
# What fp32 itself leaves open: products of other shapes add up in another order.
FP32 = 1e-6
PRODUCTS_OF_STATES = (
    torch.ops.aten.mm,
    torch.ops.mkldnn._linear_pointwise,
    torch.ops.aten._embedding_bag_per_sample_weights_backward,
)


def states(count: int, tokens: int, seed: int, width: int = 128) -> Tensor:
    """[count, tokens, width] of length 1 around the centre that all seeds share."""
    centre = normalize(torch.randn(width, generator=torch.Generator().manual_seed(0)), dim=0)
    noise = torch.randn(count, tokens, width, generator=torch.Generator().manual_seed(seed))
    return normalize(centre + 2 * noise / width**0.5, dim=2)


def embeddings(items: Tensor) -> Embeddings:
    return Embeddings(items[:, 0], list(items))


def scored(queries: Tensor, documents: Tensor, **options: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Scores, and the gradients of a softmax over them at a temperature of 0.05."""
    sides = queries.clone().requires_grad_(), documents.clone().requires_grad_()
    scores = maxsim(*sides, **options)
    loss = cross_entropy(scores / 0.05, torch.arange(len(queries)) % len(documents))
    return scores.detach(), *torch.autograd.grad(loss, sides)


def off(found: Tensor, exact: Tensor) -> float:
    """How far, over the length of `exact`."""
    return float((found - exact).norm() / exact.norm())


@NARROW
@pytest.mark.usefixtures("either_arithmetic")
def test_scores_and_gradients_are_within_their_bounds(products: str) -> None:
    """A score is that of a token which is at most two roundings worse than the best, so never above the exact one."""
    queries, documents = states(8, 12, 1), states(24, 200, 2)
    narrow = [rounded(embeddings(side), products, queries=side is queries) for side in (queries, documents)]
    bounds = score_bounds(*narrow, ScoringConfig(pooled_weight=0.0))
    exact, *exact_gradients = scored(queries, documents)
    found, *gradients = scored(queries, documents, products=products)
    assert (found <= exact + FP32).all()
    assert (found >= exact - 2 * bounds - FP32).all()
    # Where a CPU rounds products to 8 bits, ties of three and more are common.
    assert (exact - found).max() < 5e-4
    for gradient, wanted in zip(gradients, exact_gradients, strict=True):
        assert off(gradient, wanted) < 0.1


@pytest.mark.parametrize(
    ("products", "scores_off", "gradients_off"), [("bfloat16", 2e-5, 0.02), ("float16", FP32, 1e-5)]
)
def test_with_sums_in_fp32_the_runner_up_is_enough(products: str, scores_off: float, gradients_off: float) -> None:
    """As a GPU adds up, and a CPU that widens: the winner that rounding puts second is found again."""
    queries, documents = states(8, 12, 1), states(24, 200, 2)
    exact, *exact_gradients = scored(queries, documents)
    with forced_arithmetic("widened"):
        found, *gradients = scored(queries, documents, products=products)
        sides = (side.to(getattr(torch, products)).float() for side in (queries, documents))
        alone = (maxsim(*sides) - exact).abs().max()
    assert (found - exact).abs().max() <= scores_off < alone / 2
    assert max(map(off, gradients, exact_gradients)) < gradients_off


@NARROW
@pytest.mark.usefixtures("either_arithmetic")
@pytest.mark.parametrize("options", [{}, {"normalize": True}, {"reduction": "sum"}, {"block_bytes": 4000}], ids=str)
def test_clear_winners_give_what_exact_products_give(products: str, options: dict[str, Any]) -> None:
    """Of any layout, with padding anywhere that holds anything, and documents of one token or none."""
    generator = torch.Generator().manual_seed(3)
    queries = 3 * torch.eye(16)[torch.randint(16, (3, 5), generator=generator)]
    documents = torch.stack([torch.randperm(16, generator=generator) for _ in range(4)])[:, :7]
    documents = (torch.eye(16) * torch.linspace(1, 2, 16))[documents]  # no two products are near
    masks = torch.rand(3, 5, generator=generator) < 0.7, torch.rand(4, 7, generator=generator) < 0.6
    masks[1][0], masks[1][1] = False, torch.arange(7) == 4
    documents[~masks[1]] = float("nan")
    expected = scored(queries, documents, query_mask=masks[0], document_mask=masks[1], **options)
    found = scored(queries, documents, query_mask=masks[0], document_mask=masks[1], products=products, **options)
    for part, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(part, wanted, rtol=1e-6, atol=1e-6)


@NARROW
@pytest.mark.usefixtures("either_arithmetic")
def test_a_token_that_rounding_hides_wins(products: str) -> None:
    step = torch.finfo(getattr(torch, products)).eps / 8
    query = torch.ones(1, 1, 4)
    document = torch.tensor([[[1.0, 0, 0, 0], [1 + step, 0, 0, 0], [0.5, 0, 0, 0]]]).requires_grad_()
    scores = maxsim(query, document, products=products)
    scores.sum().backward()
    assert scores.item() == 1 + step
    assert document.grad[0].any(dim=1).tolist() == [False, True, False]
    with torch.no_grad():
        assert maxsim(query, document, products=products).item() == 1 + step, "also without a graph"


def test_fp64_and_16_bit_states() -> None:
    """Products of fp64 states are scored again in fp64; states of 16 bits are multiplied as they are."""
    queries, documents = states(4, 6, 1, 64).double(), states(5, 30, 2, 64).double()
    exact, found = maxsim(queries, documents), maxsim(queries, documents, products="float16")
    assert found.dtype == torch.float64 and (found - exact).abs().max() < 1e-12
    narrow = queries.bfloat16(), documents.bfloat16()
    assert torch.equal(maxsim(*narrow), maxsim(*narrow, products="float16"))


class Multiplied(TorchDispatchMode):
    """Multiply-adds of products of states, by the dtype of what is multiplied."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[torch.dtype, int] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if function.overloadpacket in PRODUCTS_OF_STATES:
            dtype, width = args[0].dtype, args[0].shape[1]
            self.counts[dtype] = self.counts.get(dtype, 0) + result.numel() * width
        return result


@NARROW
def test_two_tokens_of_a_document_are_multiplied_in_fp32(products: str) -> None:
    """Of 200 tokens: one in a hundred of the products."""
    queries, documents = states(8, 12, 1).requires_grad_(), states(24, 200, 2).requires_grad_()
    every = 8 * 12 * 24 * 200 * 128
    with Multiplied() as exact:
        maxsim(queries, documents)
    assert exact.counts == {torch.float32: every}
    with forced_arithmetic("native"), Multiplied() as narrow:
        maxsim(queries, documents, products=products)
    assert narrow.counts == {getattr(torch, products): every, torch.float32: every // 100}


@pytest.mark.usefixtures("either_arithmetic")
def test_what_float16_cannot_hold_is_refused() -> None:
    query, document = torch.tensor([[[7e4, 0.0]]]), torch.tensor([[[1.0, 0.0], [2.0, 0.0]]])
    assert maxsim(query, document).item() == 14e4
    assert maxsim(query, document, products="bfloat16").item() == 14e4
    for sides in ((query, document), (document, query)):
        with pytest.raises(ScoreError, match="products overflow torch.float16; choose other products, such as exact"):
            maxsim(*sides, products="float16")


def test_unknown_products_and_old_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ScoreError, match="maxsim: products is 'tf32'; choose one of exact, bfloat16, float16"):
        maxsim(states(1, 1, 1), states(1, 1, 2), products="tf32")
    from smart_train.scoring import product

    monkeypatch.setattr(product, "WIDE_OUTPUT", False)
    product.check_wide_sums("bfloat16", torch.device("cpu"))
    with pytest.raises(ScoreError, match="products bfloat16 on a GPU need torch 2.8 or newer"):
        product.check_wide_sums("bfloat16", torch.device("cuda"))
