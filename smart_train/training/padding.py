"""How much of what a step computes is padding: positions of a forward that hold no token, only because another row of
the same forward is longer. Counted in main memory, where the loader leaves the features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from smart_train.models.stored_states import is_stored, token_counts
from smart_train.training.grad_cache import GradientCaching, HostFeatures


class Padding:
    """The share of padding in the forwards since `take`, on either side of a batch.

    Args:
        caching: how a side is divided into forwards; None: one forward a side, padded to its longest row.
    """

    def __init__(self, caching: GradientCaching | None) -> None:
        self.caching = caching
        self._tokens: Counter[str] = Counter()
        self._positions: Counter[str] = Counter()

    def count(self, batch: Mapping[str, Any]) -> None:
        """Adds a batch of `HostCollator`. States that come from the disk have no padding and are not counted."""
        for side in ("query", "document"):
            given = batch[side]
            if isinstance(given, HostFeatures) and not is_stored(given.features):
                lengths = token_counts(given.features)
                self._tokens[side] += sum(lengths)
                self._positions[side] += positions(lengths, self.caching)

    def take(self) -> dict[str, float]:
        """`padding_query` and `padding_document`, from 0 to 1, where anything was counted; then counts anew."""
        shares = {
            f"padding_{side}": 1 - self._tokens[side] / computed
            for side, computed in self._positions.items()
            if computed
        }
        self._tokens.clear()
        self._positions.clear()
        return shares


def positions(lengths: list[int], caching: GradientCaching | None = None) -> int:
    """Positions that are computed for rows of these lengths, padding included."""
    chunks = [range(len(lengths))] if caching is None else caching.chunks(lengths)
    return sum(len(chunk) * max(lengths[row] for row in chunk) for chunk in chunks)
