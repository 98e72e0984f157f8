"""The trainer and what it needs: the trained module, checkpoints that are whole or ignored, callbacks."""

from smart_train.training.checkpoint_search import CheckpointState, find_checkpoint
from smart_train.training.grad_cache import GradientCaching
from smart_train.training.module import TrainingModule
from smart_train.training.trainer import SmartTrainer

__all__ = ["CheckpointState", "GradientCaching", "SmartTrainer", "TrainingModule", "find_checkpoint"]
