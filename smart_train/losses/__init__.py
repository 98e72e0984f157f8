"""Contrastive objectives: score matrices in, named parts out. No model and no data in here.

The public names are imported on first use: a recipe reads the names of the objectives before torch is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smart_train.utils.lazy import names_on_first_use

if TYPE_CHECKING:
    from smart_train.losses.candidates import (
        PositiveAware,
        check_candidates,
        check_positives,
        false_negatives,
        margin_bound,
        others_negatives,
    )
    from smart_train.losses.contrastive import ContrastiveObjective, info_nce
    from smart_train.losses.distillation import DISTILLED, Distillation, Teacher, check_teacher
    from smart_train.losses.names import OBJECTIVES
    from smart_train.losses.objective import Objective

_HOMES = {
    "DISTILLED": "smart_train.losses.distillation",
    "OBJECTIVES": "smart_train.losses.names",
    "ContrastiveObjective": "smart_train.losses.contrastive",
    "Distillation": "smart_train.losses.distillation",
    "Objective": "smart_train.losses.objective",
    "PositiveAware": "smart_train.losses.candidates",
    "Teacher": "smart_train.losses.distillation",
    "check_candidates": "smart_train.losses.candidates",
    "check_positives": "smart_train.losses.candidates",
    "check_teacher": "smart_train.losses.distillation",
    "false_negatives": "smart_train.losses.candidates",
    "info_nce": "smart_train.losses.contrastive",
    "margin_bound": "smart_train.losses.candidates",
    "others_negatives": "smart_train.losses.candidates",
}

__all__ = [
    "DISTILLED",
    "OBJECTIVES",
    "ContrastiveObjective",
    "Distillation",
    "Objective",
    "PositiveAware",
    "Teacher",
    "check_candidates",
    "check_positives",
    "check_teacher",
    "false_negatives",
    "info_nce",
    "margin_bound",
    "others_negatives",
]

__getattr__ = names_on_first_use(__name__, _HOMES)
