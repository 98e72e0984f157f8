"""`smart-train inspect`: what a run folder or a model folder is, without loading weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from smart_train.cli.output import print_pairs
from smart_train.errors import ModelError
from smart_train.utils.folder_kinds import is_index, what_is
from smart_train.utils.model_folders import find_model, missing_folder

if TYPE_CHECKING:
    from smart_train.models import Family
    from smart_train.models.smart_config import SmartConfig
    from smart_train.recipe import Recipe
    from smart_train.scoring import ScoringConfig

_NAMED = 12  # tokens that are listed


def inspect(
    path: Annotated[
        Path,
        typer.Argument(
            help="A run folder, a model folder, or an installed Python package with a model in it.", metavar="PATH"
        ),
    ],
) -> None:
    """Show how far a run got and what it measured, or what a model folder holds and how it scores."""
    from smart_train.run.folder import RUN_FILE

    place = path if path.is_dir() else Path(find_model(path))
    if not place.is_dir():
        raise missing_folder(path)
    print_pairs(_run_rows(place) if (place / RUN_FILE).is_file() else _model_rows(place))


def _run_rows(path: Path) -> list[tuple[str, str]]:
    from smart_train.evaluation import selection_note
    from smart_train.evaluation.metrics import metric_label
    from smart_train.evaluation.result_tables import EVALUATION_FILE
    from smart_train.export import CardFacts
    from smart_train.recipe import load_recipe
    from smart_train.recipe.reader import RECIPE_FILE
    from smart_train.run.folder import read_record
    from smart_train.training.checkpoint_search import find_checkpoint
    from smart_train.utils.terms import HEADLINE

    run, recipe = read_record(path), load_recipe(path / RECIPE_FILE)
    assert run is not None, "only called for a folder that has a record"
    checkpoints = find_checkpoint(path, contents=False)  # a look should not read gigabytes
    paths = ", ".join(section.path for section in recipe.data.training)
    rows = [
        ("run", run["state"]),
        ("model", recipe.model.name_or_path),
        ("training", f"{recipe.mode}, objective {recipe.objective.name}, data {paths}"),
        *_trained_rows(recipe, path),
        ("fingerprint", run["fingerprint"]),
        ("versions", ", ".join(f"{name} {version}" for name, version in run.get("versions", {}).items())),
        ("newest checkpoint", checkpoints.newest.name if checkpoints.newest else "none"),
        *(("broken checkpoint", f"{broken.name}: {reason}") for broken, reason in checkpoints.broken.items()),
    ]
    values = CardFacts.read_evaluation(path / EVALUATION_FILE)
    if values is not None:
        size = f"{values['queries']} queries against {values['documents']} documents"
        rows.append(("measured on", ", ".join([values["measured_on"], size] if values.get("measured_on") else [size])))
        for when in [when for when in ("before", "after") if when in values]:
            scores = values[when].items()
            shown = ", ".join(f"{score} {metrics[HEADLINE]:.3f}" for score, metrics in scores)
            rows.append((f"{metric_label(HEADLINE)} {when}", shown))
        note = selection_note(values)
        rows += [("selection", note)] if note else []
    return rows


def _trained_rows(recipe: Recipe, path: Path) -> list[tuple[str, str]]:
    """What was trained, how strongly, and which step of it was kept."""
    from smart_train.run.outcome import weights_of

    rows = []
    if recipe.lora is not None:
        rows.append(("lora", f"rank {recipe.lora.r}, alpha {recipe.lora.alpha:g}, dropout {recipe.lora.dropout:g}"))
        rows += _beside_rows(path / "final")
    elif recipe.projection is not None:
        hidden = f" over {recipe.projection.hidden_dim}" if recipe.projection.hidden_dim else ""
        rows.append(("projection", f"width {recipe.projection.dim}{hidden}"))
    rate, batch = recipe.training["learning_rate"], recipe.training["per_device_train_batch_size"]
    rows.append(("learning rate", f"{rate:g}, {recipe.training['lr_scheduler_type']}, batch {batch} a process"))
    step, steps, selection = weights_of(recipe, path)
    if step is not None:
        how = f", the best by {selection.metric} on {selection.rows}" if selection is not None else ""
        rows.append(("chosen step", f"{step} of {steps}{how}"))
    return rows


def _model_rows(path: Path) -> list[tuple[str, str]]:
    from safetensors import SafetensorError, safe_open

    from smart_train.models.adapter_config import ADAPTER_CONFIG
    from smart_train.models.sentence_transformers_files import check_root
    from smart_train.models.smart_config import SMART_CONFIG, SmartConfig
    from smart_train.models.token_projection import CONFIG_NAME, WEIGHTS_NAME, read_shape

    weights = sorted(path.glob("*.safetensors"))
    marks = (SMART_CONFIG, ADAPTER_CONFIG, "config.json")
    if is_index(path) or not (weights or any((path / name).is_file() for name in marks)):
        check_root(path)
        raise ModelError(
            f"{path}: {what_is(path)}, neither a run nor a model folder (no run.json, none of {', '.join(marks)})"
        )
    kind = "backbone"
    if (path / ADAPTER_CONFIG).is_file():
        kind = "adapter"
    elif (path / WEIGHTS_NAME).is_file() and not (path / "config.json").is_file():
        kind = "token projection"
    config = SmartConfig.read(path)
    family, named, scoring = _read_by(path, config)
    rows = [("model", kind), ("family", named), *_beside_rows(path)]
    rows += [("scores", "late only: it has no pooled vector")] if family is not None and family.late_only else []
    images = family.image_reading() if family is not None else None
    rows += [("images", images)] if images is not None else []
    if config.base:
        rows.append(("base", config.base + (f" at {config.base_revision}" if config.base_revision else "")))
    if (path / CONFIG_NAME).is_file():
        shape = read_shape(path / CONFIG_NAME)
        rows.append(("projection", ", ".join(f"{name} {value}" for name, value in shape.items())))
    if scoring is not None:
        rows.append(("scoring", ", ".join(f"{name} {value}" for name, value in scoring.to_dict().items())))
    prompts = {name: value for name, value in config.prompts.to_dict().items() if value is not None}
    rows += [(name, str(value)) for name, value in prompts.items()]
    if family is not None and config.base is None:
        rows += _reading_rows(path, config, family)
    for file in weights:
        try:
            with safe_open(file, framework="pt") as tensors:
                slices = [tensors.get_slice(name) for name in tensors.keys()]  # noqa: SIM118 (not a mapping)
        except (OSError, SafetensorError) as error:
            rows.append((file.name, f"damaged: {error}"))
            continue
        dtypes = sorted({item.get_dtype() for item in slices})
        count = sum(_size(item.get_shape()) for item in slices)
        rows.append((file.name, f"{count:,} numbers in {len(slices)} tensors, {', '.join(dtypes)}"))
    return rows if weights else [*rows, ("weights", "none; use it with model.from_config")]


def _beside_rows(path: Path) -> list[tuple[str, str]]:
    """What the adapter in `path` trained beside LoRA; nothing where there is none."""
    from smart_train.models.adapter_config import trains_beside
    from smart_train.models.added_tokens import listed_tokens

    trained_beside, rows = trains_beside(path), []
    if (whole := trained_beside.get("modules_to_save")) is not None:
        rows.append(("trained whole", ", ".join(map(str, whole))))
    if (indices := trained_beside.get("trainable_token_indices")) is not None:
        texts = {index: f"{text!r} ({index})" for index, text, _ in listed_tokens(path)}
        lists = indices.values() if isinstance(indices, dict) else [indices]
        named = [texts.get(index, str(index)) for ids in lists for index in ids]
        more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
        rows.append(("trained tokens", f"{', '.join(named[:_NAMED])}{more}"))
    return rows


def _read_by(path: Path, config: SmartConfig) -> tuple[type[Family] | None, str, ScoringConfig | None]:
    """The family that reads the folder, in words too, and how it scores: as saved, else as the files show, else what is
    missing."""
    from smart_train.models import find_family, get_family

    if config.family is not None:
        family = get_family(config.family)
        return family, family.name, family.scoring_of(None, config.scoring)
    if config.base is not None:
        return None, "its base's", None
    try:
        family = find_family(None, path)
    except ModelError as error:
        return None, f"not known ({error})", None
    return family, family.name, family.default_scoring


def _reading_rows(path: Path, config: SmartConfig, family_class: type[Family]) -> list[tuple[str, str]]:
    """What the model sees where a text says TEXT, and what of its states it pools."""
    from smart_train.types import ModelInput

    family = family_class(str(path), scoring=family_class.scoring_of(None, config.scoring), prompts=config.prompts)
    try:
        seen = [(f"a {role}", json.dumps(family.render(ModelInput("TEXT"), role))) for role in ("query", "document")]
        pooling = [("pooling", family.pooling)] if family.pooling is not None else []
        return [*seen, *pooling, ("length", f"at most {family.max_length:,} tokens")]
    except ModelError as error:
        return [("prompts", f"not known ({error})")]


def _size(shape: list[int]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size
