"""One run, from recipe to export, in stages that each finish whole or leave nothing.

Killed at any instant and started again, a run continues where its files say it was: base weights, the evaluation before
training, checkpoints, the trained model, the evaluation after, the export. Every stage writes under a temporary name.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from transformers import TrainingArguments, set_seed

from smart_train.data import GroupedBatches
from smart_train.data.contents import Fewest
from smart_train.data.lengths import cut_shares
from smart_train.distributed import is_main, on_main
from smart_train.distributed.ranks import check_launched
from smart_train.distributed.stages import on_every_rank
from smart_train.errors import DataError, RecipeError, RunError
from smart_train.evaluation import (
    EvaluationResult,
    EvaluationSet,
    RetrievalEvaluator,
    save_report,
)
from smart_train.evaluation.plots import plot_run
from smart_train.evaluation.tuning_result import TUNING_FILE
from smart_train.export import export_model, write_adapter_card
from smart_train.inputs.images import verify_image
from smart_train.models import Family, SmartModel
from smart_train.models.loading import locate
from smart_train.models.prompt_length import LengthCheck
from smart_train.recipe import Recipe
from smart_train.recipe.sections import filled
from smart_train.run import build
from smart_train.run.checkpoint_push import PushCheckpoints
from smart_train.run.evaluations import evaluated, take_measured
from smart_train.run.fingerprints import Contents
from smart_train.run.folder import RunFolder, Spread, check_recipe, earlier_ends, extends, fingerprints, has_finished
from smart_train.run.longer_run import extension
from smart_train.run.outcome import report_result, weights_of
from smart_train.run.prepare import prepare_data
from smart_train.run.publishing import check_outlets, is_exported, publish
from smart_train.run.report import write_run_report
from smart_train.run.start_adapter import shaped_by_its_start
from smart_train.run.state_cache import States
from smart_train.run.state_cache import prepare as prepare_states
from smart_train.run.tuning import grid_of, sets_of, tune_trained
from smart_train.training import SmartTrainer, TrainingModule, find_checkpoint
from smart_train.training.checkpoint_search import drop_superseded, step_of
from smart_train.training.engines import active_strategy
from smart_train.training.learning_rate import phase_problems
from smart_train.training.measured import way_of_measuring
from smart_train.training.process_check import check_distribution, naming_lost_processes
from smart_train.training.resources import saving
from smart_train.training.training_log import LOG_NAME, read_log
from smart_train.types import Example
from smart_train.utils.atomic import remove
from smart_train.utils.console import PlainConsole
from smart_train.utils.cpu import every_core
from smart_train.utils.locks import LOCK_NAME, check_free, only_one
from smart_train.utils.manifest import damage


def train(recipe: Recipe, *, overwrite: bool = False) -> Path:
    """Runs `recipe` to its end, or resumes it. Every rank calls this; the main one prints and writes.

    Args:
        overwrite: discard what the output folder holds of another (or an earlier) run.

    Returns:
        The run folder.

    Raises:
        SmartTrainError: data, model, folder or launch do not fit the recipe; nothing was trained yet in that case.
    """
    check_launched()
    recipe = on_main(lambda: shaped_by_its_start(recipe))
    args = build.training_arguments(recipe)
    on_every_rank(lambda: check_distribution(args, recipe.distributed.strategy, build.requested_processes(recipe)))
    # Paths and messages are the user's text, not rich's markup.
    with naming_lost_processes(args.ddp_timeout):
        return _run(recipe, args, overwrite)


def _run(recipe: Recipe, args: TrainingArguments, overwrite: bool) -> Path:
    console = PlainConsole(quiet=not is_main())
    run = build.run_folder(recipe)
    on_main(lambda: check_free(run / LOCK_NAME))  # before hours of decoding
    on_main(lambda: check_recipe(run, recipe, overwrite=overwrite))
    on_main(lambda: prepare_data(recipe.data.prepare, console))
    family = on_main(lambda: _check_model(recipe, args))
    # Before the rows: of a run that is finished nothing is read but their ids.
    finished = not overwrite and on_main(lambda: has_finished(run, recipe))
    contents = Contents()  # filled on the main rank alone: of many rows it is large
    with build.remembered_files(recipe):
        parts, batches = _load_data(recipe, args, family, console, trains=not finished)
        on_main(lambda: contents.read(recipe, parts, media=not finished))
    if finished:
        # Without a lock: it writes nothing, and the folder may be read-only.
        return _run_in(run, recipe, args, parts, contents, batches, console, overwrite)
    on_main(lambda: contents.read_models(recipe))
    with only_one(run / LOCK_NAME, "training", by=on_main):
        return _run_in(run, recipe, args, parts, contents, batches, console, overwrite)


def _run_in(
    run: Path,
    recipe: Recipe,
    args: TrainingArguments,
    parts: dict[str, Sequence[Example]],
    contents: Contents,
    batches: GroupedBatches | None,
    console: PlainConsole,
    overwrite: bool,
) -> Path:
    """The stages that are left of the run in folder `run`, over rows and from weights with the digests `contents`."""
    spread = Spread(args.world_size, args.world_size * args.per_device_train_batch_size, active_strategy(args))
    longer = None
    if not overwrite and on_main(lambda: extends(run, recipe)):
        schedule = build.schedule(recipe, rows=len(parts["train"]), processes=args.world_size, batches=batches)
        longer = on_main(lambda: extension(run, recipe, schedule.steps))
    folder = on_main(
        lambda: RunFolder.open(
            run, recipe, contents.ids, spread, overwrite=overwrite, contents=contents, extension=longer
        )
    )
    if longer is not None:
        console.print(longer.message)
    if folder.set_back is not None:
        console.print(f"{folder.set_back}. The run is set back: it is written again from the newest checkpoint")
    if folder.state == "finished":
        console.print(f"{folder.path} is already finished; pass --overwrite to start it again")
        if (reason := on_main(folder.damage_of_final)) is not None:
            console.print(f"{folder.final}: {reason}; put the file back, or pass --overwrite to train it again")
        on_main(lambda: report_result(recipe, folder, console))
        return folder.path
    on_main(lambda: check_outlets(recipe, folder))
    if on_main(lambda: is_exported(recipe, folder, console)):
        on_main(lambda: publish(recipe, folder, console))
        return folder.path
    with build.remembered_files(recipe):
        evaluators = {name: build.evaluator(recipe, name, parts[name]) for name in recipe.data.held_out}
    reporting, steering = evaluators.get(recipe.data.reported or ""), evaluators.get("evaluation")
    model = _base_model(recipe, folder, args.device)
    if model.attention_reason:
        console.print(f"attention: {model.config._attn_implementation} ({model.attention_reason})")
    if recipe.tune is not None:  # now rather than after hours of training
        sets_of(recipe, parts, recipe.tune.seed)
        grid_of(recipe.tune).checked(model)
    read = parts["train"], [evaluator.evaluation_set for evaluator in evaluators.values()]
    states = prepare_states(recipe, args, model, *read, batches, trains=folder.state == "training", say=console.print)
    before = evaluated(reporting if recipe.evaluation.before else None, model, folder.before_file, console, "before")
    if folder.state == "training":
        model = _train(recipe, args, folder, model, parts["train"], batches, steering, states, console)
    else:
        model = on_every_rank(lambda: build.base_model(recipe, str(folder.final), device=args.device))
        model.known_states = None if states is None else states.evaluation
    if recipe.tune is not None:
        model.family.scoring = on_main(partial(tune_trained, recipe, folder, model, parts, console))
    if recipe.evaluation.after and reporting is not None and reporting is steering:
        on_main(partial(take_measured, folder, way_of_measuring(reporting, model), console))
    after = evaluated(reporting if recipe.evaluation.after else None, model, folder.after_file, console, "after")
    held_out = parts.get(recipe.data.reported or "", [])
    curves = steering.evaluation_set if steering is not None and steering is not reporting else None
    measured = reporting.evaluation_set if reporting is not None else None
    del model  # it is loaded again below, from what was saved
    on_main(lambda: _finish(recipe, folder, before, after, held_out, measured, curves, args.device, console))
    return folder.path


def _load_data(
    recipe: Recipe, args: TrainingArguments, family: Family, console: Console, *, trains: bool
) -> tuple[dict[str, Sequence[Example]], GroupedBatches | None]:
    """The usable rows of every part of the data, for a model of this family, and how the training rows form batches.
    Prints what was left out.

    Args:
        trains: False: the rows are only compared with those of the run. No page is decoded and no length looked at
            then, unless that decides which rows are left out.
    """
    parts: dict[str, Sequence[Example]] = {}
    fewest: Fewest | None = None
    looks = trains or recipe.data.on_error == "skip"
    decode, fits = (verify_image, LengthCheck(family)) if looks else (_taken_as_read, None)
    for name in build.sources(recipe):
        parts[name], report = build.usable_rows_of_ranks(
            recipe, name, reads=family.modalities, decode=decode, fits=fits
        )
        console.print(f"data.{name}: {report.summary()}")
        for label, value in report.details():
            console.print(f"  {label}: {value}")
        fewest = report.fewest if name == "train" else fewest
        if trains:
            on_main(partial(_check_more_documents, recipe, name, family, fits))
    if not trains:
        return parts, None
    batches = on_main(lambda: build.batches(recipe, parts["train"], args.world_size))
    schedule = build.schedule(
        recipe, rows=len(parts["train"]), processes=args.world_size, batches=batches, fewest=fewest
    )
    problems = schedule.problems() or phase_problems(recipe.training, schedule.steps)
    if problems:
        raise RecipeError("\n".join(problems))
    for remark in filter(None, (schedule.too_short, schedule.all_warmup)):
        console.print(remark)
    return parts, batches and batches.for_rank(args.process_index)


def _check_more_documents(recipe: Recipe, name: str, family: Family, fits: LengthCheck | None) -> None:
    try:
        build.check_more_documents(recipe, name, reads=family.modalities, fits=fits)
    except DataError as error:
        error.args = (f"data.{name}: {error}",)
        raise


def _taken_as_read(reference: Any) -> None:
    """In place of `verify_image`: the image was verified when the run began."""


def _base_model(recipe: Recipe, folder: RunFolder, device: torch.device) -> SmartModel:
    """The model before training. Random weights are drawn once and kept in the run, so that an adapter has a base to
    name and a resumed run the same start."""
    if recipe.model.from_config is None:
        return on_every_rank(lambda: build.base_model(recipe, device=device))
    reason = on_main(lambda: damage(folder.base))
    if reason is not None:
        raise RunError(
            f"{folder.base}: {reason}. These weights were drawn at random, and the training depends on them: put "
            "the file back, or start over with --overwrite"
        )
    on_main(lambda: folder.write_whole(folder.base, lambda path: build.base_model(recipe).save_pretrained(path)))
    return on_every_rank(lambda: build.base_model(recipe, str(folder.base), device=device))


def _train(
    recipe: Recipe,
    args: TrainingArguments,
    folder: RunFolder,
    model: SmartModel,
    training: Sequence[Example],
    batches: GroupedBatches | None,
    evaluator: RetrievalEvaluator | None,
    states: States | None,
    console: PlainConsole,
) -> SmartModel:
    set_seed(args.seed)  # a new LoRA is drawn at random, and must be the same one when the run is started again
    module = TrainingModule(
        build.prepare_for_training(model, recipe),
        build.objective(recipe, model.scoring),
        caching=build.gradient_caching(recipe),
    )
    newest = on_main(lambda: _checkpoint_to_resume(folder.path, console))
    trainer = SmartTrainer(
        module,
        args,
        examples=training,
        collator=build.collator(recipe, model, None if states is None else states.training),
        evaluator=evaluator if recipe.evaluation.during else None,
        batches=batches,
        early_stopping_patience=recipe.evaluation.early_stopping_patience,
        first_log=on_main(lambda: _cut(recipe, model, training)) if newest is None else None,
        average_decay=None if recipe.averaging is None else recipe.averaging.decay,
    )
    if recipe.hub.checkpoints:
        trainer.add_callback(PushCheckpoints(filled(recipe.hub.repo_id), private=recipe.hub.private, say=console.print))
    on_main(model.pin_base)  # now, as it was loaded: what is saved after hours of training loads with this base only
    longer = newest is not None and step_of(newest) <= (folder.extended_from or 0)
    trainer.train(resume_from_checkpoint=str(newest) if newest else None, longer=longer)
    trained = trainer.module.model
    with trainer.whole():
        on_main(lambda: _save_trained(folder, trainer.module))
    on_main(lambda: folder.advance("trained"))
    best, limit = trainer.state.best_model_checkpoint, args.save_total_limit
    on_main(lambda: drop_superseded(folder.path, best, limit))
    return trained


def _cut(recipe: Recipe, model: SmartModel, training: Sequence[Example]) -> dict[str, float]:
    """The share of tokens that the model's length limit cuts, as the log names it."""
    shares = cut_shares(training, model.family, negatives=max(build.negatives(recipe)))
    return {f"cut_{role}": share for role, share in shares.items()}


def _save_trained(folder: RunFolder, module: TrainingModule) -> None:
    with saving(folder.final, folder.path):
        folder.write_whole(folder.final, module.save, again=folder.extended_from is not None)
    if folder.extended_from is not None:  # what is there is of the shorter run
        for file in (folder.after_file, folder.path / TUNING_FILE):
            remove(file)


def _checkpoint_to_resume(run: Path, console: Console) -> Path | None:
    """The newest usable checkpoint. Later ones are deleted: the run will write them again, and a folder half of old and
    half of new files must not pass for a whole one."""
    checkpoints = find_checkpoint(run)
    for path, reason in checkpoints.broken.items():
        console.print(f"{path} is not usable and is deleted: {reason}")
        remove(path)
    if checkpoints.newest is not None:
        console.print(f"Resuming from {checkpoints.newest}")
    elif checkpoints.broken:
        console.print("No complete checkpoint is left: training starts from the beginning")
    return checkpoints.newest


def _finish(
    recipe: Recipe,
    folder: RunFolder,
    before: EvaluationResult | None,
    after: EvaluationResult | None,
    held_out: Sequence[Example],
    measured: EvaluationSet | None,
    curves: EvaluationSet | None,
    device: torch.device,
    console: PlainConsole,
) -> None:
    """Reports, plots, export and Hub: the main rank's work.

    Args:
        held_out: the rows of `before` and `after`; measured: the same as a set.
        curves: what was measured while training, where it is not those.
    """
    if before is not None or after is not None:
        save_report(folder.path, before, after, selection=weights_of(recipe, folder.path).selection)
    log = read_log(folder.path / LOG_NAME)
    step = weights_of(recipe, folder.path).step
    plot_run(log, folder.path / "plots", before=before, after=after, steering=curves, chosen_step=step)
    facts = build.card_facts(recipe, folder.path, fingerprints(folder.path), earlier_ends(folder.path))
    if recipe.mode != "full":
        write_adapter_card(folder.final, facts)
    if recipe.export.enabled:
        output = build.export_folder(recipe)
        dtype = build.export_dtype(recipe, folder.path)
        trusted = recipe.model.trust_remote_code
        with every_core():
            report = export_model(
                folder.final,
                output,
                dtype=dtype,
                examples=held_out,
                overwrite=True,
                facts=facts,
                trust_remote_code=trusted,
            )
        console.print(f"Exported to {output}; {report}")
    page = write_run_report(
        recipe, folder, before, after, measured, weights_of(recipe, folder.path).selection, device=device
    )
    console.print(f"Written: {page}")
    folder.advance("exported")
    report_result(recipe, folder, console)
    publish(recipe, folder, console)


def _check_model(recipe: Recipe, args: TrainingArguments) -> Family:
    """The family of the model to train. Raises SmartTrainError now rather than after the first
    evaluation, when what the recipe trains, or how, does not fit."""
    folder = locate(recipe.model.name_or_path, recipe.model.revision, weights=False)
    model = build.skeleton(recipe, folder)
    on_cpu = args.device.type == "cpu"
    problems = build.argument_problems(recipe, model, processes=args.world_size, on_cpu=on_cpu)
    if problems:
        raise RecipeError("\n".join(problems))
    return model.family
