"""The settings of a recipe that change what is learned, a line for each group of them: how the model is read, the
objective, the way of training, the optimiser. What follows from the recipe (sizes, steps, memory) is in `plan`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from smart_train.recipe import Recipe
from smart_train.recipe.sections import ModelSection, ObjectiveSection
from smart_train.utils.differences import flat

_OPTIMISER = (
    *("learning_rate", "lr_scheduler_type", "lr_scheduler_kwargs", "warmup_steps", "optim", "optim_args"),
    *("weight_decay", "max_grad_norm", "bf16", "fp16", "seed"),
)


def setting_lines(recipe: Recipe) -> dict[str, str]:
    """Label -> `key value, key value` of the keys that are set. Of the model and the objective only those that differ
    from what is usual are named: most of their keys are for special cases."""
    # The overrides of a configuration are its shape, which the lines of parameters and tokens follow from.
    model = flat(recipe.model.model_dump(exclude={"from_config": {"overrides"}}))
    objective = flat(recipe.objective.model_dump())
    shared = recipe.objective.temperature
    of_terms = {"pooled_temperature": shared, "late_temperature": shared, "pooled_weight": 1.0, "late_weight": 1.0}
    usual = {**flat(ObjectiveSection().model_dump()), **of_terms}
    groups = {
        "model settings": _differing(model, flat(ModelSection(name_or_path=recipe.model.name_or_path).model_dump())),
        "objective": _differing(objective, usual),
        recipe.mode: flat(recipe.to_dict()[recipe.mode]),
        "optimiser": {name: recipe.training[name] for name in _OPTIMISER if name in recipe.training},
    }
    listed = {label: _listed(values) for label, values in groups.items()}
    return {label: line for label, line in listed.items() if line}


def _differing(values: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value != usual.get(key)}


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key} {value if isinstance(value, str) else json.dumps(value)}"
        for key, value in values.items()
        if value is not None
    )
