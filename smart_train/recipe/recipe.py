"""A recipe: everything that defines a run, typed, with every default filled in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from smart_train.recipe.naming import shown
from smart_train.recipe.reader import dump_yaml
from smart_train.recipe.sections import (
    DataSection,
    DistributedSection,
    EvaluationSection,
    ExportSection,
    FullSection,
    GradientCachingSection,
    HubSection,
    LoraSection,
    ModelSection,
    ObjectiveSection,
    ProjectionSection,
    Section,
)

Mode = Literal["lora", "projection", "full"]
MODES: tuple[Mode, ...] = ("lora", "projection", "full")

# Nothing in these changes the loss, its gradients or the choice of the best checkpoint.
_NOT_THE_RUN = ("export", "hub", "distributed", "gradient_caching")
_NOT_THE_MATHEMATICS = {
    # What all processes take together is; a run's folder keeps that.
    "per_device_train_batch_size",
    "output_dir",
    "run_name",
    "project",
    "disable_tqdm",
    "skip_memory_metrics",
    "restore_callback_states_from_checkpoint",
    "per_device_eval_batch_size",
}
_NOT_THE_MATHEMATICS_PREFIXES = (
    "logging_",
    "log_",
    "report_",
    "save_",
    "hub_",
    "push_",
    "dataloader_",
    "trackio_",
    "ddp_",
    "activation_checkpointing",
    "gradient_checkpointing",
)
_DATALOADER_MATHEMATICS = "dataloader_drop_last"


class Recipe(Section):
    """One run. Read with `load_recipe`; `to_yaml` writes what was read back, all defaults visible.

    Of `lora`, `projection` and `full` exactly one is set. `training` holds keyword arguments of
    `transformers.TrainingArguments`, `scoring` the fields of `ScoringConfig`: null where the model folder, else the
    model's family, decides.
    """

    model: ModelSection
    data: DataSection
    lora: LoraSection | None = None
    projection: ProjectionSection | None = None
    full: FullSection | None = None
    objective: ObjectiveSection = ObjectiveSection()
    scoring: dict[str, Any] = {}
    training: dict[str, Any] = {}
    gradient_caching: GradientCachingSection | None = None
    evaluation: EvaluationSection = EvaluationSection()
    export: ExportSection = ExportSection()
    hub: HubSection = HubSection()
    distributed: DistributedSection = DistributedSection()

    @property
    def mode(self) -> Mode:
        """What is trained."""
        return next(name for name in MODES if getattr(self, name) is not None)

    def to_dict(self) -> dict[str, Any]:
        """Every key as plain values; the two ways of training that were not chosen are left out."""
        values = self.model_dump(mode="json")
        return {name: value for name, value in values.items() if name not in MODES or name == self.mode}

    def to_yaml(self) -> str:
        """The resolved recipe; `load_recipe` reads it back equal."""
        return dump_yaml(self.to_dict())

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of what defines the run.

        Two recipes that differ in where the run is written, how it is logged, saved, exported, published, cached,
        checkpointed or spread over processes share a fingerprint, so that such a change does not forbid a resume.
        """
        return hashlib.sha256(json.dumps(_of_the_run(self.to_dict()), sort_keys=True).encode()).hexdigest()

    def changes(self, saved: Mapping[str, Any]) -> list[str]:
        """What in `saved`, the plain values of another recipe with its defaults, makes it another run: a line for every
        key that the fingerprint covers, with the value there and the value here."""
        there, here = _flat(_of_the_run(saved)), _flat(_of_the_run(self.to_dict()))
        keys = [*here, *(key for key in there if key not in here)]
        return [
            f"{key}: {_value(there, key)} there, {_value(here, key)} here"
            for key in keys
            if there.get(key) != here.get(key)
        ]


def _of_the_run(values: Mapping[str, Any]) -> dict[str, Any]:
    """Of a recipe's plain values those that define the run."""
    kept = {name: value for name, value in values.items() if name not in _NOT_THE_RUN}
    for section, defines in (
        ("data", lambda name: name != "cache_dir"),
        ("training", _is_mathematics),
        ("evaluation", lambda name: name != "batch_size"),
    ):
        kept[section] = {name: value for name, value in (kept.get(section) or {}).items() if defines(name)}
    return kept


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Dotted key -> value, mappings and lists of mappings opened."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            value = {str(place): item for place, item in enumerate(value)}
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{above}{name}.")
        else:
            flat[f"{above}{name}"] = value
    return flat


def _value(values: Mapping[str, Any], key: str) -> str:
    return shown(values[key]) if key in values else "not set"


def _is_mathematics(name: str) -> bool:
    if name == _DATALOADER_MATHEMATICS:
        return True
    return name not in _NOT_THE_MATHEMATICS and not name.startswith(_NOT_THE_MATHEMATICS_PREFIXES)
