"""Contrastive objectives: score matrices in, named parts out. No model and no data in here."""

from smart_train.losses.candidates import check_candidates, check_positives, false_negatives, others_negatives
from smart_train.losses.contrastive import OBJECTIVES, ContrastiveObjective, info_nce

__all__ = [
    "OBJECTIVES",
    "ContrastiveObjective",
    "check_candidates",
    "check_positives",
    "false_negatives",
    "info_nce",
    "others_negatives",
]
