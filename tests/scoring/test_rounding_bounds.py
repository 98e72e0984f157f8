"""Scores of rounded states lie within their bound of the scores of the states themselves."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from smart_train.errors import ScoreError
from smart_train.scoring import ScoringConfig, combine, forced_arithmetic, score_parts
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.product import check_products
from smart_train.scoring.rounding_bounds import rounded, scan_products, score_bounds

NARROW = pytest.mark.parametrize("products", ["bfloat16", "float16"])


def items(count: int, seed: int, width: int = 48, tokens: int = 9, scale: float = 1.0) -> Embeddings:
    generator = torch.Generator().manual_seed(seed)
    states = [
        scale * normalize(torch.randn(1 + (3 * item) % tokens, width, generator=generator), dim=1)
        for item in range(count)
    ]
    pooled = normalize(torch.randn(count, width, generator=generator), dim=1)
    return Embeddings(pooled, states)


def differences(queries: Embeddings, documents: Embeddings, products: str, scoring: ScoringConfig) -> torch.Tensor:
    narrow = [rounded(queries, products, queries=True), rounded(documents, products, queries=False)]
    found = combine(score_parts(*(side.embeddings for side in narrow)), scoring)
    exact = combine(score_parts(queries, documents), scoring)
    bounds = score_bounds(*narrow, scoring)
    assert ((found - exact).abs() <= bounds).all()
    return torch.stack([(found - exact).abs(), bounds])


@NARROW
@pytest.mark.parametrize("choice", ["native", "widened"])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 30.0])
def test_no_score_is_further_off_than_its_bound(products: str, choice: str, scale: float) -> None:
    with forced_arithmetic(choice):
        for weights in (ScoringConfig(), ScoringConfig(pooled_weight=0.0), ScoringConfig(late_weight=2.5)):
            differences(items(7, 1), items(40, 2, scale=scale), products, weights)


@NARROW
def test_the_bound_is_near_what_rounding_does(products: str) -> None:
    """Not far above it, or everything would be scored again; and rounding does more than summing, or it could be 0."""
    late = ScoringConfig(pooled_weight=0.0)
    with forced_arithmetic("widened"):
        off, bounds = differences(items(16, 1), items(200, 2), products, late)
    unit = torch.finfo(getattr(torch, products)).eps / 2
    assert bounds.max() < 2 * unit and off.max() > unit / 20
    assert off.max() > 20 * 2.0**-23


@NARROW
@pytest.mark.parametrize("stored", ["bfloat16", "float16", "int8"])
def test_stored_states_of_fewer_bits_are_taken_as_they_are(products: str, stored: str) -> None:
    documents = items(30, 2).quantize(stored)
    differences(items(5, 1), documents, products, ScoringConfig())
    if stored == products:
        assert (rounded(documents, products, queries=False).off == 0).all()


def test_the_worst_that_rounding_can_do_is_within_the_bound() -> None:
    """Every dimension rounds the same way: half a step up in all of them."""
    value = 1 + 2.0**-8  # in the middle between two bfloat16 numbers, rounded to the even one below
    states = [torch.full((1, 64), value)]
    sides = [Embeddings(torch.ones(1, 1), states) for _ in range(2)]
    with forced_arithmetic("widened"):
        off, bounds = differences(*sides, "bfloat16", ScoringConfig(pooled_weight=0.0))
    assert off.item() / bounds.item() > 0.95, "Cauchy and Schwarz are met"


@NARROW
def test_items_without_tokens(products: str) -> None:
    empty = Embeddings(torch.zeros(2, 48), [torch.zeros(0, 48), torch.ones(2, 48)])
    differences(items(3, 1), empty, products, ScoringConfig())
    differences(empty, items(3, 1), products, ScoringConfig())


def test_states_that_do_not_fit_are_refused() -> None:
    large = Embeddings(torch.ones(1, 4), [torch.full((1, 4), 7e4)])
    with pytest.raises(ScoreError, match="products float16: token states of more than 65504 do not fit; .* bfloat16"):
        rounded(large, "float16", queries=False)
    assert rounded(large, "bfloat16", queries=False).length.isfinite().all()


def test_other_products_are_refused() -> None:
    with pytest.raises(ScoreError, match="mining products is 'tf32'; choose one of exact, bfloat16, float16"):
        check_products("tf32", "mining products")


@pytest.mark.parametrize(
    ("asked", "stored", "choice", "scale", "taken"),
    [
        ("exact", "bfloat16", "native", 1.0, "bfloat16"),
        ("exact", "float16", "native", 1.0, "float16"),
        ("exact", "bfloat16", "widened", 1.0, "exact"),
        ("exact", "float32", "native", 1.0, "exact"),
        ("exact", "int8", "native", 1.0, "exact"),
        ("float16", "bfloat16", "native", 1.0, "float16"),
        ("bfloat16", "float32", "widened", 1.0, "bfloat16"),
        # 48 products of 100 * 100 are more than the 65,504 that fp16 holds, and bf16 holds them.
        ("exact", "float16", "native", 100.0, "exact"),
        ("exact", "bfloat16", "native", 100.0, "bfloat16"),
    ],
)
def test_states_are_scanned_as_they_are_stored_where_the_device_multiplies_them_so(
    asked: str, stored: str, choice: str, scale: float, taken: str
) -> None:
    queries, documents = items(3, 0, scale=scale), items(5, 1, scale=scale).quantize(stored)
    with forced_arithmetic(choice):
        assert scan_products(asked, queries, documents, "cpu") == taken
