"""What a recipe says where its author left a value out: defaults that depend on the way of training and on other keys.

A default that depends on nothing is with its key, in `sections`; one of a training argument, in `training_section`.
"""

from __future__ import annotations

from typing import Any

from smart_train.recipe.recipe import Recipe
from smart_train.recipe.sections import EvaluationSection, ModelSection, ObjectiveSection
from smart_train.recipe.training_section import COMMON_DEFAULTS, MODE_DEFAULTS, check_training
from smart_train.training.learning_rate import default_arguments

TEMPERATURES = {"lora": 0.05, "projection": 0.03, "full": 0.05}  # the paper's two; full follows LoRA


def fill_defaults(recipe: Recipe, output_dir: str) -> Recipe:
    """The recipe with every value that its author left out; what was given stays as it is."""
    evaluation = _evaluation(recipe)
    return recipe.model_copy(
        update={
            "model": _model(recipe),
            "objective": _objective(recipe),
            "evaluation": evaluation,
            "training": _training(recipe, evaluation, output_dir),
        }
    )


def _model(recipe: Recipe) -> ModelSection:
    given = recipe.model
    upcast = given.quantization_upcast or ("norms" if given.quantization else None)
    return given.model_copy(update={"quantization_upcast": upcast})


def _objective(recipe: Recipe) -> ObjectiveSection:
    given = recipe.objective
    name = given.name or ("late" if recipe.mode == "projection" else "joint")
    temperature = given.temperature or TEMPERATURES[recipe.mode]
    update: dict[str, Any] = {"name": name, "temperature": temperature}
    if name == "joint":
        update["pooled_temperature"] = given.pooled_temperature or temperature
        update["late_temperature"] = given.late_temperature or temperature
        update["pooled_weight"] = given.pooled_weight or 1.0
        update["late_weight"] = given.late_weight or 1.0
    if given.distillation is not None:
        student_temperature = given.distillation.temperature or temperature
        filled = {
            "score": given.distillation.score or ("hybrid" if name == "joint" else name),
            "temperature": student_temperature,
            "teacher_temperature": given.distillation.teacher_temperature or student_temperature,
        }
        update["distillation"] = given.distillation.model_copy(update=filled)
    if given.self_distillation is not None:
        inner = given.self_distillation
        both = "late" if recipe.mode == "projection" else None
        update["self_distillation"] = inner.model_copy(
            update={"temperature": inner.temperature or temperature, "score": inner.score or both}
        )
    return given.model_copy(update=update)


def _evaluation(recipe: Recipe) -> EvaluationSection:
    given, data = recipe.evaluation, recipe.data
    measured, steered = data.reported is not None, data.evaluation is not None
    asked_not_to = recipe.training.get("eval_strategy") == "no"
    return given.model_copy(
        update={
            "before": measured if given.before is None else given.before,
            "after": measured if given.after is None else given.after,
            "during": (steered and not asked_not_to) if given.during is None else given.during,
        }
    )


def _training(recipe: Recipe, evaluation: EvaluationSection, output_dir: str) -> dict[str, Any]:
    given = recipe.training
    defaults = {"output_dir": output_dir, **COMMON_DEFAULTS, **MODE_DEFAULTS[recipe.mode]}
    if evaluation.during:
        # Checkpoints and evaluations go together, or the best checkpoint could be one that was never kept.
        together = given.get("eval_strategy") or given.get("save_strategy")
        together = together if together in ("steps", "epoch") else "epoch"
        every = given.get("eval_steps") or given.get("save_steps")
        defaults |= {"eval_strategy": together, "save_strategy": together}
        if together == "steps" and every is not None:
            defaults |= {"eval_steps": every, "save_steps": every}
        if given.get("save_strategy") != "no":
            defaults |= {"load_best_model_at_end": True}
        defaults |= {"metric_for_best_model": evaluation.metric, "greater_is_better": True}
    else:
        defaults |= {"eval_strategy": "no"}
    scheduler = default_arguments(str(given.get("lr_scheduler_type", defaults["lr_scheduler_type"])))
    if scheduler:
        arguments = given.get("lr_scheduler_kwargs")
        given = {
            **given,
            "lr_scheduler_kwargs": {**scheduler, **(arguments if isinstance(arguments, dict) else {})},
        }
    # Checked like the author's own values: 1 epoch and 1.0 epochs are one recipe with one fingerprint.
    return check_training({**defaults, **given})[0]
