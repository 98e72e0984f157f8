"""Which documents of a batch may serve as a query's negatives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from smart_train.errors import ScoreError
from smart_train.scoring.checks import Checks

Bound = TypeVar("Bound", float, Tensor)


def false_negatives(
    query_keys: Tensor,
    all_query_keys: Tensor,
    document_keys: Sequence[Tensor],
    positive: Tensor,
    all_positive: Tensor,
) -> Tensor:
    """Documents that must not count against a query although they are not its own positive column.

    A document is left out of query i's softmax when it is the same document as i's positive (same id or same image
    under another row), or when it is the positive of another row that asks the same query.

    Args:
        query_keys: int64 [Q], identity of each query scored here.
        all_query_keys: int64 [R], identity of the query of every row whose documents are columns (all ranks).
        document_keys: int64 [N] each, identities of the document columns (id, content): equal in one is the same.
        positive: int64 [Q], column of each query's positive. all_positive: int64 [R], the same for every row.

    Returns:
        bool [Q, N], False at each query's own positive.
    """
    excluded = torch.zeros(len(positive), len(document_keys[0]), dtype=torch.bool, device=positive.device)
    for keys in document_keys:
        excluded |= keys[None, :] == keys[positive][:, None]
    same_query = query_keys[:, None] == all_query_keys[None, :]
    shared = torch.zeros_like(excluded)
    # One column may be the positive of several rows: any of them asking the same query excludes it.
    shared.scatter_reduce_(1, all_positive.expand_as(same_query), same_query, "amax", include_self=True)
    excluded |= shared
    excluded[torch.arange(len(positive), device=positive.device), positive] = False
    return excluded


def others_negatives(query_keys: Tensor, owners: Tensor, all_positive: Tensor) -> Tensor:
    """Explicit negatives that came with another query: what `shared_negatives: false` leaves out.

    Args:
        query_keys: int64 [Q]. owners: int64 [N], query key of the row each column came with.
        all_positive: int64 [R], columns that are some row's positive; every other column is an explicit negative.

    Returns:
        bool [Q, N].
    """
    explicit = torch.ones_like(owners, dtype=torch.bool)
    explicit[all_positive] = False
    return explicit[None, :] & (owners[None, :] != query_keys[:, None])


MASKED_BY = ("student", "teacher")


@dataclass(frozen=True)
class PositiveAware:
    """Leaves candidates out of the softmax that score so high that they are likely to be answers without a label.

    A candidate is left out when it scores above `margin_bound` of the query's positive: the positive-aware rule that
    NV-Retriever (Moreira et al., arXiv 2407.15831) mines by, asked here of the candidates of each batch.

    Args:
        margin: share of the positive's score that a candidate may reach; above 1, only what outdoes the positive by
            more than that is left out.
        by: "student", the scores of this step, which judge every candidate; "teacher", those that came with the data,
            which judge a query's own negatives.

    Raises:
        ScoreError: a margin that is not above 0, or another judge.
    """

    margin: float = 0.95
    by: str = "student"

    def __post_init__(self) -> None:
        if not 0 < self.margin < math.inf:
            raise ScoreError(f"positive_aware margin is {self.margin}; it must be a number above 0")
        if self.by not in MASKED_BY:
            raise ScoreError(f"positive_aware by {self.by!r} is unknown; choose {', '.join(MASKED_BY)}")

    def by_student(self, scores: Tensor, positive: Tensor) -> Tensor:
        """bool [Q, N] from scores [Q, N] and the column [Q] of each positive; False there."""
        scores = scores.detach()
        positive_scores = scores.gather(1, positive[:, None])
        return (scores > margin_bound(positive_scores, self.margin)).scatter(1, positive[:, None], False)

    def by_teacher(self, columns: Tensor, scores: Tensor, candidates: int) -> Tensor:
        """bool [Q, candidates] from the teacher's scores [Q, K] of the documents in `columns` [Q, K]."""
        above = scores > margin_bound(scores[:, :1], self.margin)
        above[:, 0] = False
        masked = torch.zeros(len(scores), candidates, dtype=torch.bool, device=scores.device)
        return masked.scatter(1, columns, above)


def margin_bound(score: Bound, margin: float) -> Bound:
    """`margin` times a score above 0; for one below 0, where a share of it would lie above it, as far below it."""
    return score - (1 - margin) * abs(score)


def check_candidates(candidates: int) -> None:
    """Raises ScoreError when a softmax over `candidates` documents could teach nothing."""
    if candidates < 2:
        raise ScoreError(
            f"{candidates} candidate document(s) for each query: a contrastive loss needs at least 2. "
            "Raise training.per_device_train_batch_size or add explicit negatives"
        )


def check_positives(lengths: Tensor, positive: Tensor, rows: Sequence[str], checks: Checks | None = None) -> None:
    """Raises ScoreError naming the rows whose positive keeps no token, so that late interaction cannot score it.

    Args:
        checks: where the condition is left for the caller to read; None: it is read here.
    """
    has_tokens = lengths[positive] > 0
    if checks is not None:
        checks.add(has_tokens.all(), lambda: check_positives(lengths, positive, rows))
        return
    empty = (~has_tokens).nonzero().flatten().tolist()
    if empty:
        named = ", ".join(rows[i] for i in empty[:5])
        raise ScoreError(f"{len(empty)} positive document(s) keep no token for late interaction: {named}")
