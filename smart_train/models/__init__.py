"""Backbones as multi-vector retrievers: one forward, a pooled vector and the kept token states."""

from smart_train.models.families.registry import FAMILIES, detect_family, find_family, get_family, register_family
from smart_train.models.family import Family
from smart_train.models.prompt_settings import PromptConfig
from smart_train.models.smart_model import SmartModel
from smart_train.models.token_filter import token_filter
from smart_train.models.token_projection import TokenProjection

__all__ = [
    "FAMILIES",
    "Family",
    "PromptConfig",
    "SmartModel",
    "TokenProjection",
    "detect_family",
    "find_family",
    "get_family",
    "register_family",
    "token_filter",
]
