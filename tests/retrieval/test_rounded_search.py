"""A ranking found by narrow products is that of exact ones, also where rounding would order it otherwise."""

from __future__ import annotations

import pytest
import torch

from smart_train.retrieval.blocks import document_blocks, take
from smart_train.retrieval.rounded_search import RoundedSearch
from smart_train.scoring import ScoringConfig, smart_scores
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.rounding_bounds import rounded

LATE = ScoringConfig(pooled_weight=0.0)
NARROW = pytest.mark.parametrize("products", ["bfloat16", "float16"])


def near_ties(count: int, spread: int, width: int = 8) -> tuple[Embeddings, Embeddings]:
    """Five queries, and documents that differ from one another by `spread`, of whole numbers. Sums of their products
    are exact in fp32, in any order, so that rankings can be compared to the last place; 13 bits are rounded by either
    narrow dtype."""
    generator = torch.Generator().manual_seed(0)

    def whole(*shape: int, most: int) -> torch.Tensor:
        return torch.randint(-most, most + 1, shape, generator=generator).float()

    centre = whole(6, width, most=8191 - spread)
    tokens = [(centre + whole(6, width, most=spread)) / 2**13 for _ in range(count)]
    asked = [whole(4, width, most=7) / 8 for _ in range(5)]
    pooled = [whole(len(side), width, most=7) / 32 for side in (asked, tokens)]
    return Embeddings(pooled[0], asked), Embeddings(pooled[1], tokens)


def ranked(scores: torch.Tensor, depth: int) -> list[list[int]]:
    return scores.argsort(dim=1, descending=True, stable=True)[:, :depth].tolist()


def found(
    rounded_search: RoundedSearch, documents: Embeddings, name: str, block_bytes: int = 6 * 8 * 4 * 50
) -> torch.Tensor:
    """Scores [Q, N] of what was scored again, -inf elsewhere."""
    scores = torch.full((len(rounded_search.queries), len(documents)), -torch.inf)
    for start, block in document_blocks(documents, block_bytes):
        pairs, values = rounded_search.add(block)
        scores[pairs[:, 1], pairs[:, 0] + start] = values[name]
    return scores


@NARROW
@pytest.mark.parametrize("scoring", [LATE, ScoringConfig()])
def test_near_ties_are_ranked_as_by_exact_products(products: str, scoring: ScoringConfig) -> None:
    queries, documents = near_ties(400, spread=40 if products == "bfloat16" else 5)
    exact = smart_scores(queries, documents, scoring)
    narrow = [rounded(side, products, queries=place == 0).embeddings for place, side in enumerate((queries, documents))]
    assert ranked(smart_scores(*narrow, scoring), 20) != ranked(exact, 20), "else this test could not fail"
    rounded_search = RoundedSearch(queries, products, {"it": scoring}, 20)
    scores = found(rounded_search, documents, "it")
    assert ranked(scores, 20) == ranked(exact, 20)
    assert rounded_search.count.scores == 5 * 400 and rounded_search.count.told.endswith("% of 2,000 scores")


@NARROW
def test_little_is_scored_again_where_scores_differ(products: str) -> None:
    queries, documents = near_ties(2_000, spread=8_000)
    rounded_search = RoundedSearch(queries, products, {"it": LATE}, 10, query_block=2)
    scores = found(rounded_search, documents, "it")
    assert ranked(scores, 10) == ranked(smart_scores(queries, documents, LATE), 10)
    assert rounded_search.count.again < 0.1 * rounded_search.count.scores


def test_every_scoring_has_its_own_first_documents() -> None:
    queries, documents = near_ties(300, spread=4_000)
    scorings = {"late": LATE, "hybrid": ScoringConfig(pooled_weight=3.0)}
    for name, scoring in scorings.items():
        scores = found(RoundedSearch(queries, "bfloat16", scorings, 15), documents, name)
        assert ranked(scores, 15) == ranked(smart_scores(queries, documents, scoring), 15)


def test_equals_are_all_among_what_is_scored_again() -> None:
    queries, documents = near_ties(40, spread=4_000)
    doubled = Embeddings.concatenate([documents, documents])
    scores = found(RoundedSearch(queries, "bfloat16", {"it": LATE}, 5), doubled, "it")
    best = smart_scores(queries, doubled, LATE)
    reached = best >= best.topk(5, dim=1).values[:, -1:]
    assert (reached.sum(dim=1) >= 6).all(), "the fifth has an equal"
    assert torch.equal(scores[reached], best[reached])


def test_it_goes_on_from_the_best_of_documents_that_went_by() -> None:
    queries, documents = near_ties(300, spread=4_000)
    whole = RoundedSearch(queries, "bfloat16", {"it": LATE}, 10)
    first = found(whole, take(documents, 0, 200), "it", block_bytes=1 << 30)
    best = first.topk(8, dim=1).values  # an earlier search of a smaller depth may have kept fewer
    for kept in (best, first.topk(10, dim=1).values):
        later = RoundedSearch(queries, "bfloat16", {"it": LATE}, 10, best={"it": kept})
        rest = found(later, take(documents, 200, 300), "it")
        assert ranked(torch.cat([first, rest], dim=1), 10) == ranked(smart_scores(queries, documents, LATE), 10)
    assert later.count.again < 5 * 100
