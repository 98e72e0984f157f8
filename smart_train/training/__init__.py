"""The trainer and what it needs: the trained module, checkpoints that are whole or ignored, callbacks.

The names are imported on first use: the rules of recipes read `learning_rate.py`, and need no trainer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smart_train.utils.lazy import names_on_first_use

if TYPE_CHECKING:
    from smart_train.training.checkpoint_search import CheckpointState, find_checkpoint
    from smart_train.training.grad_cache import GradientCaching
    from smart_train.training.module import TrainingModule
    from smart_train.training.trainer import SmartTrainer

_HOMES = {
    "CheckpointState": "smart_train.training.checkpoint_search",
    "GradientCaching": "smart_train.training.grad_cache",
    "SmartTrainer": "smart_train.training.trainer",
    "TrainingModule": "smart_train.training.module",
    "find_checkpoint": "smart_train.training.checkpoint_search",
}

__all__ = ["CheckpointState", "GradientCaching", "SmartTrainer", "TrainingModule", "find_checkpoint"]

__getattr__ = names_on_first_use(__name__, _HOMES)
