"""The plan of a run, computed without loading weights: sizes, candidates, steps, parameters, memory."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from huggingface_hub.errors import RepositoryNotFoundError

from smart_train.data import CheckReport
from smart_train.errors import DataError, ModelError, SmartTrainError, Unreachable
from smart_train.models import Family, SmartModel
from smart_train.models.family import Role
from smart_train.models.loading import locate
from smart_train.models.prompt_length import LengthCheck
from smart_train.recipe import Recipe
from smart_train.recipe.against_model import config_problems
from smart_train.recipe.sections import LoraSection
from smart_train.run import build, memory_estimate
from smart_train.run.plan_settings import setting_lines
from smart_train.run.start_adapter import shaped_by_its_start
from smart_train.run.state_cache import planned
from smart_train.training.bfloat16_speed import bfloat16_over_float32
from smart_train.training.engines import nodes
from smart_train.training.learning_rate import phase_problems
from smart_train.training.state_cache import ROLES
from smart_train.types import Example
from smart_train.utils.byte_sizes import byte_size
from smart_train.utils.counts import counted

SLOWER = 1.1  # times fp32's time from which a slow bfloat16 is worth a line; less is noise
_SAMPLE = 16  # rows whose real token counts stand for the data set's


@dataclass
class Plan:
    """What `smart-train validate` prints of a run, mistakes found on the way, and what could not be checked here.

    Attributes:
        lines: label -> what to print. problems: mistakes that make the run impossible.
        unchecked: what needs the Hub or other files that are out of reach now, each with the reason.
        family: of the model, which turns inputs into tokens; None where the model is out of reach.
    """

    lines: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    family: Family | None = None

    def rows(self) -> list[tuple[str, str]]:
        """(label, value) in the order to print."""
        return [*self.lines.items(), *(("not checked", reason) for reason in self.unchecked)]


def make_plan(
    recipe: Recipe, training: Sequence[Example] | None = None, *, contents: CheckReport | None = None
) -> Plan:
    """Checks data rows, files, the model's configuration and processor; computes the lines of the plan.

    Args:
        training: the usable training rows, where the data has been checked already; None checks it here.
        contents: the check's report on these rows, which says how many different documents they bring.
    """
    plan = Plan()
    try:
        recipe = shaped_by_its_start(recipe)
    except SmartTrainError as error:
        plan.problems += str(error).splitlines()
        recipe = recipe.model_copy(update={"lora": LoraSection()})  # the rest is checked as for a new adapter
    plan.lines["model"] = f"{recipe.model.name_or_path} ({recipe.mode}, objective {recipe.objective.name})"
    plan.lines |= setting_lines(recipe)
    skeleton = _skeleton(recipe, plan)
    plan.problems += build.argument_problems(recipe, skeleton, processes=processes(recipe), on_cpu=_on_cpu(recipe))
    held_out: Counter[Role] = Counter()
    if training is None:
        training, contents = _data(recipe, plan, None if skeleton is None else skeleton.family, held_out)
    epochs = _batches(recipe, plan, training, contents, skeleton.family if skeleton is not None else None)
    _precision(recipe, plan)
    if skeleton is not None:
        plan.family = skeleton.family
        _parameters(recipe, plan, skeleton)
        loads = _memory(recipe, plan, skeleton, training[:_SAMPLE]) if training else None
        if training and loads is not None and recipe.projection is not None:
            documents = None if contents is None else contents.documents
            documents = documents or len(training) * (1 + max(build.negatives(recipe)))
            counts = held_out + Counter[Role]({"query": len(training), "document": documents})
            mean_tokens = {role: loads[role].kept for role in ROLES}
            plan.lines["state cache"], problem = planned(recipe, skeleton, mean_tokens, counts, epochs=epochs)
            plan.problems += [problem] if problem is not None else []
    return plan


def processes(recipe: Recipe) -> int:
    """How many processes the recipe means: its own number, that of its accelerate configuration, else one per GPU of
    every machine (`NNODES` of them, all alike), else one."""
    number = build.requested_processes(recipe)
    if number is not None:
        return number
    if recipe.distributed.strategy == "none":
        return 1
    per_machine = 1 if recipe.training.get("use_cpu") else max(1, torch.cuda.device_count())
    return per_machine * nodes(os.environ)


def _data(
    recipe: Recipe, plan: Plan, family: Family | None, held_out: Counter[Role]
) -> tuple[Sequence[Example] | None, CheckReport | None]:
    """The usable training rows and what was found in them, or None where they cannot be read here.

    Args:
        family: of the model, None if not known. held_out: to which the inputs of evaluation sets are added.
    """
    prepare = recipe.data.prepare
    if prepare is not None and not Path(prepare.output).exists():
        if not Path(prepare.script).is_file():
            plan.problems.append(f"data.prepare.script: {prepare.script}: no such file")
        plan.unchecked.append(f"data rows: {prepare.output} is made by {prepare.script} when the run starts")
        return None, None
    parts: dict[str, Sequence[Example]] = {}
    reports: dict[str, CheckReport] = {}
    reads, fits = (None, None) if family is None else (family.modalities, LengthCheck(family))
    for name in build.sources(recipe):
        try:
            parts[name], report = build.usable_rows(recipe, name, reads=reads, fits=fits)
        except DataError as error:
            (plan.unchecked if isinstance(error, Unreachable) else plan.problems).append(str(error))
            continue
        reports[name] = report
        plan.lines[f"{name} rows"] = report.summary()
        for label, value in report.details():
            plan.lines[f"{name} {label}"] = value
    for name in [name for name in recipe.data.held_out if name in parts]:
        try:
            evaluation_set = build.evaluation_set(recipe, name, parts[name])
            build.check_more_documents(recipe, name, reads=reads, fits=fits)
        except Unreachable as error:
            plan.unchecked.append(f"data.{name}.corpus: {error}")
        except DataError as error:
            plan.problems.append(f"data.{name}: {error}")
        else:
            label = "held out" if name == "evaluation" else "held out to report"
            plan.lines[label] = (
                f"{len(evaluation_set.queries)} queries against {len(evaluation_set.documents)} documents"
            )
            held_out.update({"query": len(evaluation_set.queries), "document": len(evaluation_set.documents)})
    return parts.get("train"), reports.get("train")


def _batches(
    recipe: Recipe, plan: Plan, rows: Sequence[Example] | None, contents: CheckReport | None, family: Family | None
) -> float | None:
    """Adds to `plan` how rows become batches and steps; returns the number of epochs, None where it is not known."""
    count, fewest = processes(recipe), None if contents is None else contents.fewest
    if family is None and recipe.data.meets_by_length:
        key = "max_tokens_per_batch" if recipe.data.max_tokens_per_batch is not None else "group_by_length"
        plan.unchecked.append(f"batches: data.{key} counts tokens of the model, which is not available yet")
        return None
    try:
        grouped = build.batches(recipe, rows, count, family) if rows is not None else None
    except SmartTrainError as error:
        plan.problems.append(str(error))
        return None
    schedule = build.schedule(
        recipe, rows=len(rows) if rows is not None else 0, processes=count, batches=grouped, fewest=fewest
    )
    accumulation = schedule.accumulation
    plan.lines["processes"] = str(count)
    plan.lines["global batch"] = f"{schedule.together * accumulation} pairs per optimiser step" + (
        f" ({accumulation} accumulated, which adds no candidates)" if accumulation > 1 else ""
    )
    plan.lines["candidates per query"] = (
        f"{'at most ' if rows is None else ''}{counted(schedule.candidates, 'document')} (1 positive), less those "
        "known to be relevant"
    ) + (
        f"; a batch has room for {schedule.room}, but the rows {f'of {fewest.kind} ' if fewest.kind else ''}bring only "
        f"{counted(fewest.documents, 'different document')}"
        if fewest is not None and schedule.candidates < schedule.room
        else ""
    )
    if rows is None:
        return None
    if contents is not None and contents.documents is not None:
        plan.lines["documents"] = (
            f"{'' if len(recipe.data.training) == 1 else 'at least '}"
            f"{counted(contents.documents, 'different one')} in {counted(len(rows), 'row')}"
        )
    if grouped is not None:
        shares = [f"{group.name} {share}" for group, share in zip(grouped.groups, grouped.counts, strict=True)]
        plan.lines["batches an epoch"] = f"{len(grouped)} of each process, one kind at a time: {', '.join(shares)}"
    plan.problems += schedule.problems() or phase_problems(recipe.training, schedule.steps)
    if schedule.batches:
        steps, per_epoch = schedule.steps, schedule.steps_per_epoch
        plan.lines["optimiser steps"] = f"{steps} ({per_epoch} an epoch, {steps / per_epoch:.1f} epochs)"
    if recipe.averaging is not None:
        decay = recipe.averaging.decay
        plan.lines["averaging"] = (
            f"decay {decay:g}: the weights of about the last {1 / (1 - decay):.0f} steps are measured and exported"
        )
    if schedule.too_short:
        plan.lines["few steps"] = schedule.too_short
    if schedule.all_warmup:
        plan.lines["warm-up"] = schedule.all_warmup
    return schedule.steps / schedule.steps_per_epoch if schedule.batches else None


def _skeleton(recipe: Recipe, plan: Plan) -> SmartModel | None:
    """The model to train, on the meta device: shapes and names without a byte of weight."""
    prepare, start = recipe.data.prepare, Path(recipe.model.name_or_path)
    if prepare is not None and not start.exists() and Path(prepare.output) in start.parents:
        plan.unchecked.append(f"model: {start} is made by {prepare.script} when the run starts")
        return None
    try:
        folder = locate(recipe.model.name_or_path, recipe.model.revision, weights=False)
    except ModelError as error:
        # An error without a cause did not come from the Hub: the name can only be that of a folder.
        certain = error.__cause__ is None or isinstance(error.__cause__, RepositoryNotFoundError)
        (plan.problems if certain else plan.unchecked).append(f"model.name_or_path: {error}")
        return None
    try:
        model = build.skeleton(recipe, folder)
    except SmartTrainError as error:
        told = config_problems(recipe)  # every layer and width, where the error has the first
        rest = [line for line in str(error).splitlines() if line not in told] if told else [str(error)]
        plan.problems += [f"model: {problem}" for problem in (*told, *rest)]
        return None
    plan.lines["scoring"] = ", ".join(f"{name} {value}" for name, value in model.scoring.to_dict().items())
    return model


def _precision(recipe: Recipe, plan: Plan) -> None:
    """Says so where bfloat16 makes a run on the CPU slower; many processors have no products of it. accelerate leaves
    float16 out there, and does not say so."""
    if recipe.training.get("fp16") and _on_cpu(recipe):
        plan.lines["precision"] = "training.fp16 has no effect on a CPU, which computes in fp32 all the same"
    settings = [
        name
        for name, wanted in (
            ("training.bf16", recipe.training.get("bf16")),
            ("model.dtype", recipe.model.dtype == "bfloat16"),
        )
        if wanted
    ]
    if not settings or not _on_cpu(recipe):
        return
    factor = bfloat16_over_float32()
    if factor > SLOWER:
        plan.lines["precision"] = (
            f"{' and '.join(settings)}: bfloat16 is slower than fp32 on this processor (a layer's step takes "
            f"{factor:.1f} times as long, measured now); fp32 costs more memory and less time"
        )


def _on_cpu(recipe: Recipe) -> bool:
    return bool(recipe.training.get("use_cpu")) or not torch.cuda.is_available()


def _parameters(recipe: Recipe, plan: Plan, model: SmartModel) -> None:
    total = sum(parameter.numel() for parameter in model.parameters())
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    plan.lines["parameters"] = f"{total:,}, of which {trained:,} ({trained / total:.2%}) are trained"


def _memory(
    recipe: Recipe, plan: Plan, model: SmartModel, sample: Sequence[Example]
) -> dict[str, memory_estimate.BatchSide] | None:
    """Tokens of the sample's inputs, and the estimate that follows from them; None where they cannot be read."""
    try:
        features = {
            "query": model.family.featurize([example.query for example in sample], "query"),
            "document": model.family.featurize([example.documents[0] for example in sample], "document"),
        }
    except SmartTrainError as error:
        plan.problems.append(f"model: {error}")
        return None
    batch = recipe.training["per_device_train_batch_size"]
    inputs = {"query": batch, "document": batch * (1 + max(build.negatives(recipe)))}
    loads = {side: memory_estimate.BatchSide.of(features[side], inputs[side], model.family) for side in features}
    if build.gradient_caching(recipe) is not None:
        live = memory_estimate.together(recipe, loads)
        plan.lines["encoded"] = (
            f"about {live['query']} queries, {live['document']} documents at a time (gradient caching)"
        )
    plan.lines["tokens per input"] = ", ".join(
        f"{side} {load.tokens:.0f} ({load.kept:.0f} kept)" for side, load in loads.items()
    )
    count = processes(recipe)
    parts = memory_estimate.estimate(recipe, model, loads, count)
    whole, step = memory_estimate.weights(recipe, model), sum(parts.values())
    detail = ", ".join(f"{name} {byte_size(value)}" for name, value in parts.items() if value)
    plan.lines["memory per process"] = f"roughly {byte_size(step)} ({detail})" + (
        f"; for the whole weights, before they are sharded: {byte_size(whole)}" if whole > step else ""
    )
    here = count // nodes(os.environ)
    if here > 1 and _on_cpu(recipe):
        plan.lines["main memory"] = f"roughly {byte_size(here * max(whole, step))} for the {here} processes here"
    return loads
