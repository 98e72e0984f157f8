"""What gradient caching has sent to the device for its first forward, kept there for the second.

Most of it are pixels: 5.1 MB of a page of 1,300 tokens, where the outputs of a vision tower are 21 MB. Sent again they
cost a copy in main memory, one into pinned memory and one to the device. Inputs and outputs share a budget, in which
outputs come first: they save the work of the tower.
"""

from __future__ import annotations

from smart_train.models.family import Features


class KeptInputs:
    """Features on the device, chunk by chunk, and the budget that they share with what else is kept.

    Args:
        budget: most bytes to keep at a time. A chunk that does not fit is sent twice.

    Attributes:
        left: bytes of the budget that nothing takes.
    """

    def __init__(self, budget: int) -> None:
        self.left = budget
        self._chunks: dict[int, Features] = {}

    def keep(self, chunk: int, features: Features) -> None:
        """Keeps `features` for `chunk`, if there is room for all of them."""
        size = _bytes(features)
        if size <= self.left:
            self.left -= size
            self._chunks[chunk] = features

    def take(self, chunk: int) -> Features | None:
        """What was kept for `chunk`, and is not any more; None where nothing was."""
        features = self._chunks.pop(chunk, None)
        if features is not None:
            self.left += _bytes(features)
        return features

    def make_room(self, size: int) -> bool:
        """Whether `size` bytes are left, where needed after inputs were given up, the last ones first."""
        if size > self.left + sum(_bytes(features) for features in self._chunks.values()):
            return False
        while size > self.left:
            self.take(next(reversed(self._chunks)))
        return True


def _bytes(features: Features) -> int:
    return sum(value.nbytes for value in features.values())
