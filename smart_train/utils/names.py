"""Names that several layers list, where no library need be imported to know them."""

from __future__ import annotations

from typing import Literal, get_args

Score = Literal["pooled", "late", "hybrid"]
SCORES: tuple[str, ...] = get_args(Score)

HEADLINE = "ndcg@5"  # where there is room for one metric; the best checkpoint is chosen by it, too
HEADLINES = (HEADLINE, "recall@1", "mrr@10")  # where there is room for a few, the most telling ones first
IN_TABLES = (HEADLINE, "ndcg@10", "recall@1", "recall@10", "mrr@10")
