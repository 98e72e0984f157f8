"""Rankings by 16-bit products: how far scores are off, how many places they would get wrong, and how much is scored
again in fp32 so that none is.

    python -m benchmarks.narrow_products            # counts alone, on a CPU, seconds
    python -m benchmarks.narrow_products --write    # the same, into docs/benchmarks.md

Corpora are drawn: token states around a common centre, so that all are alike, as a trained model's are. `spread` is how
far they lie from it; the smaller, the closer the scores. The first twenty pages of each query are ranked, a block of
256 pages at a time, as mining does. Products are added up in fp32, as a GPU does it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks._harness import DOCUMENT
from benchmarks.document import print_or_write
from smart_train.retrieval.blocks import take
from smart_train.retrieval.rounded_search import RoundedSearch
from smart_train.scoring import ScoringConfig, forced_arithmetic, smart_scores
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.rounding_bounds import rounded, score_bounds
from smart_train.utils.terms import PRODUCTS

QUERIES, TOKENS, BLOCK, DEPTH = (16, 12), 16, 256, 20
LATE = ScoringConfig(pooled_weight=0.0)


@dataclass(frozen=True)
class Found:
    """What narrow products did on one corpus.

    Attributes:
        off, bound: the largest difference to an fp32 score, and the largest bound of one.
        misplaced: share of the first places that they alone would give to another document.
        again: share of all scores that were computed again. equal: whether the places are then those of fp32.
    """

    off: float
    bound: float
    misplaced: float
    again: float
    equal: bool


def corpus(documents: int, width: int, spread: float) -> tuple[Embeddings, Embeddings]:
    """Queries and documents around one centre."""
    generator = torch.Generator().manual_seed(0)
    centre = normalize(torch.randn(width, generator=generator), dim=0)

    def side(count: int, tokens: int) -> Embeddings:
        noise = torch.randn(count, tokens, width, generator=generator) * spread / width**0.5
        states = normalize(centre + noise, dim=2)
        offsets = torch.arange(0, (count + 1) * tokens, tokens)
        return Embeddings(normalize(states.mean(1), dim=1), states.flatten(0, 1), offsets)

    return side(*QUERIES), side(documents, TOKENS)


def measure(queries: Embeddings, documents: Embeddings, products: str) -> Found:
    """The ranking by `products`, alone and with what is scored again."""
    exact = smart_scores(queries, documents, LATE)
    with forced_arithmetic("widened"):
        sides = rounded(queries, products, queries=True), rounded(documents, products, queries=False)
        alone = smart_scores(sides[0].embeddings, sides[1].embeddings, LATE)
        rounded_search = RoundedSearch(queries, products, {"late": LATE}, DEPTH)
        scores = torch.full_like(exact, -torch.inf)
        for start in range(0, len(documents), BLOCK):
            block = take(documents, start, min(start + BLOCK, len(documents)))
            pairs, values = rounded_search.add(block)
            scores[pairs[:, 1], pairs[:, 0] + start] = values["late"]
        bounds = score_bounds(*sides, LATE)
    return Found(
        off=float((alone - exact).abs().max()),
        bound=float(bounds.max()),
        misplaced=float((_places(alone) != _places(exact)).float().mean()),
        again=rounded_search.count.again / rounded_search.count.scores,
        equal=bool(torch.allclose(_best(scores, exact), _best(exact, exact), rtol=0, atol=1e-6)),
    )


def _places(scores: Tensor) -> Tensor:
    return scores.argsort(dim=1, descending=True, stable=True)[:, :DEPTH]


def _best(scores: Tensor, exact: Tensor) -> Tensor:
    """Exact scores of the first documents by `scores`: those that fp32 itself cannot order may change places."""
    return exact.gather(1, _places(scores))


def lines(documents: int = 2_048) -> list[str]:
    """The table, in Markdown."""
    table = []
    for width, spread in ((128, 2.0), (128, 0.5), (1_024, 2.0)):
        sides = corpus(documents, width, spread)
        for products in PRODUCTS[1:]:
            found = measure(*sides, products)
            cells = [f"{width:,}, {spread}", products, f"{found.off:.1e}", f"{found.bound:.1e}"]
            cells += [f"{found.misplaced:.1%}", f"{found.again:.1%}", "yes" if found.equal else "NO"]
            table.append(f"| {' | '.join(cells)} |")
    return [
        "## Rankings by narrow products",
        "",
        "`python -m benchmarks.narrow_products --write`",
        "",
        f"**{QUERIES[0]} queries x {documents:,} pages of {TOKENS} tokens, the first {DEPTH} of each**",
        "",
        "| width, spread | products | largest error | largest bound | places wrong by them alone | scored again | then "
        "the ranking of fp32 |",
        f"|{'---|' * 7}",
        *table,
        "",
    ]


if __name__ == "__main__":
    print_or_write(__doc__, DOCUMENT, "narrow_products", lines)
