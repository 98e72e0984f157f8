"""`lora.init_from`: a run that trains on from an adapter instead of from a new LoRA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from smart_train.errors import ModelError, RecipeError
from smart_train.models import SmartModel
from smart_train.models.adapter_config import ADAPTER_CONFIG, read_adapter_config
from smart_train.models.bases import weights_digest
from smart_train.models.locating import locate
from smart_train.models.peft import load_adapter
from smart_train.models.smart_config import SmartConfig
from smart_train.recipe import Recipe
from smart_train.recipe.sections import LoraSection

_WORD = "lora.init_from"


def shaped_by_its_start(recipe: Recipe) -> Recipe:
    """`recipe` with the rank, scale and targets of the adapter that it trains on, and with that adapter's dropout,
    scoring, prompts and limits where it names none. A recipe without `lora.init_from` comes back as it is.

    Resolved here, once, so that the run's own recipe, its model card and its memory estimate all say what is trained.

    Raises:
        ModelError: no adapter is there, or it is not LoRA.
        RecipeError: the recipe gives another rank, scale, target or other trained part than the adapter has.
    """
    folder = start_folder(recipe)
    if folder is None or recipe.lora is None:
        return recipe
    config, saved = read_adapter_config(folder), SmartConfig.read(folder)
    targets = config.target_modules
    whole = [name for name in config.modules_to_save or () if not name.endswith("lm_head")]  # backbones have no head
    settings = {
        "r": config.r,
        "alpha": float(config.lora_alpha),
        "target_modules": targets if isinstance(targets, str) or targets is None else sorted(targets),
        "use_rslora": config.use_rslora,
        "use_dora": config.use_dora,
        "modules_to_save": sorted(whole) or None,
    }
    _check_given(recipe.lora, settings)
    if "dropout" not in recipe.lora.model_fields_set:
        settings["dropout"] = config.lora_dropout
    scoring = {} if saved.scoring is None else saved.scoring.to_dict()
    told = {name: value for name, value in saved.prompts.to_dict().items() if getattr(recipe.model, name) is None}
    return recipe.model_copy(
        update={
            "lora": recipe.lora.model_copy(update=settings),
            "scoring": scoring | {name: value for name, value in recipe.scoring.items() if value is not None},
            "model": recipe.model.model_copy(update=told),
        }
    )


def _check_given(section: LoraSection, settings: dict[str, Any]) -> None:
    wrong = []
    for name in sorted(section.model_fields_set & set(settings)):
        given = getattr(section, name)
        given = sorted(given) if isinstance(given, list) else given
        if given != settings[name]:
            wrong.append(
                f"lora.{name} {given!r}: the adapter of {_WORD} {section.init_from} has {settings[name]!r}, which "
                f"training on does not change; leave lora.{name} out"
            )
    if wrong:
        raise RecipeError("\n".join(wrong))


def start_folder(recipe: Recipe) -> Path | None:
    """The folder of the adapter that `recipe` trains on: of a run, that of its `final`. None: it begins a new one.

    Raises:
        ModelError: no adapter is there.
    """
    if recipe.lora is None or recipe.lora.init_from is None:
        return None
    given = Path(recipe.lora.init_from)
    trained = given / "final"  # of a run
    wanted = trained if (trained / ADAPTER_CONFIG).is_file() else given
    try:
        folder = locate(str(wanted), weights=True)
    except ModelError as error:
        raise ModelError(f"{_WORD}: {error}") from error
    if not (folder / ADAPTER_CONFIG).is_file():
        raise ModelError(
            f"{_WORD} {recipe.lora.init_from}: holds no adapter (no {ADAPTER_CONFIG} in {folder}). Name an adapter, or "
            "a run that trained one; to start from whole weights, name them as model.name_or_path"
        )
    return folder


def attach(model: SmartModel, recipe: Recipe, base: Path | None) -> None:
    """The adapter that `recipe` trains on, on `model`'s backbone and open to training; nothing where it names none.

    Args:
        base: where the backbone's weights lie, to compare with those that the adapter was trained from. None: the
            weights are not loaded (a model on the meta device), and only names and shapes are compared.

    Raises:
        ModelError: the adapter was trained from other weights than the model's, or does not fit them.
    """
    folder = start_folder(recipe)
    if folder is None or recipe.lora is None:
        return
    named = SmartConfig.read(folder).named_base
    if base is not None and named is not None and named.weights is not None and named.weights != weights_digest(base):
        raise ModelError(
            f"{_WORD} {recipe.lora.init_from}: was trained from other weights ({named.name}) than those of "
            f"model.name_or_path {recipe.model.name_or_path}; name those as model.name_or_path"
        )
    model.backbone = load_adapter(model.backbone, model.family, folder, trainable=True, dropout=recipe.lora.dropout)
