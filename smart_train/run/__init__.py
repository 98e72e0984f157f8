"""From a recipe to its result: what is built, derived and checked, the stages of a run, and the folder it leaves."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smart_train.run.stages import train

__all__ = ["train"]


def __getattr__(name: str) -> Any:
    # On first use: the stages import everything that a run may need, and a plan or a check needs little of it.
    if name != "train":
        raise AttributeError(f"module 'smart_train.run' has no attribute {name!r}")
    value = import_module("smart_train.run.stages").train
    globals()[name] = value
    return value
