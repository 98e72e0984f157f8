"""Tuning as a command and as a stage of a run: which rows choose and which decide, and where the result goes."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from smart_train.errors import RunError
from smart_train.evaluation import EvaluationSet, TuningGrid, TuningResult, tune
from smart_train.evaluation.tuning import check_queries
from smart_train.evaluation.tuning_grid import read_weights
from smart_train.evaluation.tuning_result import TUNING_FILE
from smart_train.export import export_model, write_adapter_card
from smart_train.export.card import CARD_NAME
from smart_train.export.rescoring import check_rescorable_export, is_export, rescore_export
from smart_train.models import SmartModel
from smart_train.models.rescoring import check_rescorable, write_scoring
from smart_train.models.smart_config import SmartConfig
from smart_train.recipe import Recipe
from smart_train.recipe.sections import TuneSection, filled
from smart_train.run import build, build_rows
from smart_train.run.folder import RUN_FILE, RunFolder, earlier_ends, fingerprints
from smart_train.run.tuned import tuned_scoring
from smart_train.scoring import ScoringConfig
from smart_train.types import Example
from smart_train.utils.console import bars
from smart_train.utils.locks import LOCK_NAME, beside, check_free, only_one


def grid_of(section: TuneSection) -> TuningGrid:
    """The choices of a recipe's `tune` section; a key that is not given is left open.

    Raises:
        DataError: weights that do not read POOLED:LATE.
    """
    values = section.model_dump(exclude={"metric", "max_bytes", "seed"}, exclude_none=True)
    if "weights" in values:
        values["weights"] = read_weights(values["weights"])
    return TuningGrid(**{name: tuple(choices) for name, choices in values.items()})


def sets_of(
    recipe: Recipe, parts: Mapping[str, Sequence[Example]], seed: int
) -> tuple[EvaluationSet, EvaluationSet | None]:
    """The rows that choose the settings, and those that decide: `data.evaluation` and `data.test`; where there is
    only one of them, the second is None, and half of the first decides.

    Args:
        parts: the usable rows of each, by name. seed: of the halves.

    Raises:
        DataError: too few queries.
    """
    sets = [build_rows.evaluation_set(recipe, name, parts[name]) for name in recipe.data.held_out]
    data, test = sets[0], sets[1] if len(sets) > 1 else None
    check_queries(data, test, seed)
    return data, test


def tune_trained(
    recipe: Recipe,
    folder: RunFolder,
    model: SmartModel,
    parts: Mapping[str, Sequence[Example]],
    console: Console,
) -> ScoringConfig:
    """The stage of a run with a `tune` section: tunes the trained `model`, writes tune.json and the settings of
    `final`, and returns them. Of a run that was cut off after it, what it wrote. The main rank's work."""
    section = filled(recipe.tune)
    saved = tuned_scoring(folder.path)
    if saved is None:
        if model.in_step:  # its forward waits for the other ranks, which take no part here
            model = build.base_model(recipe, str(folder.final), device=model.device)
        data, test = sets_of(recipe, parts, section.seed)
        console.print(f"Tuning the scoring settings on {data.name} ...")
        result = tune(
            model,
            data,
            test=test,
            grid=grid_of(section),
            metric=section.metric,
            max_bytes=section.max_bytes,
            seed=section.seed,
            batch_size=recipe.evaluation.batch_size,
            show_progress_bar=False if recipe.training.get("disable_tqdm") else bars(),
        )
        # First, and then the settings: a kill between the two must not tune what is tuned already.
        result.save(folder.path)
        console.print(result.conclusion())
        if test is None:
            console.print(
                f"Half of the rows of {data.name} chose: the figures after training are measured on them, too"
            )
        saved = result.chosen.scoring
    if SmartConfig.read(folder.final).scoring != saved:
        write_scoring(folder.final, model, saved)
    return saved


def check_writable(model: str, run: Path | None) -> None:
    """Raises ModelError, RunError or ExportError, before minutes of work, unless `write_result` can change the model,
    or that of `run`. BusyError where another process writes there."""
    folder = Path(model) if run is None else run / "final"
    check_free(beside(folder) if run is None else run / LOCK_NAME)
    if not is_export(folder):
        check_rescorable(folder)
        return
    # A link may lead into a run, and a run's export may be a link to a larger disk.
    for owner in (Path(os.path.realpath(folder)).parent, Path(os.path.abspath(folder)).parent):
        if (owner / RUN_FILE).is_file():
            raise RunError(
                f"{folder}: is an export of the run {owner}, whose trained model would keep the earlier settings; "
                f"smart-train tune {shlex.quote(str(owner))} --write changes the trained model and makes its export "
                "again"
            )
    check_rescorable_export(folder)


def write_result(
    result: TuningResult,
    model: SmartModel,
    named: str,
    run: Path | None,
    recipe: Recipe | None,
    console: Console,
    *,
    trust_remote_code: bool = False,
    base: str | None = None,
) -> None:
    """Puts the chosen settings into the folder `named`, or into the trained model of `run`, whose export is then made
    again: its golden vectors, its card and its digests depend on them. Of an export without its run, these are made
    again in its place.

    Args:
        trust_remote_code, base: of an export, as `rescore_export`.

    Raises:
        BusyError: another process writes there.
        ExportError: the export cannot be made; the trained model has its new settings already, and the same call makes
            the export.
    """
    target = Path(named) if run is None else run / "final"
    if is_export(target):
        _write_export(result, target, console, trust_remote_code=trust_remote_code, base=base)
        return
    with only_one(beside(target) if run is None else run / LOCK_NAME, "tuning"):
        if run is not None and (result.changes or not (run / TUNING_FILE).is_file()):
            result.save(run)  # otherwise tune.json must go on to describe where the present settings come from
        if result.changes:
            write_scoring(target, model, result.chosen.scoring)
        console.print(f"{target}: {'the settings were written' if result.changes else 'nothing was changed'}")
        if run is not None and recipe is not None:
            _bring_up_to_date(run, recipe, console)


def _write_export(
    result: TuningResult, folder: Path, console: Console, *, trust_remote_code: bool, base: str | None
) -> None:
    if not result.changes:
        console.print(f"{folder}: nothing was changed")
        return
    settings = result.chosen.scoring
    routes, told = rescore_export(folder, settings, result.conclusion(), trust_remote_code=trust_remote_code, base=base)
    console.print(f"{folder}: the settings were written, and its golden vectors, layout and record made again:")
    for route in routes:
        console.print(f"  {route}")
    if not told:
        console.print(
            f"{folder / CARD_NAME}: does not show the earlier settings as an export writes them, so it was left as it "
            "is; correct by hand what it says of the score"
        )


def _bring_up_to_date(run: Path, recipe: Recipe, console: Console) -> None:
    """The card of the trained weights, and the run's export where it has other settings than they."""
    # Not the recipe's output_dir: the run may have been moved.
    output = Path(recipe.export.output) if recipe.export.output else run / "export"
    final = run / "final"
    facts = build.card_facts(recipe, run, fingerprints(run), earlier_ends(run))
    if recipe.mode != "full":
        write_adapter_card(final, facts)
    if not output.is_dir() or SmartConfig.read(output).scoring == SmartConfig.read(final).scoring:
        return
    report = export_model(
        final,
        output,
        dtype=build.export_dtype(recipe, run),
        overwrite=True,
        facts=facts,
        trust_remote_code=recipe.model.trust_remote_code,
    )
    console.print(f"Exported again to {output}; {report}")
