"""The documents that may be among the first of a query, found by narrow products and scored again by exact ones.

A narrow product tells a score up to a bound (`scoring.rounding_bounds`). A document whose score plus its bound is
below `depth` scores that are surely reached by others cannot be among the first `depth`. All others are scored from
their states as they are, so that the ranking is that of fp32 products; what fp32 itself rounds may still order exact
ties.

Shapes: Q queries, n documents of one block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from smart_train.retrieval.blocks import QUERY_BLOCK, take
from smart_train.scoring import ScoringConfig, combine, score_parts
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.pairs import pair_parts
from smart_train.scoring.rounding_bounds import Rounded, rounded, score_bounds


@dataclass
class Rescored:
    """How many scores were computed, and how many of them again by exact products."""

    scores: int = 0
    again: int = 0

    @property
    def told(self) -> str:
        """`1.2 % of 1,000,000 scores`; empty where none was computed."""
        return f"{self.again / self.scores:.2%} of {self.scores:,} scores" if self.scores else ""


class RoundedSearch:
    """Goes through documents block by block and keeps the `depth` best scores of every query.

    Args:
        queries: Q items on the device where scores are computed.
        products: the dtype of narrow products, "bfloat16" or "float16".
        scorings: what is ranked by, under names of the caller's choice; each has its own first `depth`.
        depth: places that must be right.
        best: of each scoring, the exact scores [Q, <= depth] of documents that went by before; None: none did.
        query_block: queries scored at once.

    Attributes:
        count: what was computed again.
    """

    def __init__(
        self,
        queries: Embeddings,
        products: str,
        scorings: Mapping[str, ScoringConfig],
        depth: int,
        *,
        best: Mapping[str, Tensor] | None = None,
        query_block: int = QUERY_BLOCK,
    ) -> None:
        self.queries, self.products, self.scorings, self.depth = queries, products, dict(scorings), depth
        self.query_block = query_block
        self.count = Rescored()
        none = torch.full((len(queries), depth), -torch.inf, device=queries.device)
        self._best = {
            name: none.clone() if best is None else self._filled(best[name].to(queries.device)) for name in scorings
        }
        self._rounded = rounded(queries, products, queries=True)
        self._pooled = any(scoring.pooled_weight for scoring in self.scorings.values())

    @torch.no_grad()
    def add(self, documents: Embeddings) -> tuple[Tensor, dict[str, Tensor]]:
        """Takes n documents, on the queries' device.

        Returns: int64 pairs [P, 2], (document, query), sorted, on the CPU: all that may be among the first by one of
            the scorings, and maybe some more; and of each scoring their exact scores, fp32 [P] on that device.
        """
        narrow = rounded(documents, self.products, queries=False)
        pair_blocks = [torch.empty(0, 2, dtype=torch.int64)]
        for row in range(0, len(self.queries), self.query_block):
            block_pairs = self._reaching(row, narrow).nonzero().flip(1).cpu()
            pair_blocks.append(block_pairs + torch.tensor([0, row]))
        pairs = torch.cat(pair_blocks)
        pairs = pairs[(pairs[:, 0] * len(self.queries) + pairs[:, 1]).argsort()]
        self.count.scores += len(self.queries) * len(documents)
        self.count.again += len(pairs)
        parts = pair_parts(self.queries, documents, pairs, pooled=self._pooled)
        scores = {name: combine(parts, scoring) for name, scoring in self.scorings.items()}
        self._keep(pairs, scores, len(documents))
        return pairs, scores

    def _reaching(self, row: int, documents: Rounded) -> Tensor:
        """bool [q, n]: which documents may be among the first of the queries from `row` on."""
        stop = min(row + self.query_block, len(self.queries))
        whole = self._rounded
        some = Rounded(take(whole.embeddings, row, stop), *(part[row:stop] for part in whole[1:]))
        parts = score_parts(some.embeddings, documents.embeddings, pooled=self._pooled)
        reaching: Tensor | None = None
        for name, scoring in self.scorings.items():
            scores, bounds = combine(parts, scoring), score_bounds(some, documents, scoring)
            sure = torch.cat([self._best[name][row:stop], scores - bounds], dim=1)
            reached = scores + bounds >= sure.topk(self.depth, dim=1).values[:, -1:]
            reaching = reached if reaching is None else reaching | reached
        assert reaching is not None, "there is a scoring"
        return reaching

    def _keep(self, pairs: Tensor, scores: Mapping[str, Tensor], documents: int) -> None:
        order = pairs[:, 1].argsort(stable=True)
        counts = pairs[:, 1].div(self.query_block, rounding_mode="floor").bincount()
        for number, in_block in enumerate(order.split(counts.tolist())):
            row = number * self.query_block
            rows = slice(row, min(row + self.query_block, len(self.queries)))
            where = tuple((pairs[in_block].flip(1) - torch.tensor([row, 0])).to(self.queries.device).unbind(1))
            for name, best in self._best.items():
                block = best.new_full((rows.stop - row, documents), -torch.inf)
                block[where] = scores[name][in_block.to(best.device)]
                best[rows] = torch.cat([best[rows], block], dim=1).topk(self.depth, dim=1).values

    def _filled(self, best: Tensor) -> Tensor:
        """`best` [Q, <= depth] as [Q, depth], with -inf where there is none yet."""
        none = best.new_full((len(best), max(0, self.depth - best.shape[1])), -torch.inf)
        return torch.cat([best[:, : self.depth], none], dim=1)
