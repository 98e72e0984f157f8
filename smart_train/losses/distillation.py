"""Learning a teacher's order of a query's own documents: the positive and its explicit negatives.

    KL(p_t || p_s) = sum_k p_t[k] * (log p_t[k] - log p_s[k]),  p = softmax(score / temperature) over the documents k
    margins        = mean_k (m_t[k] - m_s[k])^2,  m[k] = (score of the positive - score of negative k) / temperature

mean over queries. KL compares shares of a softmax. Documents far below the first one have next to none, so their order
is hardly taught; the margins of all negatives count alike (margin-MSE, arXiv 2010.02666).

The teacher is whatever gave the data its scores: a larger model, a cross-encoder, or the model that mined the
negatives. A wrongly labelled negative that the teacher scores high is taught as such and not pushed away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from smart_train.errors import ScoreError
from smart_train.scoring.checks import Checks
from smart_train.utils.terms import SCORES

DISTILLED = SCORES


class Teacher(NamedTuple):
    """A teacher's view of each query's own documents.

    columns: int64 [Q, K], their columns in the score matrix, the positive first. scores: fp32 [Q, K].
    """

    columns: Tensor
    scores: Tensor


@dataclass(frozen=True)
class Distillation:
    """How much, and of which score.

    Args:
        score: the student's score that learns: hybrid, late or pooled.
        temperature: of the student's softmax. teacher_temperature: of the teacher's, whose scores may have another
            scale: the smaller, the more its first choice counts.
        weight: of the KL part in the loss.
        margin_weight: of a second part, the squared difference of margins. None: the KL part alone.

    Raises:
        ScoreError: an unknown score, or a number that is not above 0.
    """

    score: str
    temperature: float
    teacher_temperature: float
    weight: float = 1.0
    margin_weight: float | None = None

    def __post_init__(self) -> None:
        if self.score not in DISTILLED:
            raise ScoreError(f"distillation score {self.score!r} is unknown; choose {', '.join(DISTILLED)}")
        for name in ("temperature", "teacher_temperature", "weight", "margin_weight"):
            value = getattr(self, name)
            if name == "margin_weight" and value is None:
                continue
            if not 0 < value < math.inf:
                raise ScoreError(f"distillation {name} is {value}; it must be a number above 0")

    def __call__(self, scores: Tensor, teacher: Teacher, excluded: Tensor) -> dict[str, Tensor]:
        """The weighted parts of the loss, scalars: "distillation", and with `margin_weight` "distillation_margin".

        Args:
            scores: fp32 [Q, N]. excluded: bool [Q, N], documents that are not negatives of a query: the same page again
                under another row. They are left out on both sides.
        """
        left_out = excluded.gather(1, teacher.columns)
        student = scores.gather(1, teacher.columns) / self.temperature
        wanted = teacher.scores.to(student.dtype) / self.teacher_temperature
        parts = {"distillation": self.weight * divergence(wanted, student, left_out)}
        if self.margin_weight is not None:
            parts["distillation_margin"] = self.margin_weight * margin_error(wanted, student, left_out)
        return parts


def divergence(wanted: Tensor, predicted: Tensor, left_out: Tensor) -> Tensor:
    """KL(softmax(wanted) || softmax(predicted)) of logits [Q, K], mean over Q; columns in `left_out` bool [Q, K] are in
    neither softmax."""
    wanted, predicted = _log_softmax(wanted, left_out), _log_softmax(predicted, left_out)
    # Left-out documents have probability 0 on both sides; their -inf - -inf must not reach the sum.
    terms = wanted.exp() * (wanted - predicted).masked_fill(left_out, 0.0)
    return terms.sum(dim=1).mean()


def margin_error(wanted: Tensor, predicted: Tensor, left_out: Tensor) -> Tensor:
    """Squared difference of the margins between column 0, the positive, and the others, of logits [Q, K]: mean over the
    others that are not in `left_out` bool [Q, K], then over Q. A query without any adds 0, and so does one whose
    positive is left out."""
    counted = ~(left_out[:, 1:] | left_out[:, :1])
    difference = (wanted[:, :1] - wanted[:, 1:]) - (predicted[:, :1] - predicted[:, 1:])
    # Filled before it is squared: a left-out score may be that of a document without tokens, whose square overflows.
    squares = difference.masked_fill(~counted, 0.0).square().sum(dim=1)
    return (squares / counted.sum(dim=1).clamp(min=1)).mean()


def check_teacher(scores: Tensor, rows: Sequence[str], checks: Checks | None = None) -> None:
    """Raises ScoreError naming the rows whose documents the teacher [Q, K] did not score (NaN).

    Args:
        checks: where the condition is left for the caller to read; None: it is read here.
    """
    missing = scores.isnan()
    if checks is not None:
        checks.add(~missing.any(), lambda: check_teacher(scores, rows))
        return
    lacking = missing.any(dim=1).nonzero().flatten().tolist()
    if lacking:
        named = ", ".join(rows[i] for i in lacking[:5])
        raise ScoreError(
            f"{len(lacking)} row(s) have no teacher's score for their positive or for a negative that is used: {named}"
        )


def _log_softmax(logits: Tensor, left_out: Tensor) -> Tensor:
    # A finite fill: the gradient of log_softmax through -inf is fine, that of what follows is NaN.
    return torch.log_softmax(logits.masked_fill(left_out, torch.finfo(logits.dtype).min), dim=1)
