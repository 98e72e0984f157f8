"""Learning from the sum of the model's own scores: what the tokens know reaches the pooled vector, and the reverse.

    sum over s of KL(p || p_s),  p = softmax(combined / temperature) without gradient,  p_s = softmax(score s / T_s)

over all candidates of a query, mean over queries (self-knowledge distillation of BGE-M3, arXiv 2402.03216, there for
three heads of one model). The combined score is the one that searches: the weighted sum of the pooled and the late one.
Unlike `distillation.py` this needs no teacher's scores in the data, and it judges every candidate of the batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from smart_train.errors import ScoreError
from smart_train.losses.distillation import divergence

LEARNERS = ("pooled", "late")


@dataclass(frozen=True)
class SelfDistillation:
    """How much, which scores learn, and from when on.

    Args:
        temperature: of the combined score's softmax; a smaller value makes its first choice count more.
        weight: of the part in the loss.
        warmup: share of the training steps in which the weight rises from 0, in a straight line. Before the model knows
            anything, its combined score would only teach noise.
        learners: the scores that learn: "pooled", "late" or both.

    Raises:
        ScoreError: a number out of its range, no learner or an unknown one.
    """

    temperature: float
    weight: float = 1.0
    warmup: float = 0.1
    learners: tuple[str, ...] = LEARNERS

    def __post_init__(self) -> None:
        for name in ("temperature", "weight"):
            if not 0 < getattr(self, name) < math.inf:
                raise ScoreError(f"self_distillation {name} is {getattr(self, name)}; it must be a number above 0")
        if not 0 <= self.warmup < 1:
            raise ScoreError(
                f"self_distillation warmup is {self.warmup}; it is a share of the training steps, from 0 to below 1"
            )
        if not self.learners or any(name not in LEARNERS for name in self.learners):
            raise ScoreError(f"self_distillation learners are {self.learners}; choose from {', '.join(LEARNERS)}")

    def __call__(self, combined: Tensor, logits: Mapping[str, Tensor], excluded: Tensor, progress: float) -> Tensor:
        """The weighted loss, a scalar.

        Args:
            combined: fp32 [Q, N], the combined scores; no gradient reaches them.
            logits: learner -> fp32 [Q, N], its scores over its own temperature.
            excluded: bool [Q, N], columns that are not negatives of a row. They are left out on both sides.
            progress: share of the training steps that are done.
        """
        wanted = combined.detach() / self.temperature
        divergences = [divergence(wanted, logits[name], excluded) for name in self.learners]
        rise = min(1.0, progress / self.warmup) if self.warmup else 1.0
        total = divergences[0] if len(divergences) == 1 else divergences[0] + divergences[1]
        return self.weight * rise * total
