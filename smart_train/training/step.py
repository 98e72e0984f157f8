"""From the embeddings of one batch to its loss, on one process or across ranks."""

from __future__ import annotations

from typing import Any

import torch

from smart_train.losses import (
    Objective,
    Teacher,
    check_positives,
    check_teacher,
    false_negatives,
    others_negatives,
)
from smart_train.scoring.across_ranks import Meeting
from smart_train.scoring.checks import Checks
from smart_train.scoring.embeddings import Embeddings
from smart_train.types import LossOutput
from smart_train.utils.terms import EXACT

Batch = dict[str, Any]  # what `smart_train.data.PairCollator` returns
_KEYS = ("positive", "query_keys", "document_keys", "document_contents", "owner")


def contrastive_loss(objective: Objective, queries: Embeddings, documents: Embeddings, batch: Batch) -> LossOutput:
    """Loss of this rank's queries against the documents of every rank.

    The parts are weighted so that the mean over ranks, which DistributedDataParallel takes of the gradients, is the
    mean over all queries even when ranks hold unequal numbers of them.

    Args:
        queries: this rank's, Q. documents: this rank's, N; column `batch["positive"][i]` belongs to query i.

    Raises:
        ScoreError: a positive without tokens or a row without a teacher's scores (where the objective needs them), or
            fewer than two candidates.
    """
    device = documents.device
    keys = {name: batch[name].to(device, non_blocking=True) for name in _KEYS}
    checks = Checks()  # all that could be wrong with numbers is read at once, when the scores are queued
    if "late" in objective.needs:
        check_positives(documents.lengths, keys["positive"], batch["rows"], checks)
    meeting = Meeting.of(queries, documents)
    positive = keys["positive"] + meeting.start
    teacher = _teacher(batch, meeting.start, device, checks) if objective.needs_teacher else None
    scores, of_queries, of_documents = meeting.scores(
        queries,
        documents,
        torch.stack([keys["query_keys"], positive], dim=1),
        torch.stack([keys[name] for name in ("document_keys", "document_contents", "owner")], dim=1),
        checks,
        pooled="pooled" in objective.needs,
        late="late" in objective.needs,
        products=getattr(objective, "products", EXACT),
    )
    checks.read()
    everyone, all_positive = of_queries.unbind(1)
    document_keys, contents, owners = of_documents.unbind(1)
    excluded = false_negatives(keys["query_keys"], everyone, (document_keys, contents), positive, all_positive)
    if not objective.shared_negatives:
        excluded |= others_negatives(keys["query_keys"], owners, all_positive)
    output = objective(scores, positive, excluded, teacher)
    weight = meeting.weight
    parts = {name: part * weight for name, part in output.parts.items()} if weight != 1.0 else output.parts
    candidates = (~excluded).sum(dim=1).float().mean()
    return LossOutput(parts, {**output.metrics, "candidates": candidates})


def _teacher(batch: Batch, start: int, device: torch.device, checks: Checks) -> Teacher:
    """This rank's, whose documents begin at column `start`. A teacher judges a query's own documents, and those are
    always this rank's."""
    scores = batch["teacher_scores"].to(device, non_blocking=True)
    if scores.shape[1] == 1:  # rows of a source without negatives: nothing to judge, and no score is asked of them
        scores = torch.zeros_like(scores)
    check_teacher(scores, batch["rows"], checks)
    return Teacher(batch["own_documents"].to(device, non_blocking=True) + start, scores)
