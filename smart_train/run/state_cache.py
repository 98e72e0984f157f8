"""What `projection.state_cache` of a recipe means for a run: whether states are kept, where, of which inputs, and in
how many bytes. `smart_train.training.state_cache` keeps and reads them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from transformers import TrainingArguments

from smart_train.data import GroupedBatches
from smart_train.data.formats.pdf import page_cache
from smart_train.distributed import is_main, on_main
from smart_train.errors import DataError, RunError, WriteError
from smart_train.evaluation import EvaluationSet
from smart_train.models import SmartModel
from smart_train.models.family import Role
from smart_train.recipe import Recipe
from smart_train.recipe.sections import filled
from smart_train.run import build
from smart_train.training.resources import evaluation_knobs, memory_advice
from smart_train.training.state_cache import ROLES, Inputs, Need, StateCache
from smart_train.training.state_shards import input_bytes
from smart_train.types import Example, ModelInput
from smart_train.utils.byte_sizes import byte_size
from smart_train.utils.terms import FORMAT_BYTES

AUTO, OFF = "auto", "off"
_AUTO_SHARE = 0.5  # of the free disk, which `auto` takes at most: the user did not name the folder


class States(NamedTuple):
    """Caches of one run: of what is trained on, which is computed in the precision of training, and of what is measured
    on. They are one where both precisions are the same."""

    training: StateCache
    evaluation: StateCache


def root(recipe: Recipe) -> Path | None:
    """Where the recipe keeps states; None where it keeps none, whatever the rows."""
    setting = OFF if recipe.projection is None else recipe.projection.state_cache
    if setting == OFF:
        return None
    return page_cache().with_name("states") if setting == AUTO else Path(setting)


def prepare(
    recipe: Recipe,
    args: TrainingArguments,
    model: SmartModel,
    training: Sequence[Example],
    sets: Sequence[EvaluationSet],
    batches: GroupedBatches | None,
    *,
    trains: bool,
    say: Callable[[str], None],
) -> States | None:
    """Has the states of everything that a run reads, and gives them to `model`; None where it keeps none. Every rank
    must call it.

    Args:
        model: before training, without a projection, and before an engine takes it apart: whole on every rank.
        training: the rows to train on. batches: as `build.batches` gives them.
        trains: False: the model is trained already, and only evaluation sets are read.

    Raises:
        RunError: the named folder has no room, or not all ranks see it. DataError: an input cannot be read or kept.
    """
    place = root(recipe)
    if place is None or recipe.projection is None:
        return None
    auto = recipe.projection.state_cache == AUTO
    schedule = build.schedule(recipe, rows=len(training), processes=args.world_size, batches=batches)
    if auto and schedule.steps <= schedule.steps_per_epoch:
        return None  # each page is trained on once; for evaluation sets alone no unnamed folder is filled
    try:
        with build.remembered_files(recipe):
            return _filled(recipe, args, model, _of_rows(training, _negatives(recipe)) if trains else [], sets, say)
    except (RunError, DataError, WriteError) as error:
        if not auto:
            raise
        on_main(partial(say, f"States of the frozen backbone are not kept: {error}"))
        return None


def _filled(
    recipe: Recipe,
    args: TrainingArguments,
    model: SmartModel,
    training: list[Inputs],
    sets: Sequence[EvaluationSet],
    say: Callable[[str], None],
) -> States:
    section = filled(recipe.projection)
    layers, held = section.layers or [model.scoring.layer], recipe.model.quantization
    make = partial(
        StateCache,
        filled(root(recipe)),
        model,
        layers,
        stored_as=section.state_dtype,
        quantization=held and f"{held}, {recipe.model.quantization_upcast}",
    )
    evaluation, autocast = make(), _autocast(args)
    caches = States(evaluation if autocast is None else make(autocast=autocast), evaluation)
    measured = [inputs for one in sets for inputs in _of_set(one)]
    parts = [(evaluation, [*training, *measured])]
    if autocast is not None:
        parts = [(caches.training, training), (evaluation, measured)]
    knobs = partial(evaluation_knobs, recipe.evaluation.batch_size)
    for cache, inputs in parts:
        with memory_advice("encoding states of the frozen backbone", knobs):
            cache.fill(
                model,
                inputs,
                admit=partial(_admit, cache.folder, section.state_cache == AUTO, say),
                say=say,
                batch_size=recipe.evaluation.batch_size,
                num_workers=recipe.evaluation.num_workers,
                show_progress_bar=False if recipe.training.get("disable_tqdm") or not is_main() else None,
            )
    model.known_states = evaluation
    return caches


def planned(
    recipe: Recipe,
    model: SmartModel,
    mean_tokens: Mapping[Role, float],
    counts: Mapping[Role, int],
    *,
    epochs: float | None,
) -> tuple[str, str | None]:
    """What `validate` says of it, and what makes the run impossible.

    Args:
        mean_tokens: kept of an input. counts: how many inputs there are at most.
        epochs: None: not known.
    """
    place = root(recipe)
    if place is None or recipe.projection is None:
        return "off: every epoch and evaluation runs the frozen backbone", None
    auto, stored_as = recipe.projection.state_cache == AUTO, recipe.projection.state_dtype
    if auto and epochs is not None and epochs <= 1:
        return "off: auto keeps states where there is more than one epoch", None
    number = (2 if recipe.model.dtype == "bfloat16" else 4) if stored_as == AUTO else FORMAT_BYTES[stored_as]
    layers = len(recipe.projection.layers or [-1])
    each = {
        role: input_bytes(mean_tokens[role], layers=layers, width=model.hidden_size, number=number) for role in ROLES
    }
    size, free = sum(each[role] * counts[role] for role in ROLES), _free(place)
    said = f"about {byte_size(size)} for {_listed(counts)} in {place}, where {byte_size(free)} are free"
    if size <= free * (_AUTO_SHARE if auto else 1):
        return said, None
    if auto:
        return f"off: {said}; auto takes at most half of that", None
    return said, f"projection.state_cache {place}: {_no_room(size, free)}"


def _admit(folder: Path, auto: bool, say: Callable[[str], None], need: Need) -> None:
    """Says what is about to be encoded. Raises RunError where the disk has no room for it."""
    if not sum(need.inputs.values()):
        say(f"States of the frozen backbone: those of all {need.known} inputs are in {folder}")
        return
    free = _free(folder)
    if need.size > free * (_AUTO_SHARE if auto else 1):
        if auto:
            raise RunError(
                f"{_listed(need.inputs)} would take {byte_size(need.size)} in {folder}, and auto takes at most half of "
                f"the {byte_size(free)} that are free; name a folder in projection.state_cache, or a smaller "
                "projection.state_dtype"
            )
        raise RunError(f"projection.state_cache {folder}: {_no_room(need.size, free)}")
    held = f", {need.known} are there already" if need.known else ""
    say(
        f"States of the frozen backbone: {_listed(need.inputs)} are encoded once, into {folder} (about "
        f"{byte_size(need.size)}; {byte_size(free)} are free{held})"
    )


def _no_room(size: float, free: float) -> str:
    return (
        f"the states take about {byte_size(size)}, and {byte_size(free)} are free there; name a larger disk, store "
        "less with projection.state_dtype (float16, int8), or set it to off"
    )


def _listed(counts: Mapping[Role, int]) -> str:
    return f"{counts['document']} documents and {counts['query']} queries"


def _autocast(args: TrainingArguments) -> torch.dtype | None:
    """What a training step's forward runs under; evaluations run under nothing."""
    return torch.bfloat16 if args.bf16 else torch.float16 if args.fp16 else None


def _negatives(recipe: Recipe) -> int | None:
    """Explicit negatives used of each row; None: all that a mixture's rows have, which are cut to it."""
    return None if len(recipe.data.training) > 1 else build.negatives(recipe)[0]


def _of_rows(rows: Sequence[Example], negatives: int | None) -> list[Inputs]:
    def documents() -> Iterator[tuple[tuple[int, int], ModelInput]]:
        for row, example in enumerate(rows):
            used = example.documents if negatives is None else example.documents[: 1 + negatives]
            yield from (((row, place), document) for place, document in enumerate(used))

    def queries() -> Iterator[tuple[int, ModelInput]]:
        yield from ((row, example.query) for row, example in enumerate(rows))

    return [
        Inputs("query", queries, lambda row: rows[row].query),
        Inputs("document", documents, lambda place: rows[place[0]].documents[place[1]]),
    ]


def _of_set(data: EvaluationSet) -> list[Inputs]:
    return [
        Inputs("query", lambda: enumerate(data.queries), data.queries.__getitem__),
        Inputs("document", lambda: enumerate(data.documents), data.documents.__getitem__),
    ]


def _free(folder: Path) -> int:
    """Bytes that are free on the disk where `folder` is or would be."""
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.is_dir())
    return shutil.disk_usage(there).free
