"""The only list of backbone families. A new family adds its class here and nothing else."""

from __future__ import annotations

from smart_train.errors import ModelError
from smart_train.models.family import Family
from smart_train.models.qwen3_vl import Qwen3VLEmbedding

FAMILIES: dict[str, type[Family]] = {family.name: family for family in (Qwen3VLEmbedding,)}


def get_family(name: str) -> type[Family]:
    """The family class called `name`; ModelError lists the known ones."""
    if name not in FAMILIES:
        raise ModelError(f"model.family {name!r} is unknown; known families: {', '.join(sorted(FAMILIES))}")
    return FAMILIES[name]


def detect_family(model_type: str) -> type[Family]:
    """The family that serves a config's `model_type`; ModelError lists what is served."""
    for family in FAMILIES.values():
        if model_type in family.model_types:
            return family
    served = ", ".join(f"{name} (model_type {', '.join(cls.model_types)})" for name, cls in sorted(FAMILIES.items()))
    raise ModelError(f"no family serves model_type {model_type!r}; known families: {served}")
