"""From a recipe to live objects: the only table that maps a recipe's names to classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from peft import PeftModel
from torch import nn
from transformers import AutoModel, TrainingArguments

from smart_train.data import GroupedBatches, PageCache, PairCollator
from smart_train.data.contents import Fewest
from smart_train.distributed import is_main
from smart_train.errors import ModelError, RecipeError, SmartTrainError, first_line
from smart_train.evaluation import RetrievalEvaluator
from smart_train.losses import ContrastiveObjective, Distillation, PositiveAware, SelfDistillation
from smart_train.losses.self_distillation import LEARNERS
from smart_train.models import PromptConfig, SmartModel, TokenProjection, find_family, quantization
from smart_train.models.family import Family
from smart_train.models.loading import config_for, library_errors
from smart_train.models.locating import locate
from smart_train.models.peft import ADAPTER_CONFIG, add_lora
from smart_train.models.smart_config import SmartConfig
from smart_train.models.token_projection import CONFIG_NAME as PROJECTION_CONFIG
from smart_train.models.vocabulary import check_vocabulary
from smart_train.recipe import Recipe
from smart_train.recipe.extras import needs_bitsandbytes
from smart_train.recipe.sections import SelfDistillationSection, filled
from smart_train.recipe.training_section import argument_defaults
from smart_train.run import build_rows, start_adapter
from smart_train.run.build_rows import check_more_documents as check_more_documents
from smart_train.run.build_rows import evaluation_set, negatives
from smart_train.run.build_rows import examples as examples
from smart_train.run.build_rows import remembered_files as remembered_files
from smart_train.run.build_rows import sources as sources
from smart_train.run.build_rows import usable_rows as usable_rows
from smart_train.run.build_rows import usable_rows_of_ranks as usable_rows_of_ranks
from smart_train.run.result import card_facts as card_facts
from smart_train.run.result import check_publishable as check_publishable
from smart_train.run.result import export_dtype as export_dtype
from smart_train.scoring import ScoringConfig
from smart_train.training import GradientCaching, arguments, engines
from smart_train.training.averaging import check_averaging
from smart_train.training.run_schedule import Schedule
from smart_train.training.state_cache import StateCache
from smart_train.types import Example
from smart_train.utils.console import bars

# What a run needs that the Trainer does not do by itself: examples have no columns to remove, and a resumed run has
# waited for a better evaluation as long as it had when it was cut off.
_ALWAYS = {"remove_unused_columns": False, "restore_callback_states_from_checkpoint": True}
_OR_TRAIN_ON = "; to train the adapter on, name its base here and the adapter as lora.init_from"


def prompts(recipe: Recipe) -> dict[str, Any]:
    """The recipe's own prompts and limits; the model folder, else its family, decides the others."""
    named = {name: getattr(recipe.model, name) for name in PromptConfig().to_dict()}
    return {name: value for name, value in named.items() if value is not None}


def scoring(recipe: Recipe) -> dict[str, Any]:
    """The recipe's own scoring keys; the model folder, else its family, decides the others."""
    return {name: value for name, value in recipe.scoring.items() if value is not None}


def base_model(
    recipe: Recipe, name_or_path: str | None = None, *, device: str | torch.device | None = None
) -> SmartModel:
    """The model before training: pretrained, or drawn from its configuration (`model.from_config`).

    Args:
        name_or_path: load these weights instead of the recipe's: a run's own `base` or `final` folder.
        device: where to; None is a GPU if there is one. Drawn weights stay on the CPU.

    Raises:
        ModelError: what is there cannot be loaded, or is not a model to start from.
    """
    section = recipe.model
    start = locate(section.name_or_path, section.revision) if name_or_path is None else None
    if start is not None:
        check_start(recipe, start)
    common: dict[str, Any] = {
        "scoring": scoring(recipe),
        "family": section.family,
        "prompts": prompts(recipe),
        "attn_implementation": section.attn_implementation,
        "trust_remote_code": section.trust_remote_code,
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
    model = SmartModel.from_pretrained(
        name_or_path or section.name_or_path,
        dtype=_dtype(recipe),
        device=device,
        revision=section.revision if name_or_path is None else None,
        quantization=section.quantization,
        **common,
    )
    if section.quantization is not None:
        # Here and not where training starts: every evaluation of the run should compute alike.
        quantization.prepare(model.backbone, model.family, filled(section.quantization_upcast))
    if start is not None:
        start_adapter.attach(model, recipe, start)
    return model


def _dtype(recipe: Recipe) -> str | None:
    """What to load the weights as; None: as saved on a GPU, float32 on a CPU.

    All of them trained, or whole modules: float32 unless the recipe insists. An update of a bfloat16 weight below a
    256th of it is rounded away, which at usual learning rates is most of them; `training.bf16` computes in bfloat16 all
    the same.
    """
    if recipe.model.dtype != "auto":
        return recipe.model.dtype
    whole = recipe.full is not None or (recipe.lora is not None and recipe.lora.modules_to_save is not None)
    return "float32" if whole else None


def check_start(recipe: Recipe, folder: Path) -> None:
    """Raises ModelError when the model in `folder` is one that the recipe's way of training would bury or replace, or
    one that is not trained here at all."""
    kind = None
    if (folder / ADAPTER_CONFIG).is_file():
        kind = "an adapter"
    elif recipe.projection is not None and (folder / PROJECTION_CONFIG).is_file():
        kind = "a model with a token projection"
    if kind is not None:
        raise ModelError(
            f"model.name_or_path {recipe.model.name_or_path}: is {kind}, and {recipe.mode} cannot start from it; name "
            f"its base, or its merged export (smart-train export){_OR_TRAIN_ON if kind == 'an adapter' else ''}"
        )
    named = recipe.model.family or SmartConfig.read(folder).family
    find_family(named, folder).check_pooled(
        f"model.name_or_path {recipe.model.name_or_path}",
        "it is not trained here. Train a model that has one, with this one as its teacher (smart-train mine RECIPE "
        "--model TEACHER --score late, then objective.distillation)",
    )


def skeleton(recipe: Recipe, folder: Path) -> SmartModel:
    """The model in `folder` as the recipe would train it, on the meta device: shapes and names, no weights.

    Raises:
        SmartTrainError: the recipe's way of training does not fit the model.
    """
    check_start(recipe, folder)
    drawn = recipe.model.from_config
    saved = SmartConfig.read(folder)
    family_class = find_family(recipe.model.family or saved.family, folder)
    overrides = drawn.overrides if drawn else None
    config, trusted = config_for(
        folder, family_class, overrides=overrides, trust_remote_code=recipe.model.trust_remote_code
    )
    family = family_class(
        str(folder),
        scoring=family_class.scoring_of(scoring(recipe), saved.scoring),
        prompts=saved.prompts.replaced_by(prompts(recipe)),
    )
    objective(recipe, family.scoring)
    with torch.device("meta"):
        with library_errors(folder, "no model can be made from its config.json"):
            backbone = AutoModel.from_config(config, trust_remote_code=trusted)
        family.fit_backbone(backbone)
        check_vocabulary(backbone, family.tokenizer, folder)
        try:
            model = SmartModel(backbone, family, base=str(folder))
        except ModelError as error:
            raise ModelError("\n".join([str(error), *_target_problems(recipe, backbone, family)])) from error
        start_adapter.attach(model, recipe, None)
        return prepare_for_training(model, recipe)


def _target_problems(recipe: Recipe, backbone: nn.Module, family: Family) -> list[str]:
    """What is wrong with the modules that a new LoRA names, to be told beside what else is wrong with the model."""
    if recipe.lora is None or recipe.lora.init_from is not None:
        return []
    try:
        _add_lora(recipe, backbone, family)
    except ModelError as error:
        return [str(error)]
    return []


def _add_lora(recipe: Recipe, backbone: nn.Module, family: Family) -> PeftModel:
    given = filled(recipe.lora).model_dump(exclude={"init_from"})
    return add_lora(backbone, family, **given, quantized=recipe.model.quantization is not None)


def prepare_for_training(model: SmartModel, recipe: Recipe) -> SmartModel:
    """`model` with what the recipe trains attached and open to gradients, all else frozen.

    Raises:
        ModelError: nothing in the model would be trained.
    """
    if recipe.lora is not None and recipe.lora.init_from is None:
        model.backbone = _add_lora(recipe, model.backbone, model.family)
    elif recipe.projection is not None:
        model.freeze_backbone()
        section = recipe.projection
        projection = TokenProjection(
            model.hidden_size,
            section.dim,
            hidden_dim=section.hidden_dim,
            layers=section.layers or [model.scoring.layer],
        )
        projection.reset(recipe.training["seed"])
        model.add_projection(projection)
    elif recipe.full is not None and recipe.full.freeze_vision:
        for name, parameter in model.backbone.named_parameters():
            if model.family.is_vision(name):
                parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ModelError(f"{recipe.mode}: no weights of the model would be trained")
    return model


def objective(recipe: Recipe, scoring: ScoringConfig) -> ContrastiveObjective:
    """The recipe's objective; `temperature` stands in for a term's own. `scoring` is that of the model to train."""
    section = recipe.objective
    masked, distilled = section.positive_aware, section.distillation
    return ContrastiveObjective(
        filled(section.name),
        scoring=scoring,
        temperatures={
            "pooled": section.pooled_temperature or filled(section.temperature),
            "late": section.late_temperature or filled(section.temperature),
            "hybrid": filled(section.temperature),
        },
        pooled_weight=section.pooled_weight or 1.0,
        late_weight=section.late_weight or 1.0,
        learn_temperature=section.learn_temperature,
        shared_negatives=section.shared_negatives,
        positive_aware=None if masked is None else PositiveAware(**masked.model_dump()),
        distillation=None if distilled is None else Distillation(**distilled.model_dump()),
        self_distillation=_self_distillation(section.self_distillation),
        learn_weights=section.learn_weights,
        products=section.products,
        hardness=section.hardness,
    )


def _self_distillation(section: SelfDistillationSection | None) -> SelfDistillation | None:
    if section is None:
        return None
    return SelfDistillation(
        temperature=filled(section.temperature),
        weight=section.weight,
        warmup=section.warmup,
        learners=LEARNERS if section.score is None else (section.score,),
    )


def gradient_caching(recipe: Recipe) -> GradientCaching | None:
    """How much is encoded at a time, or None: the whole batch at once."""
    section = recipe.gradient_caching
    return None if section is None else GradientCaching(**section.model_dump())


def mining_model(recipe: Recipe, name_or_path: str | None) -> SmartModel:
    """`name_or_path` as it was saved, its own scoring and prompts; None is the recipe's base.

    Raises:
        ModelError: the base would be drawn at random, whose ranks mean nothing; or nothing loadable is there.
    """
    if name_or_path is not None:
        return SmartModel.from_pretrained(name_or_path, trust_remote_code=recipe.model.trust_remote_code)
    if recipe.model.from_config is not None:
        raise ModelError(
            "model.from_config draws random weights, and what such a model ranks high is not a hard negative; mine "
            "with a trained "
            "model: --model RUN/export"
        )
    return base_model(recipe)


def evaluator(recipe: Recipe, name: str, held_out: Sequence[Example]) -> RetrievalEvaluator:
    """What measures a model on `held_out`, the rows of `data.{name}`."""
    quiet = recipe.training.get("disable_tqdm") or not is_main()
    return RetrievalEvaluator(
        evaluation_set(recipe, name, held_out),
        batch_size=recipe.evaluation.batch_size,
        num_workers=recipe.evaluation.num_workers,
        products=recipe.evaluation.products,
        show_progress_bar=False if quiet else bars(),
    )


def batches(
    recipe: Recipe, rows: Sequence[Example], processes: int, family: Family | None = None
) -> GroupedBatches | None:
    """Which training rows make a batch; see `build_rows.batches`.

    Args:
        family: of the model to train; None: found from its folder when rows of like length are to meet.
    """
    if recipe.data.meets_by_length and family is None:
        family = skeleton(recipe, locate(recipe.model.name_or_path, recipe.model.revision, weights=False)).family
    return build_rows.batches(recipe, rows, processes, family)


def schedule(
    recipe: Recipe, *, rows: int, processes: int, batches: GroupedBatches | None, fewest: Fewest | None = None
) -> Schedule:
    """How that many usable training rows become steps.

    Args:
        batches: as the function of that name gives them. fewest: different documents that may meet, if it is known.
    """
    return Schedule.of(
        recipe.training,
        rows=rows,
        processes=processes,
        negatives=min(negatives(recipe)),
        shared=recipe.objective.shared_negatives,
        grouped=None if batches is None else (len(batches), batches.smallest),
        fewest=fewest,
    )


def collator(recipe: Recipe, model: SmartModel, states: StateCache | None = None) -> PairCollator:
    """Examples -> batch, run by the loader's workers.

    Args:
        states: of all training rows, which are then read in the place of their pages.
    """
    several = len(recipe.data.training) > 1  # whose rows are cut to what their source uses
    folder = recipe.data.cache_dir
    used = None if several else negatives(recipe)[0]
    if states is not None:
        return PairCollator(states.reader(model.token_layers), negatives_per_query=used)
    return PairCollator(
        model.family,
        negatives_per_query=used,
        cache=None if folder is None else PageCache(folder, model.family),
    )


def training_arguments(recipe: Recipe) -> TrainingArguments:
    """The `training` section, and the engine that spreads the run, as TrainingArguments. Constructing them picks the
    device and joins the process group."""
    optimiser = str(recipe.training.get("optim", ""))
    # The Trainer asks only when it makes the optimiser, after the evaluation before training.
    if needs_bitsandbytes(optimiser) and not quantization.is_installed():
        raise RecipeError(f"training.optim: {optimiser!r}; needs bitsandbytes: pip install 'smart_train[quantization]'")
    try:
        args = engines.arguments(recipe.distributed.strategy, {**_ALWAYS, **recipe.training})
    except SmartTrainError:
        raise
    except (ValueError, ImportError, TypeError, LookupError, NotImplementedError) as error:
        # What only the machine decides, such as bf16 without hardware for it; the last two are what libraries raise for
        # a device or a back end that they know by name only.
        raise RecipeError(f"training: {first_line(error)}") from error
    if args.device.type == "cpu" and "dataloader_pin_memory" not in recipe.training:
        args.dataloader_pin_memory = False  # pinned memory is for copies to a GPU; torch warns where there is none
    if "logging_nan_inf_filter" not in recipe.training:
        args.logging_nan_inf_filter = False  # it reads every loss twice, and hides a NaN that the run's guard stops at
    if args.dataloader_pin_memory and "accelerator_config" not in recipe.training:
        cast(Any, args.accelerator_config).non_blocking = True  # else its loader waits for each tensor that it sends
    if recipe.averaging is not None:
        check_averaging(engines.active_strategy(args))
    return args


def argument_problems(recipe: Recipe, model: SmartModel | None, *, processes: int, on_cpu: bool) -> list[str]:
    """What of the `training` section cannot work on this machine, or with `model` (a `skeleton`; None: not known)."""
    backbone = None if model is None else model.backbone
    values = {**argument_defaults(), **recipe.training}
    return arguments.argument_problems(values, backbone, processes=processes, on_cpu=on_cpu)


def requested_processes(recipe: Recipe) -> int | None:
    """How many processes the recipe, or the accelerate configuration it names, asks for; None where neither says."""
    section = recipe.distributed
    if section.accelerate_config is None:
        return section.num_processes
    configured = engines.configured_processes(Path(section.accelerate_config))
    return configured if section.num_processes is None else section.num_processes


def run_folder(recipe: Recipe) -> Path:
    """Where the run writes."""
    return Path(recipe.training["output_dir"])


def export_folder(recipe: Recipe) -> Path:
    """Where the run's merged model goes."""
    return Path(recipe.export.output) if recipe.export.output else run_folder(recipe) / "export"
