"""In-batch InfoNCE over the pooled score, the late score, their sum, or both side by side.

    InfoNCE(s) = - log softmax_j (s[i, j] / T) at j = positive(i), mean over queries

`joint` adds the InfoNCE of the pooled and of the late scores, each with its weight and temperature; `hybrid` is the
SMART paper's single softmax over the weighted sum of the scores; `late` and `pooled` use one term alone.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from smart_train.errors import ScoreError
from smart_train.losses.distillation import Distillation, Teacher
from smart_train.losses.eligible_negatives import PositiveAware, check_candidates
from smart_train.losses.learned_scales import scale_of, start_scales, temperatures_of_terms
from smart_train.losses.self_distillation import SelfDistillation
from smart_train.scoring import EMPTY_DOCUMENT_SCORE, ScoringConfig, combine
from smart_train.scoring.product import check_products
from smart_train.types import LossOutput, ScoreParts
from smart_train.utils.terms import EXACT, MAX_HARDNESS, OBJECTIVES


class ContrastiveObjective(nn.Module):
    """One of `OBJECTIVES`, with its weights and temperatures.

    Args:
        name: joint, hybrid, late or pooled.
        scoring: weights of the two scores inside `hybrid`.
        pooled_weight, late_weight: weights of the two losses inside `joint`.
        temperatures: "pooled", "late" and "hybrid" -> T; only those that the objective uses are read.
        learn_temperature: train log(1/T), from the given values.
        learn_weights: train a temperature for each of the two scores, from the given values. What they come to is how
            much each score counts (`learned_scoring`). joint and hybrid only; `hybrid` then has two temperatures.
        shared_negatives: explicit negatives of a row serve every query; False keeps them to their own.
        positive_aware: leave out candidates that are likely answers; each term judges by its own scores.
        distillation: learn a teacher's scores of each query's own documents as well, as one or two more parts.
        self_distillation: learn the combined score of all candidates as well, as one more part; joint and hybrid only.
        products: by which a step finds the token that wins each maximum of the late score, as `maxsim` takes them.
        hardness: a negative counts more in its softmax the higher it scores, see `info_nce`; 0: all count alike.

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
        learn_weights: bool = False,
        products: str = EXACT,
        hardness: float = 0.0,
    ) -> None:
        super().__init__()
        if name not in OBJECTIVES:
            raise ScoreError(f"objective {name!r} is unknown; choose {', '.join(OBJECTIVES)}")
        if name == "hybrid" and not (scoring.pooled_weight and scoring.late_weight):
            raise ScoreError("objective 'hybrid': scoring gives one of its two terms the weight 0; use pooled or late")
        if self_distillation is not None:
            _check_combines("self_distillation", name, scoring)
        if learn_weights:
            _check_combines("learn_weights", name, scoring)
        check_products(products, f"objective {name!r}: products")
        if not 0 <= hardness <= MAX_HARDNESS:
            raise ScoreError(f"objective {name!r}: hardness is {hardness}; it must be from 0 to {MAX_HARDNESS:g}")
        self.name = name
        self.products = products
        self.hardness = hardness
        self.progress = 1.0
        self.scoring = scoring
        self.shared_negatives = shared_negatives
        self.positive_aware = positive_aware
        self.distillation = distillation
        self.self_distillation = self_distillation
        self.weights = {"pooled": pooled_weight, "late": late_weight} if name == "joint" else {name: 1.0}
        for term, weight in self.weights.items():
            if not 0 < weight < math.inf:
                raise ScoreError(f"weight of {term} is {weight}; it must be a number above 0")
        self.learn_weights = learn_weights
        start = {term: temperatures[term] for term in self.weights}
        if learn_weights and name == "hybrid":
            start = temperatures_of_terms(temperatures["hybrid"], scoring)
        self.log_scales = start_scales(start, learn_temperature=learn_temperature, learn_weights=learn_weights)

    @property
    def learned_scoring(self) -> ScoringConfig:
        """`scoring` with the weights that were learned: the pooled score counts 1, the late one as many times as much
        as its softmax is sharper. Without `learn_weights` it is `scoring` itself."""
        if not self.learn_weights:
            return self.scoring
        with torch.no_grad():
            ratio = self._scale("late") / self._scale("pooled")
        return replace(self.scoring, pooled_weight=1.0, late_weight=ratio.item())

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
            scale = self._scale("pooled" if self.learn_weights and term == "hybrid" else term)
            kept_out = excluded
            if self.positive_aware is not None:
                kept_out = excluded | self._likely_answers(matrix, positive, teacher)
                negatives = (~excluded).sum() - len(positive)
                metrics[f"masked_{term}"] = (kept_out & ~excluded).sum() / negatives.clamp(min=1)
            parts[term] = weight * info_nce(matrix * scale, positive, kept_out, self.hardness)
            metrics[f"accuracy_{term}"] = _accuracy(matrix.detach(), positive, excluded)
        for term, log_scale in self.log_scales.items():
            if log_scale.requires_grad:
                metrics[f"temperature_{term}"] = 1 / self._scale(term).detach().squeeze()
        if self.distillation is not None:
            student = matrices[self.distillation.score]
            assert teacher is not None and student is not None, "needs_teacher and needs say so"
            left_out = excluded
            if self.distillation.score != "pooled":
                # A document without tokens: whatever the teacher gives it, its score stays where no gradient comes.
                left_out = excluded | (scores.of("late") == EMPTY_DOCUMENT_SCORE)
            parts |= self.distillation(student, teacher, left_out)
        if self.self_distillation is not None:
            combined = self._combined(scores)
            parts["self_distillation"] = self.self_distillation(combined, self._logits(scores), excluded, self.progress)
        return LossOutput(parts, metrics)

    def _scale(self, term: str) -> Tensor:
        """1 / T of a term, [1], differentiable where it is learned."""
        return scale_of(self.log_scales[term], learn_weights=self.learn_weights)

    def _combined(self, scores: ScoreParts) -> Tensor:
        """The hybrid scores [Q, N], with the weights learned so far."""
        if not self.learn_weights:
            return combine(scores, self.scoring)
        return scores.of("pooled") + scores.of("late") * (self._scale("late") / self._scale("pooled"))

    def _logits(self, scores: ScoreParts) -> dict[str, Tensor]:
        """What the pooled and the late scores bring into the objective's softmax; in `hybrid`, their shares of it."""
        if self.name == "hybrid" and not self.learn_weights:
            shares = {"pooled": self.scoring.pooled_weight, "late": self.scoring.late_weight}
            return {term: share * scores.of(term) * self._scale("hybrid") for term, share in shares.items()}
        return {term: scores.of(term) * self._scale(term) for term in self.log_scales}

    def _matrices(self, scores: ScoreParts) -> dict[str, Tensor | None]:
        matrices = {"pooled": scores.pooled, "late": scores.late}
        if self.name == "hybrid" or (self.distillation is not None and self.distillation.score == "hybrid"):
            matrices["hybrid"] = self._combined(scores)
        return matrices

    def _likely_answers(self, matrix: Tensor, positive: Tensor, teacher: Teacher | None) -> Tensor:
        aware = self.positive_aware
        assert aware is not None, "forward asks only where it is given"
        if aware.by == "student":
            return aware.by_student(matrix, positive)
        assert teacher is not None, "needs_teacher says so"
        return aware.by_teacher(teacher.columns, teacher.scores, matrix.shape[1])


def _check_combines(what: str, name: str, scoring: ScoringConfig) -> None:
    if OBJECTIVES[name] != OBJECTIVES["joint"]:
        raise ScoreError(f"{what} needs both scores: objective joint or hybrid, not {name!r}")
    if not (scoring.pooled_weight and scoring.late_weight):
        raise ScoreError(
            f"{what}: scoring gives one of the two terms the weight 0, so the hybrid score is the other one alone; "
            "give both a weight above 0"
        )


def info_nce(logits: Tensor, positive: Tensor, excluded: Tensor, hardness: float = 0.0) -> Tensor:
    """Mean cross-entropy of `logits` [Q, N] at `positive` [Q], columns in `excluded` [Q, N] left out of the softmax.

    With `hardness` h each negative counts exp(h logit) times, over the mean of that over the query's negatives: the
    weights of arXiv 2010.04592, taken without gradient. The mean weight is 1, so that only the balance between a
    query's negatives changes.
    """
    if hardness:
        logits = logits + _log_weights(logits.detach() * hardness, positive, excluded)
    return F.cross_entropy(logits.masked_fill(excluded, float("-inf")), positive)


def _log_weights(raw: Tensor, positive: Tensor, excluded: Tensor) -> Tensor:
    """`raw` [Q, N] less the log of the mean of exp(raw) over a query's negatives; 0 at its positive."""
    kept = ~excluded.scatter(1, positive[:, None], True)
    # clamp: of a query without negatives nothing is weighted.
    mean = raw.masked_fill(~kept, float("-inf")).logsumexp(dim=1) - kept.sum(dim=1).clamp(min=1).log()
    return torch.where(kept, raw - mean[:, None], 0.0)


def _accuracy(scores: Tensor, positive: Tensor, excluded: Tensor) -> Tensor:
    """Share of queries whose positive scores strictly above every other candidate; ties count as wrong."""
    positive_scores = scores.gather(1, positive[:, None])
    others = scores.masked_fill(excluded, float("-inf")).scatter(1, positive[:, None], float("-inf"))
    return (positive_scores.squeeze(1) > others.amax(dim=1)).float().mean()
