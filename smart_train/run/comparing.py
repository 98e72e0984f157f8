"""Runs, models and kept results beside each other, by what they measured or on rows that are measured now."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from smart_train.distributed import is_main, on_main
from smart_train.distributed.stages import on_every_rank
from smart_train.errors import DataError, RunError
from smart_train.evaluation import EvaluationResult, RetrievalEvaluator
from smart_train.evaluation.compare_several import OWN, SideBySide, check_metric, side_by_side
from smart_train.evaluation.metrics import metric_names
from smart_train.models import SmartModel
from smart_train.models.locating import locate
from smart_train.recipe import Recipe, load_recipe
from smart_train.recipe.reader import RECIPE_FILE
from smart_train.recipe.sections import filled
from smart_train.run import build
from smart_train.run.folder import AFTER_FILE, RUN_FILE, read_record
from smart_train.run.outcome import weights_of
from smart_train.utils.differences import flat
from smart_train.utils.terms import HEADLINE

# Where a run was written and what became of it: these differ always, and change nothing that is measured.
_PLACES = ("training.output_dir", "training.run_name", "export.", "hub.")


def compare_named(
    names: Sequence[str],
    *,
    metric: str = f"{OWN}_{HEADLINE}",
    rows: Recipe | None = None,
    trust_remote_code: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> SideBySide:
    """Compares what each of `names` retrieves with the first of them.

    Args:
        names: run folders, models (see `find_model`), and files that `EvaluationResult.save` wrote; at least two.
        metric: what decides, for example "hybrid_ndcg@5"; the score "own" is the one that each ranks by.
        rows: a recipe whose reported rows all of them are measured on, now. None: runs and files are taken by what they
            keep, and models are measured on the rows of the first run among `names`.
        trust_remote_code: run Python code that a model brings.
        say: told what is measured, on the main rank.

    Under several ranks every rank must call this, and they share the measuring; all get the same result.

    Returns:
        Records of the differing settings, metrics, tests and queries; see `SideBySide`.

    Raises:
        RunError: fewer than two names, one twice, a run that is not finished or keeps no evaluation, or models alone
            without `rows`.
        DataError: results of other queries or another corpus.
    """
    results, evaluator = on_main(lambda: _kept_and_evaluator(names, metric, rows, say))
    for name in names:
        if name not in results and evaluator is not None:
            results[name] = _measured(name, evaluator, trust_remote_code, say)

    def together() -> SideBySide:
        settings = {name: run_settings(Path(name)) for name in names if (Path(name) / RUN_FILE).is_file()}
        return side_by_side({name: results[name] for name in names}, metric, settings=settings)

    return on_main(together)


def run_settings(run: Path) -> dict[str, Any]:
    """Dotted key -> value of the recipe of the run in the folder `run`, and the step that its weights are of."""
    recipe = load_recipe(run / RECIPE_FILE)
    settings = {key: value for key, value in flat(recipe.to_dict()).items() if not key.startswith(_PLACES)}
    return settings | {"chosen step": weights_of(recipe, run).step}


def _check_names(names: Sequence[str]) -> None:
    if len(names) < 2:
        raise RunError(f"compare: {len(names)} name given; at least two runs, models or result files are needed")
    places = [Path(name).resolve() for name in names]
    for number, (name, place) in enumerate(zip(names, places, strict=True)):
        if place in places[:number]:
            raise RunError(f"compare: {name} is named twice")


def _kept(name: str) -> EvaluationResult | None:
    """What the run or the file `name` measured; None of a model. Raises RunError for a run that has not measured."""
    path = Path(name)
    if path.is_file():
        return EvaluationResult.load(path)
    record = read_record(path)
    if record is None:
        return None
    if (path / AFTER_FILE).is_file() and record["state"] != "training":
        return EvaluationResult.load(path / AFTER_FILE)
    if record["state"] in ("training", "trained"):
        raise RunError(
            f"{name}: this run is not finished (run.json: {record['state']}); run its recipe to the end first"
        )
    raise RunError(f"{name}: this run was not measured after training; pass the rows to measure it on with --data")


def _rows_to_measure_on(names: Sequence[str], rows: Recipe | None, model: str) -> Recipe:
    if rows is not None:
        return rows
    for name in names:
        if (Path(name) / RUN_FILE).is_file():
            recipe = load_recipe(Path(name) / RECIPE_FILE)
            if recipe.data.reported is not None:
                return recipe
    raise RunError(f"{model}: is a model, which keeps no results; pass the rows to measure it on with --data")


def _kept_and_evaluator(
    names: Sequence[str], metric: str, rows: Recipe | None, say: Callable[[str], None]
) -> tuple[dict[str, EvaluationResult], RetrievalEvaluator | None]:
    """What runs and files keep, by name, and what measures the others; None where there are none."""
    _check_names(names)
    check_metric(metric)  # before a model is loaded
    results = {} if rows is not None else {name: saved for name in names if (saved := _kept(name)) is not None}
    left = [name for name in names if name not in results]
    if rows is not None and (files := [name for name in left if Path(name).is_file()]):
        raise RunError(f"{files[0]}: is a kept result, which cannot be measured on other rows; name its model")
    if not left:
        return results, None
    for name in left:
        locate(name, weights=False)  # a name that means nothing is told before minutes of measuring
    recipe = _rows_to_measure_on(names, rows, left[0])
    part = filled(recipe.data.reported)
    held_out, report = build.usable_rows(recipe, part)
    build.check_more_documents(recipe, part)
    say(f"{recipe.data.held_out[part].path}: {report.summary()}")
    evaluator = build.evaluator(recipe, part, held_out)
    if (name := check_metric(metric)[1]) not in (known := metric_names(evaluator.ks)):
        raise DataError(f"compare: metric {metric!r}: {name} is not measured; there are {', '.join(known)}")
    return results, evaluator


def _measured(
    name: str, evaluator: RetrievalEvaluator, trust_remote_code: bool, say: Callable[[str], None]
) -> EvaluationResult:
    if is_main():
        say(f"Measuring {name} ...")
    model = on_every_rank(lambda: SmartModel.from_pretrained(name, trust_remote_code=trust_remote_code))
    result = evaluator(model)
    del model
    gc.collect()  # models hold cycles: the next one would be loaded beside the last
    return result
