"""From a recipe to live objects: the only table that maps a recipe's names to classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import TrainingArguments

from smart_train.data import PairCollator, SourceConfig, load_documents, load_examples
from smart_train.errors import ModelError, RecipeError
from smart_train.evaluation import EvaluationSet, RetrievalEvaluator
from smart_train.losses import ContrastiveObjective
from smart_train.models import PromptConfig, SmartModel, TokenProjection
from smart_train.models.peft import add_lora
from smart_train.recipe import Recipe
from smart_train.recipe.sections import SourceSection
from smart_train.types import Example

BASE_FOLDER = "base"  # where a run keeps the random weights it started from


def prompts(recipe: Recipe) -> PromptConfig | None:
    """The recipe's prompts and limits, or None when it leaves all of them to the model folder."""
    names = PromptConfig().to_dict()
    given = PromptConfig(**{name: getattr(recipe.model, name) for name in names})
    return None if given == PromptConfig() else given


def base_model(recipe: Recipe, name_or_path: str | None = None) -> SmartModel:
    """The model before training: pretrained, or drawn from its configuration (`model.from_config`).

    Args:
        name_or_path: load these weights instead of the recipe's; a run's own `base` folder.
    """
    section = recipe.model
    common: dict[str, Any] = {
        "scoring": recipe.scoring,
        "family": section.family,
        "prompts": prompts(recipe),
        "attn_implementation": section.attn_implementation,
    }
    if section.from_config is not None and name_or_path is None:
        drawn = section.from_config
        return SmartModel.from_config(
            section.name_or_path,
            overrides=drawn.overrides,
            init_std=drawn.init_std,
            seed=drawn.seed,
            **common,
        )
    return SmartModel.from_pretrained(
        name_or_path or section.name_or_path,
        dtype=None if section.dtype == "auto" else section.dtype,
        revision=section.revision if name_or_path is None else None,
        trust_remote_code=section.trust_remote_code,
        **common,
    )


def prepare_for_training(model: SmartModel, recipe: Recipe) -> SmartModel:
    """`model` with what the recipe trains attached and open to gradients, all else frozen."""
    if recipe.lora is not None:
        model.backbone = add_lora(model.backbone, model.family, **recipe.lora.model_dump())
    elif recipe.projection is not None:
        model.freeze_backbone()
        model.projection = TokenProjection(model.hidden_size, recipe.projection.dim).to(model.device)
        model.projection.reset(recipe.training["seed"])
    elif recipe.full is not None and recipe.full.freeze_vision:
        for name, parameter in model.backbone.named_parameters():
            if any(part in name.split(".") for part in model.family.vision_modules):
                parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ModelError(f"{recipe.mode}: nothing in the model is left to train")
    return model


def objective(recipe: Recipe) -> ContrastiveObjective:
    """The recipe's objective; `temperature` stands in for a term's own."""
    section = recipe.objective
    return ContrastiveObjective(
        section.name,
        scoring=recipe.scoring,
        temperatures={
            "pooled": section.pooled_temperature or section.temperature,
            "late": section.late_temperature or section.temperature,
            "hybrid": section.temperature,
        },
        pooled_weight=section.pooled_weight or 1.0,
        late_weight=section.late_weight or 1.0,
        learn_temperature=section.learn_temperature,
    )


def source(section: SourceSection, **changes: Any) -> SourceConfig:
    """A recipe's source section as the data room's configuration."""
    values = {name: value for name, value in section.model_dump().items() if name != "corpus"}
    return SourceConfig(**{**values, **changes})


def examples(section: SourceSection) -> Sequence[Example]:
    """The rows of one source, images not yet decoded."""
    return load_examples(source(section))


def evaluation_set(recipe: Recipe, held_out: Sequence[Example]) -> EvaluationSet:
    """Held-out queries against the pages of all held-out rows and of `data.evaluation.corpus`."""
    extra = recipe.data.evaluation.corpus
    distractors = load_documents(source(recipe.data.evaluation, path=extra, max_samples=None)) if extra else ()
    return EvaluationSet.from_examples(held_out, distractors)


def evaluator(recipe: Recipe, held_out: Sequence[Example]) -> RetrievalEvaluator:
    """What measures the run, before, during and after training."""
    return RetrievalEvaluator(evaluation_set(recipe, held_out), batch_size=recipe.evaluation.batch_size)


def collator(recipe: Recipe, model: SmartModel) -> PairCollator:
    """Examples -> batch, run by the loader's workers."""
    return PairCollator(model.family, negatives_per_query=recipe.data.negatives_per_query)


def training_arguments(recipe: Recipe) -> TrainingArguments:
    """The `training` section as TrainingArguments. Constructing them picks the device and joins the process group."""
    try:
        return TrainingArguments(**{"remove_unused_columns": False, **recipe.training})
    except (ValueError, ImportError) as error:
        # What only the machine decides, such as bf16 without hardware for it.
        raise RecipeError(f"training: {error}") from error


def run_folder(recipe: Recipe) -> Path:
    """Where the run writes."""
    return Path(recipe.training["output_dir"])
