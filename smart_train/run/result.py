"""What a run's result is stored as, who may load it, and what its model card says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from smart_train.errors import ExportError, ModelError
from smart_train.evaluation.result_tables import EVALUATION_FILE
from smart_train.evaluation.tuning_result import TUNING_FILE
from smart_train.export import CardFacts
from smart_train.export.card import is_hub_id
from smart_train.models.locating import base_dtype, locate_base, start_of
from smart_train.models.smart_config import SmartConfig
from smart_train.recipe import Recipe
from smart_train.recipe.sections import filled
from smart_train.scoring import ScoringConfig


def export_dtype(recipe: Recipe, run: Path) -> str | None:
    """What the merged weights of the run in `run` are stored as; None leaves it to the base that the trained folder
    names.

    Raises:
        ExportError: all weights were trained, and those that they started from, of which the dtype is taken, are gone.
    """
    start = recipe.model
    if recipe.export.dtype is not None or recipe.full is None or start.from_config is not None:
        return recipe.export.dtype
    try:
        final = run / "final"
        return base_dtype(locate_base(start_of(final, start.name_or_path, start.revision), final))
    except ModelError as error:
        raise ExportError(
            f"the weights are stored in the type of {start.name_or_path} unless export.dtype (or --dtype) is set, but "
            f"it cannot be found; set export.dtype. {error}"
        ) from error


def check_publishable(recipe: Recipe) -> None:
    """Raises ExportError when the recipe would publish an adapter whose base others cannot load."""
    start = recipe.model
    if start.from_config is None and is_hub_id(start.name_or_path):
        return
    if recipe.hub.what == "adapter":
        raise ExportError(
            f"hub.what adapter: its base would be {start.name_or_path}, which is not on the Hub; use hub.what merged"
        )
    if recipe.hub.checkpoints:
        raise ExportError(
            f"hub.checkpoints: their base would be {start.name_or_path}, which is not on the Hub; leave it out"
        )


def card_facts(
    recipe: Recipe, run: Path, fingerprints: Mapping[str, str], earlier_ends: Sequence[int] = ()
) -> CardFacts:
    """What the model card says of the run in `run`, whose `fingerprints` and `earlier_ends` are those of its folder."""
    start, training, objective = recipe.model, recipe.training, recipe.objective
    length = f"{training['max_steps']} steps" if training.get("max_steps", -1) > 0 else None
    length = length or f"{training.get('num_train_epochs', 3):g} epochs"
    # The recipe alone would not give these weights: the learning rate followed a shorter schedule first.
    made_longer = f", made longer after step {' and '.join(map(str, earlier_ends))}" if earlier_ends else ""
    rows = {
        "start": "random weights" if start.from_config is not None else None,
        "trained": _trained(recipe),
        "objective": f"{objective.name}, temperature {objective.temperature:g}",
        "length": f"{length}{made_longer}",
        "batch per process": training["per_device_train_batch_size"],
        "learning rate": training.get("learning_rate"),
        "weights": None if recipe.averaging is None else f"a moving average, decay {recipe.averaging.decay:g} a step",
        "seed": training["seed"],
    }
    tuning = CardFacts.read_evaluation(run / TUNING_FILE)
    if tuning is not None and SmartConfig.read(run / "final").scoring != ScoringConfig.from_dict(tuning["scoring"]):
        tuning = None  # the settings were changed since
    return CardFacts(
        tuning=tuning,
        base=None if start.from_config is not None else start_of(run / "final", start.name_or_path, start.revision),
        evaluation=CardFacts.read_evaluation(run / EVALUATION_FILE),
        training={name: str(value) for name, value in rows.items() if value is not None},
        datasets=[section.path for section in recipe.data.training if is_hub_id(section.path)],
        fingerprints=fingerprints,
        plots=sorted((run / "plots").glob("*.png")),
    )


def _trained(recipe: Recipe) -> str:
    if recipe.lora is not None:
        on = f", trained on from {recipe.lora.init_from}" if recipe.lora.init_from is not None else ""
        kind = "rsLoRA" if recipe.lora.use_rslora else "DoRA" if recipe.lora.use_dora else "LoRA"
        whole = ", ".join(recipe.lora.modules_to_save or ())
        tokens = ", ".join(map(repr, recipe.lora.trained_tokens or ()))
        beside = f"{f'; all of {whole}' if whole else ''}{f'; the embeddings of {tokens}' if tokens else ''}"
        return f"{kind} on the language model, rank {recipe.lora.r}, alpha {recipe.lora.alpha:g}{on}{beside}"
    if recipe.projection is not None:
        section = recipe.projection
        middle = f" over {section.hidden_dim}" if section.hidden_dim else ""
        layers = f" of layers {section.layers}" if section.layers else ""
        return f"a token projection to width {section.dim}{middle}{layers} on a frozen backbone"
    return "all weights" + (" except those of the vision tower" if filled(recipe.full).freeze_vision else "")
