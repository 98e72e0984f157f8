"""How long an exact search, and the late loss of a training step, take with 16-bit products, over fp32 ones: what
`products` saves on this device.

Run:     python -m benchmarks.narrow_time [--device cuda] [--threads 1] [--rounds 5] [--write]
Needs:   a processor or GPU that multiplies 16-bit states (`smart_train.scoring.arithmetic` says so); five minutes.
Expect:  the table between the markers of docs/benchmarks.md. Where 16-bit states are widened there is nothing to gain,
         and the command says so.

States are drawn: a direction that all share, one that each page has of its own, and noise. Every variant finds the same
first twenty pages, a block of 256 at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from benchmarks._harness import Report, arguments, interleaved, ratio
from smart_train.retrieval.blocks import take
from smart_train.retrieval.rounded_search import RoundedSearch
from smart_train.scoring import ScoringConfig, arithmetic, maxsim, smart_scores
from smart_train.scoring.embeddings import Embeddings
from smart_train.utils.terms import PRODUCTS

EXACT, NARROW = PRODUCTS[0], PRODUCTS[1:]
LATE = ScoringConfig(pooled_weight=0.0)
DEPTH, BLOCK = 20, 256


@dataclass(frozen=True)
class Case:
    """Q queries and N pages of T tokens each, width d."""

    width: int
    documents: int
    queries: int = 128
    query_tokens: int = 20
    tokens: int = 64

    def sides(self, device: str) -> tuple[Embeddings, Embeddings]:
        generator = torch.Generator().manual_seed(0)
        shared = normalize(torch.randn(self.width, generator=generator), dim=0)

        def side(count: int, tokens: int) -> Embeddings:
            own = 2 * torch.randn(count, 1, self.width, generator=generator)
            noise = torch.randn(count, tokens, self.width, generator=generator)
            states = normalize(shared + (own + noise) / self.width**0.5, dim=2)
            offsets = torch.arange(0, (count + 1) * tokens, tokens)
            return Embeddings(normalize(states.mean(1), dim=1), states.flatten(0, 1), offsets).to(device)

        return side(self.queries, self.query_tokens), side(self.documents, self.tokens)


CASES = (Case(128, 4_096), Case(1_024, 1_024))
STEPS = (Case(128, 32, queries=32, tokens=1_024), Case(1_024, 32, queries=32, tokens=512))


def best(queries: Embeddings, documents: Embeddings, products: str) -> tuple[Tensor, float]:
    """The first places' scores [Q, 20], fp32, and the share of all scores that took an fp32 product."""
    search = None if products == EXACT else RoundedSearch(queries, products, {"": LATE}, DEPTH)
    kept = torch.full((len(queries), DEPTH), -torch.inf, device=queries.device)
    for start in range(0, len(documents), BLOCK):
        block = take(documents, start, min(start + BLOCK, len(documents)))
        if search is None:
            scores = smart_scores(queries, block, LATE)
        else:
            pairs, values = search.add(block)
            scores = kept.new_full((len(queries), len(block)), -torch.inf)
            where = pairs.to(kept.device)
            scores[where[:, 1], where[:, 0]] = values[""]
        kept = torch.cat([kept, scores], dim=1).topk(DEPTH, dim=1).values
    return kept, 1.0 if search is None else search.count.again / search.count.scores


def rows(case: Case, products: str, device: str, rounds: int, threads: int) -> list[list[str]]:
    """A line for pages that are stored in fp32, and one for pages that are stored in `products`."""
    queries, documents = case.sides(device)
    lines = []
    for stored, pages in (("fp32", documents), (products, documents.quantize(products))):
        variants = {name: partial(best, queries, pages, name) for name in (EXACT, products)}
        taken = ratio(interleaved(variants, rounds, device, threads), products, EXACT)
        found, again = best(queries, pages, products)
        same = "yes" if torch.allclose(found, best(queries, pages, EXACT)[0], rtol=0, atol=1e-6) else "NO"
        cells = [f"{case.width:,}, {case.documents:,} pages in {stored}", products, f"{taken:.2f}", f"{again:.1%}"]
        lines.append([*cells, same])
    return lines


def step(queries: Embeddings, documents: Embeddings, products: str) -> None:
    """The late loss of a batch, and its gradient."""
    sides = [(side.packed.clone().requires_grad_(), side.offsets) for side in (queries, documents)]
    scores = maxsim(*sides, products=products)
    cross_entropy(scores / 0.05, torch.arange(len(queries), device=scores.device)).backward()


def step_row(case: Case, products: str, device: str, rounds: int, threads: int) -> list[str]:
    queries, documents = case.sides(device)
    variants = {name: partial(step, queries, documents, name) for name in (EXACT, products)}
    taken = ratio(interleaved(variants, rounds, device, threads), products, EXACT)
    shape = f"{case.width:,}, {case.queries} x {case.documents}, {case.query_tokens} x {case.tokens:,} tokens"
    return [shape, products, f"{taken:.2f}", f"{2 / case.tokens:.1%}"]


def main() -> None:
    options = arguments(__doc__)
    torch.set_num_threads(options.threads)
    report = Report("narrow_time", "The time of narrow products", options)
    native = [name for name in NARROW if not arithmetic(getattr(torch, name), options.device).widened]
    if native:
        found = [
            line
            for case in CASES
            for name in native
            for line in rows(case, name, options.device, options.rounds, options.threads)
        ]
        some = CASES[0]
        report.table(
            f"{some.queries} queries of {some.query_tokens} tokens, pages of {some.tokens}, the first {DEPTH} of each",
            ["width, pages", "products", "time / fp32 products", "scored again", "then the ranking of fp32"],
            found,
        )
        report.table(
            "The late loss of a step, forward and backward",
            ["width, queries x pages", "products", "time / fp32 products", "products in fp32"],
            [
                step_row(case, name, options.device, options.rounds, options.threads)
                for case in STEPS
                for name in native
            ],
        )
    else:
        report.text("16-bit states are widened here, so `products` saves nothing.")
    report.finish()


if __name__ == "__main__":
    main()
