"""From the embeddings of one batch to its loss, on one process or across ranks."""

from __future__ import annotations

from typing import Any

import torch

from smart_train.distributed import gather_keys, loss_weight, score_parts_across_ranks
from smart_train.losses import ContrastiveObjective, check_positives, false_negatives
from smart_train.types import Embeddings, LossOutput

Batch = dict[str, Any]  # what `smart_train.data.PairCollator` returns


def contrastive_loss(
    objective: ContrastiveObjective, queries: Embeddings, documents: Embeddings, batch: Batch
) -> LossOutput:
    """Loss of this rank's queries against the documents of every rank.

    The parts are weighted so that the mean over ranks, which DistributedDataParallel takes of the gradients, is the
    mean over all queries even when ranks hold unequal numbers of them.

    Args:
        queries: this rank's, Q. documents: this rank's, N; column `batch["positive"][i]` belongs to query i.

    Raises:
        ScoreError: a positive without tokens (where the objective needs them), or fewer than two candidates.
    """
    if "late" in objective.needs:
        check_positives(documents.lengths, batch["positive"], batch["rows"])
    scores = score_parts_across_ranks(
        queries, documents, pooled="pooled" in objective.needs, late="late" in objective.needs
    )
    device = documents.device
    document_keys, document_start = gather_keys(batch["document_keys"].to(device))
    query_keys = batch["query_keys"].to(device)
    all_query_keys, _ = gather_keys(query_keys)
    positive = batch["positive"].to(device) + document_start
    all_positive, _ = gather_keys(positive)
    excluded = false_negatives(query_keys, all_query_keys, document_keys, positive, all_positive)
    output = objective(scores, positive, excluded)
    weight = loss_weight(len(query_keys))
    parts = {name: part * weight for name, part in output.parts.items()} if weight != 1.0 else output.parts
    candidates = (~excluded).sum(dim=1).float().mean()
    return LossOutput(parts, {**output.metrics, "candidates": candidates})


