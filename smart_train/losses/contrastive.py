"""In-batch InfoNCE over the pooled score, the late score, their sum, or both side by side.

    InfoNCE(s) = - log softmax_j (s[i, j] / T) at j = positive(i), mean over queries

`joint` adds the InfoNCE of the pooled and of the late scores, each with its weight and temperature; `hybrid` is the
SMART paper's single softmax over the weighted sum of the scores; `late` and `pooled` use one term alone.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from smart_train.errors import ScoreError
from smart_train.losses.candidates import PositiveAware, check_candidates
from smart_train.losses.distillation import Distillation, Teacher
from smart_train.losses.self_distillation import SelfDistillation
from smart_train.scoring import ScoringConfig, combine
from smart_train.types import LossOutput, ScoreParts
from smart_train.utils.terms import MIN_TEMPERATURE, OBJECTIVES


class ContrastiveObjective(nn.Module):
    """One of `OBJECTIVES`, with its weights and temperatures.

    Args:
        name: joint, hybrid, late or pooled.
        scoring: weights of the two scores inside `hybrid`.
        pooled_weight, late_weight: weights of the two losses inside `joint`.
        temperatures: "pooled", "late" and "hybrid" -> T; only those that the objective uses are read.
        learn_temperature: train log(1/T), from the given values.
        shared_negatives: explicit negatives of a row serve every query; False keeps them to their own.
        positive_aware: leave out candidates that are likely answers; each term judges by its own scores.
        distillation: learn a teacher's scores of each query's own documents as well, as one more part.
        self_distillation: learn the combined score of all candidates as well, as one more part; joint and hybrid only.

    Attributes:
        progress: share of the training steps that are done, for what changes while training. A trainer sets it; 1
            without one.
    """

    def __init__(
        self,
        name: str,
        *,
        scoring: ScoringConfig,
        temperatures: dict[str, float],
        pooled_weight: float = 1.0,
        late_weight: float = 1.0,
        learn_temperature: bool = False,
        shared_negatives: bool = True,
        positive_aware: PositiveAware | None = None,
        distillation: Distillation | None = None,
        self_distillation: SelfDistillation | None = None,
    ) -> None:
        super().__init__()
        if name not in OBJECTIVES:
            raise ScoreError(f"objective {name!r} is unknown; choose {', '.join(OBJECTIVES)}")
        if name == "hybrid" and not (scoring.pooled_weight and scoring.late_weight):
            raise ScoreError("objective 'hybrid': scoring gives one of its two terms the weight 0; use pooled or late")
        if self_distillation is not None:
            _check_combines(name, scoring)
        self.name = name
        self.progress = 1.0
        self.scoring = scoring
        self.shared_negatives = shared_negatives
        self.positive_aware = positive_aware
        self.distillation = distillation
        self.self_distillation = self_distillation
        self.weights = {"pooled": pooled_weight, "late": late_weight} if name == "joint" else {name: 1.0}
        scales = {}
        for term in self.weights:
            if not temperatures[term] > 0:
                raise ScoreError(f"temperature of {term} is {temperatures[term]}; it must be above 0")
            # [1], not a scalar, which FSDP2 cannot shard.
            scales[term] = nn.Parameter(torch.tensor([-math.log(temperatures[term])]), requires_grad=learn_temperature)
        self.log_scales = nn.ParameterDict(scales)

    @property
    def needs(self) -> tuple[str, ...]:
        """Which score matrices `forward` reads: "pooled", "late" or both."""
        distilled = () if self.distillation is None else OBJECTIVES[self.distillation.score]
        return tuple(part for part in OBJECTIVES["joint"] if part in (*OBJECTIVES[self.name], *distilled))

    @property
    def needs_teacher(self) -> bool:
        """Whether `forward` reads a teacher's scores."""
        judged = self.positive_aware is not None and self.positive_aware.by == "teacher"
        return judged or self.distillation is not None

    def forward(
        self, scores: ScoreParts, positive: Tensor, excluded: Tensor, teacher: Teacher | None = None
    ) -> LossOutput:
        """Mean loss over the queries given.

        Args:
            scores: fp32 [Q, N], those that `needs` names.
            positive: int64 [Q]. excluded: bool [Q, N], columns that are not negatives of a row.
            teacher: where `needs_teacher`; without gaps (`check_teacher`).

        Returns:
            LossOutput with one part per term, and metrics: share of queries whose positive is strictly first, learned
            temperatures, share of negatives masked as likely answers. Metrics are detached tensors, so that reading
            them may wait until they are logged.

        Raises:
            ScoreError: fewer than two candidates.
        """
        check_candidates(excluded.shape[1])
        matrices = self._matrices(scores)
        parts, metrics = {}, {}
        for term, weight in self.weights.items():
            matrix = matrices[term]
            assert matrix is not None, "needs says so"
            scale = _bounded(self.log_scales[term]).exp()
            kept_out = excluded
            if self.positive_aware is not None:
                kept_out = excluded | self._likely_answers(matrix, positive, teacher)
                negatives = (~excluded).sum() - len(positive)
                metrics[f"masked_{term}"] = (kept_out & ~excluded).sum() / negatives.clamp(min=1)
            parts[term] = weight * info_nce(matrix * scale, positive, kept_out)
            metrics[f"accuracy_{term}"] = _accuracy(matrix.detach(), positive, excluded)
            if self.log_scales[term].requires_grad:
                metrics[f"temperature_{term}"] = 1 / scale.detach().squeeze()
        if self.distillation is not None:
            student = matrices[self.distillation.score]
            assert teacher is not None and student is not None, "needs_teacher and needs say so"
            parts["distillation"] = self.distillation(student, teacher, excluded)
        if self.self_distillation is not None:
            combined = combine(scores, self.scoring)
            parts["self_distillation"] = self.self_distillation(combined, self._logits(scores), excluded, self.progress)
        return LossOutput(parts, metrics)

    def _logits(self, scores: ScoreParts) -> dict[str, Tensor]:
        """What the pooled and the late scores bring into the objective's softmax; in `hybrid`, their shares of it."""
        scales = {name: _bounded(log_scale).exp() for name, log_scale in self.log_scales.items()}
        if self.name == "hybrid":
            shares = {"pooled": self.scoring.pooled_weight, "late": self.scoring.late_weight}
            return {term: share * scores.of(term) * scales["hybrid"] for term, share in shares.items()}
        return {term: scores.of(term) * scale for term, scale in scales.items()}

    def _matrices(self, scores: ScoreParts) -> dict[str, Tensor | None]:
        matrices = {"pooled": scores.pooled, "late": scores.late}
        if self.name == "hybrid" or (self.distillation is not None and self.distillation.score == "hybrid"):
            matrices["hybrid"] = combine(scores, self.scoring)
        return matrices

    def _likely_answers(self, matrix: Tensor, positive: Tensor, teacher: Teacher | None) -> Tensor:
        aware = self.positive_aware
        assert aware is not None, "forward asks only where it is given"
        if aware.by == "student":
            return aware.by_student(matrix, positive)
        assert teacher is not None, "needs_teacher says so"
        return aware.by_teacher(teacher.columns, teacher.scores, matrix.shape[1])


def _check_combines(name: str, scoring: ScoringConfig) -> None:
    if OBJECTIVES[name] != OBJECTIVES["joint"]:
        raise ScoreError(f"self_distillation needs both scores: objective joint or hybrid, not {name!r}")
    if not (scoring.pooled_weight and scoring.late_weight):
        raise ScoreError(
            "self_distillation: scoring gives one of the two terms the weight 0, so the combined score is the other "
            "one alone and has nothing to teach it"
        )


def _bounded(log_scale: Tensor) -> Tensor:
    """`log_scale`, at most -log(MIN_TEMPERATURE). At and past the bound it can only come back.

    A plain clamp has no gradient past its bound, so that a step too far would fix the temperature for good. Clamping
    the parameter itself after each step would need every sharded engine's help; this needs none.
    """
    bound = -math.log(MIN_TEMPERATURE)
    held = log_scale + (log_scale.clamp(max=bound) - log_scale).detach()
    if held.requires_grad:
        outside = log_scale.detach() >= bound
        # Descent raises what has a negative gradient.
        held.register_hook(lambda grad: torch.where(outside & (grad < 0), torch.zeros_like(grad), grad))
    return held


def info_nce(logits: Tensor, positive: Tensor, excluded: Tensor) -> Tensor:
    """Mean cross-entropy of `logits` [Q, N] at `positive` [Q], columns in `excluded` [Q, N] left out of the softmax."""
    return F.cross_entropy(logits.masked_fill(excluded, float("-inf")), positive)


def _accuracy(scores: Tensor, positive: Tensor, excluded: Tensor) -> Tensor:
    """Share of queries whose positive scores strictly above every other candidate; ties count as wrong."""
    own = scores.gather(1, positive[:, None])
    others = scores.masked_fill(excluded, float("-inf")).scatter(1, positive[:, None], float("-inf"))
    return (own.squeeze(1) > others.amax(dim=1)).float().mean()
