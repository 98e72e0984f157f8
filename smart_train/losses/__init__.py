"""Contrastive objectives: score matrices in, named parts out. No model and no data in here."""

from smart_train.losses.contrastive import OBJECTIVES, ContrastiveObjective, info_nce
from smart_train.losses.distillation import DISTILLED, Distillation, Teacher, check_teacher
from smart_train.losses.eligible_negatives import (
    PositiveAware,
    check_candidates,
    check_positives,
    false_negatives,
    margin_bound,
    others_negatives,
)
from smart_train.losses.objective import Objective
from smart_train.losses.self_distillation import SelfDistillation

__all__ = [
    "DISTILLED",
    "OBJECTIVES",
    "ContrastiveObjective",
    "Distillation",
    "Objective",
    "PositiveAware",
    "SelfDistillation",
    "Teacher",
    "check_candidates",
    "check_positives",
    "check_teacher",
    "false_negatives",
    "info_nce",
    "margin_bound",
    "others_negatives",
]
