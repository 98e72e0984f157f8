"""A recipe: everything that defines a run, typed, with every default filled in. And its choice between the ways of
training."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from smart_train.recipe.identity import of_the_run
from smart_train.recipe.reader import dump_yaml
from smart_train.recipe.sections import (
    AveragingSection,
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
    TuneSection,
)

Mode = Literal["lora", "projection", "full"]
MODES: tuple[Mode, ...] = ("lora", "projection", "full")


def mode_problems(values: dict[str, Any]) -> list[str]:
    """Mistakes in the choice between `lora`, `projection` and `full`, read from the raw mapping.

    A null erases what a parent recipe said, so it is not a choice by itself.
    """
    modes = [name for name in MODES if values.get(name) is not None]
    emptied = [name for name in MODES if name in values and values[name] is None]
    if len(modes) > 1:
        return [
            f"{', '.join(modes)}: choose exactly one of {', '.join(MODES)} (`{modes[0]}: null` removes that of "
            "a parent recipe)"
        ]
    if not modes and emptied:
        return [f"{emptied[-1]}: empty; write `{emptied[-1]}: {{}}` to take its defaults"]
    return []


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
    averaging: AveragingSection | None = None
    evaluation: EvaluationSection = EvaluationSection()
    tune: TuneSection | None = None
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
        return hashlib.sha256(json.dumps(of_the_run(self.to_dict()), sort_keys=True).encode()).hexdigest()
