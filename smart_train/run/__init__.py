"""From a recipe to its result: what is built, planned and checked, the stages of a run, and the folder it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smart_train.utils.lazy import names_on_first_use

if TYPE_CHECKING:
    from smart_train.run.stages import train

__all__ = ["train"]

# The stages import everything that a run may need, and a plan or a check needs little of it.
__getattr__ = names_on_first_use(__name__, {"train": "smart_train.run.stages"})
