"""From the embeddings of one batch to its loss, on one process or across ranks."""

from __future__ import annotations

from typing import Any

import torch

from smart_train.distributed import gather_keys, loss_weight
from smart_train.losses import (
    Objective,
    Teacher,
    check_positives,
    check_teacher,
    false_negatives,
    others_negatives,
)
from smart_train.scoring.across_ranks import score_parts_across_ranks
from smart_train.scoring.embeddings import Embeddings
from smart_train.types import LossOutput

Batch = dict[str, Any]  # what `smart_train.data.PairCollator` returns


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
    if "late" in objective.needs:
        check_positives(documents.lengths, batch["positive"], batch["rows"])
    scores = score_parts_across_ranks(
        queries, documents, pooled="pooled" in objective.needs, late="late" in objective.needs
    )
    device = documents.device
    keys = {name: batch[name].to(device) for name in ("query_keys", "document_keys", "document_contents")}
    document_keys, start = gather_keys(keys["document_keys"])
    contents, _ = gather_keys(keys["document_contents"])
    positive = batch["positive"].to(device) + start
    everyone, _ = gather_keys(keys["query_keys"])
    all_positive, _ = gather_keys(positive)
    excluded = false_negatives(keys["query_keys"], everyone, (document_keys, contents), positive, all_positive)
    if not objective.shared_negatives:
        owners, _ = gather_keys(batch["owner"].to(device))
        excluded |= others_negatives(keys["query_keys"], owners, all_positive)
    output = objective(scores, positive, excluded, _teacher(batch, start, device) if objective.needs_teacher else None)
    weight = loss_weight(len(positive))
    parts = {name: part * weight for name, part in output.parts.items()} if weight != 1.0 else output.parts
    candidates = (~excluded).sum(dim=1).float().mean()
    return LossOutput(parts, {**output.metrics, "candidates": candidates})


def _teacher(batch: Batch, start: int, device: torch.device) -> Teacher:
    """This rank's, whose documents begin at column `start`. A teacher judges a query's own documents, and those are
    always this rank's."""
    scores = batch["teacher_scores"]
    if scores.shape[1] == 1:  # rows of a source without negatives: nothing to judge, and no score is asked of them
        scores = torch.zeros_like(scores)
    check_teacher(scores, batch["rows"])
    return Teacher(batch["own_documents"].to(device) + start, scores.to(device))
