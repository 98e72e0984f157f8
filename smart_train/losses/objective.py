"""What training needs of an objective. `ContrastiveObjective` has all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from torch import Tensor, nn

from smart_train.losses.distillation import Teacher
from smart_train.types import LossOutput, ScoreParts


class Objective(Protocol):
    """Score matrices -> named loss parts. Also an `nn.Module`, so that its own parameters (a learned temperature) are
    trained, moved and saved with the model's.

    Attributes:
        shared_negatives: whether the explicit negatives of a row serve every query; False keeps them to their own.
        needs: which score matrices a call reads: "pooled", "late" or both; the others are not computed.
        needs_teacher: whether a call reads a teacher's scores.

    An objective that changes while it trains has one more attribute, `progress`: the share of the training steps that
    are done, which the trainer sets before each step. One may also have `products`, by which the late scores that it
    reads are found, as `maxsim` takes them; without it they are exact.
    """

    shared_negatives: bool

    @property
    def needs(self) -> tuple[str, ...]: ...

    @property
    def needs_teacher(self) -> bool: ...

    def __call__(
        self, scores: ScoreParts, positive: Tensor, excluded: Tensor, teacher: Teacher | None = None
    ) -> LossOutput:
        """Mean loss over the queries given.

        Args:
            scores: fp32 [Q, N] each, those that `needs` names; the others are None.
            positive: int64 [Q], the column of each query's positive.
            excluded: bool [Q, N], columns that are not negatives of a row.
            teacher: scores of each query's own documents, where `needs_teacher`.

        Returns:
            Weighted parts whose sum is the loss, with a graph; and metrics, detached scalars to log.
        """
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """What of the objective may be trained."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Name of each parameter -> its tensor."""
        ...

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any:
        """Takes the parameters that `state_dict` returned."""
        ...
