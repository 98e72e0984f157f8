"""Winners of a training step's late score, found by products of rounded states: how many are others than fp32 finds,
and what that does to scores, loss and gradients.

    python -m benchmarks.narrow_winners            # counts alone, on a CPU, a minute
    python -m benchmarks.narrow_winners --write    # the same, into docs/benchmarks.md

Drawn states lie around a common centre, as in `benchmarks.narrow_products`. Where `python data/manpages/build.py` has
put its data set and model, there is a line for states of all-MiniLM-L6-v2: the first 64 manual pages, asked for what
they are for. Products are added up in fp32, as a GPU does it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from benchmarks._harness import DOCUMENT
from benchmarks.document import print_or_write
from smart_train.scoring import forced_arithmetic, maxsim
from smart_train.utils.terms import EXACT, PRODUCTS

BUILT = Path(__file__).parents[1] / "data" / "manpages" / "built"
TEMPERATURE = 0.05
PAGES, QUERY_TOKENS, TOKENS = 64, 20, 256


@dataclass(frozen=True)
class Found:
    """What rounding changed of one step.

    Attributes:
        alone: share of the winners that are others by rounded products alone. winners: with the better of two.
        scores_alone, scores: the largest difference to a score of fp32, likewise.
        loss: difference of the loss, over the loss. gradients: length of the gradients' difference over their length,
            of the side where it is larger.
        exact_products: share of the products that are taken in fp32.
    """

    alone: float
    winners: float
    scores_alone: float
    scores: float
    loss: float
    gradients: float
    exact_products: float


def drawn(width: int, spread: float, pages: int = PAGES, tokens: int = TOKENS) -> tuple[list[Tensor], list[Tensor]]:
    """As many queries as pages, each around one centre."""
    generator = torch.Generator().manual_seed(0)
    centre = normalize(torch.randn(width, generator=generator), dim=0)

    def side(count: int) -> list[Tensor]:
        noise = torch.randn(pages, count, width, generator=generator) * spread / width**0.5
        return list(normalize(centre + noise, dim=2))

    return side(QUERY_TOKENS), side(tokens)


def of_minilm(pages: int = PAGES) -> tuple[list[Tensor], list[Tensor]]:
    """Token states of queries and of their pages."""
    from smart_train import SmartModel
    from smart_train.data import SourceConfig, load_examples

    model = SmartModel.from_pretrained(BUILT / "model", device="cpu")
    rows = load_examples(SourceConfig(BUILT / "train.jsonl"))[:pages]
    queries = model.encode_query([row.query for row in rows])
    documents = model.encode_document([row.documents[0] for row in rows])
    return [list(side.packed.split(side.lengths.tolist())) for side in (queries, documents)]


def measure(queries: list[Tensor], documents: list[Tensor], products: str) -> Found:
    """A softmax over the late scores of every pair, with and without rounding."""
    with forced_arithmetic("widened"):
        exact, exact_loss, exact_gradients = _step(queries, documents, EXACT)
        scores, loss, gradients = _step(queries, documents, products)
        narrow = getattr(torch, products)
        rounded = [[item.to(narrow).float() for item in side] for side in (queries, documents)]
        scores_alone = maxsim(*rounded)
    sides = zip(gradients, exact_gradients, strict=True)
    return Found(
        *_other_winners(queries, documents, narrow),
        scores_alone=float((scores_alone - exact).abs().max()),
        scores=float((scores - exact).abs().max()),
        loss=abs(loss / exact_loss - 1),
        gradients=max(float((found - wanted).norm() / wanted.norm()) for found, wanted in sides),
        exact_products=2 * len(documents) / sum(map(len, documents)),
    )


def _step(queries: list[Tensor], documents: list[Tensor], products: str) -> tuple[Tensor, float, list[Tensor]]:
    """Scores, loss, and the gradients of all states of each side."""
    sides = [torch.cat(side).requires_grad_() for side in (queries, documents)]
    items = [whole.split([len(item) for item in side]) for whole, side in zip(sides, (queries, documents), strict=True)]
    scores = maxsim(list(items[0]), list(items[1]), products=products)
    loss = cross_entropy(scores / TEMPERATURE, torch.arange(len(queries)))
    return scores.detach(), loss.item(), list(torch.autograd.grad(loss, sides))


def _other_winners(queries: list[Tensor], documents: list[Tensor], narrow: torch.dtype) -> tuple[float, float]:
    """Shares of the winners that are others: by rounded products alone, and by the better of the two largest."""
    asked = torch.cat(queries)
    alone = of_two = every = 0
    for document in documents:
        exact = asked @ document.T
        nearest = (asked.to(narrow).float() @ document.to(narrow).float().T).topk(min(2, len(document)), dim=1).indices
        winner = exact.argmax(dim=1)
        alone += int((nearest[:, 0] != winner).sum())
        of_two += int((nearest != winner[:, None]).all(dim=1).sum())
        every += len(asked)
    return alone / every, of_two / every


def cases() -> Iterator[tuple[str, list[Tensor], list[Tensor]]]:
    for width, spread in ((128, 2.0), (128, 0.5), (1_024, 2.0)):
        yield f"drawn, {width:,}, {spread}", *drawn(width, spread)
    if BUILT.is_dir():
        yield "MiniLM, 384", *of_minilm()


def lines() -> list[str]:
    """The table, in Markdown."""
    table = []
    for name, queries, documents in cases():
        for products in PRODUCTS[1:]:
            found = measure(queries, documents, products)
            cells = [name, products, f"{found.alone:.2%}, {found.winners:.3%}"]
            cells += [f"{found.scores_alone:.0e}, {found.scores:.0e}", f"{found.loss:.0e}", f"{found.gradients:.0e}"]
            table.append(f"| {' | '.join([*cells, f'{found.exact_products:.1%}'])} |")
    return [
        "## Winners by narrow products",
        "",
        "`python -m benchmarks.narrow_winners --write`",
        "",
        f"**{PAGES} queries x {PAGES} pages, of {QUERY_TOKENS} x {TOKENS} tokens where they are drawn; by rounded "
        "products alone, then with the better of two**",
        "",
        "| states: width, spread | products | other winners | largest error of a score | of the loss | of the "
        "gradients | products in fp32 |",
        f"|{'---|' * 7}",
        *table,
        "",
    ]


if __name__ == "__main__":
    print_or_write(__doc__, DOCUMENT, "narrow_winners", lines)
