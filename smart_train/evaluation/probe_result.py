"""What `probe` found of one model."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from smart_train.evaluation.binding import BindingProbe


@dataclass(frozen=True)
class LayerProbe:
    """One layer's document states, those that late interaction reads.

    Args:
        layer: numbered as `scoring.layer`; 0 is the embeddings.
        late: the metric of the late score alone, queries and documents read at this layer. 0 to 1.
        mean_cosine: between tokens of different documents.
        effective_rank: directions that the states vary in, of `width`.
        winning: share of the tokens of judged documents that are the best match of a token of one of their queries.
        busiest: share of a query's tokens that choose one and the same document token, on average.
    """

    layer: int
    late: float
    mean_cosine: float
    effective_rank: float
    width: int
    winning: float
    busiest: float


@dataclass(frozen=True)
class GradientProbe:
    """The gradient of a pooled loss at one kind of position after one layer.

    Args:
        kind: "pooled", the position that is pooled; "visual", "text"; "other": prompts and special tokens.
        positions: how many. mean_norm: of their gradients. share: of all positions' norms in that layer, 0 to 1.
    """

    layer: int
    kind: str
    positions: int
    mean_norm: float
    share: float


@dataclass(frozen=True)
class ProbeResult:
    """What one model gave.

    Args:
        name: what it is called in tables.
        metric: such as ndcg@5. pooled: that of the pooled score.
        queries, documents: how many there are.
        binding: of each score; empty where the local-binding test was left out.
    """

    name: str
    metric: str
    pooled: float
    queries: int
    documents: int
    layers: list[LayerProbe] = field(default_factory=list)
    gradients: list[GradientProbe] = field(default_factory=list)
    binding: list[BindingProbe] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)
