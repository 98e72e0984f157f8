"""Which documents become the negatives of a row: the settings of a search, and the rules that candidates pass.

Whether a document answers a query is known for the labelled pairs alone. What ranks near or above the positive is often
an answer without a label, and training against it does harm. So candidates pass three rules, named in the order in
which they are asked:

    window   rank `first_rank` to `last_rank` among the documents that are not a known positive
    maximum  score <= max_score
    margin   score <= s - (1 - margin) * |s|, where s is the score of the row's positive

For s > 0 the last is margin * s, the positive-aware rule that NV-Retriever (Moreira et al., arXiv 2407.15831) found
best of those it compared, there TopK-PercPos. A cosine may be negative, where a share of s would lie above s.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, replace
from operator import neg

from smart_train.errors import DataError
from smart_train.losses import margin_bound
from smart_train.retrieval.mining_search import Ranking
from smart_train.scoring import ScoringConfig
from smart_train.utils.defaults import MINING
from smart_train.utils.terms import SCORES

PICKS = ("top", "random")
WHEN_SHORT = ("drop", "keep")
RULES = ("before the window", "above the maximum", "within the margin")


@dataclass(frozen=True)
class MiningConfig:
    """What is searched for and what is taken.

    Args:
        score: hybrid (the model's own weights), late or pooled; the scores written for distillation are these.
        negatives: wanted per row.
        first_rank, last_rank: the window, 1 being the best document that is not a known positive.
        margin: share of the positive's score that a negative may reach; None disables this rule. 1: no higher than it.
        max_score: highest score of a negative; None disables this rule.
        pick: "top", the first ones that pass; "random", any that pass, drawn by `seed` and the row's ids.
        seed: for `pick` random.
        candidates: documents that the pooled score lets through to the full one; None scores all.
        when_short: a row with fewer negatives than wanted: "drop" leaves it out, "keep" writes what there is.

    Raises:
        DataError: a value out of range, or two that contradict.
    """

    score: str = MINING.score
    negatives: int = MINING.negatives
    first_rank: int = MINING.first_rank
    last_rank: int = MINING.last_rank
    margin: float | None = MINING.margin
    max_score: float | None = MINING.max_score
    pick: str = MINING.pick
    seed: int = MINING.seed
    candidates: int | None = MINING.candidates
    when_short: str = MINING.when_short

    def __post_init__(self) -> None:
        for name, allowed in (("score", SCORES), ("pick", PICKS), ("when_short", WHEN_SHORT)):
            if getattr(self, name) not in allowed:
                raise DataError(f"mining {name} is {getattr(self, name)!r}; choose one of {', '.join(allowed)}")
        for name in ("negatives", "first_rank"):
            if getattr(self, name) < 1:
                raise DataError(f"mining {name} is {getattr(self, name)}; it must be at least 1")
        if self.last_rank - self.first_rank + 1 < self.negatives:
            raise DataError(
                f"mining: ranks {self.first_rank} to {self.last_rank} hold fewer than the {self.negatives} negatives "
                "wanted; raise last_rank"
            )
        if self.margin is not None and not 0 < self.margin <= 1:
            raise DataError(f"mining margin is {self.margin}; it must be above 0 and at most 1, a share of the score")
        if self.candidates is not None:
            if self.score == "pooled":
                raise DataError("mining candidates: the pooled score needs no first stage; leave candidates out")
            if self.candidates < self.last_rank:
                raise DataError(f"mining candidates is {self.candidates}; it must reach last_rank ({self.last_rank})")

    def scoring(self, own: ScoringConfig) -> ScoringConfig:
        """The model's scoring, with the weight of the term that is not asked for set to 0."""
        if self.score == "hybrid":
            return own
        return replace(own, pooled_weight=float(self.score == "pooled"), late_weight=float(self.score == "late"))


@dataclass(frozen=True)
class Selection:
    """One row's negatives: places and scores, best first; and how many candidates each rule kept out."""

    places: list[int]
    scores: list[float]
    discarded: Counter[str]


def select_negatives(
    ranking: Ranking, positives: set[int], positive: int, config: MiningConfig, name: str
) -> Selection:
    """The negatives of one row.

    Args:
        ranking: documents of the row's query, at least down to `config.last_rank` among those that are not a positive.
        positives: places that answer the query. positive: the row's own, whose score the margin refers to.
        name: what tells the row from all others; `pick` random draws by it.
    """
    positive_score = ranking.positives[positive]
    margin = float("inf") if config.margin is None else margin_bound(positive_score, config.margin)
    maximum = float("inf") if config.max_score is None else config.max_score
    places, scores = ranking.places.tolist(), ranking.scores.tolist()
    for at in sorted((places.index(place) for place in positives.intersection(places)), reverse=True):
        del places[at], scores[at]
    first, last = min(config.first_rank - 1, len(places)), min(config.last_rank, len(places))
    # Scores fall, so what is too high comes first.
    below = bisect_left(scores, -maximum, first, last, key=neg)
    passing = bisect_left(scores, -min(margin, maximum), first, last, key=neg)
    passed = list(zip(places[passing:last], scores[passing:last], strict=True))
    discarded = Counter(dict(zip(RULES, (first, below - first, passing - below), strict=True)))
    if config.pick == "random" and len(passed) > config.negatives:
        drawn = random.Random(f"{config.seed} {name}").sample(range(len(passed)), config.negatives)
        passed = [passed[index] for index in sorted(drawn)]
    negatives = passed[: config.negatives]
    return Selection([place for place, _ in negatives], [score for _, score in negatives], discarded)
