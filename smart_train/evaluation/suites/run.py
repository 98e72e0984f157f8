"""Runs tasks of mteb on a model, one after another, resumable: a task whose result is on disk is not run again.

Several processes share the encoding of each task; the first of them ranks and writes.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from smart_train.distributed import gather_objects, is_main, on_main
from smart_train.errors import DataError, ModelError, RunError, WriteError, listing
from smart_train.evaluation.shared_encoding import raise_on_all
from smart_train.evaluation.suites.adapter import MtebModel
from smart_train.evaluation.suites.catalogue import Chosen, load_mteb
from smart_train.evaluation.suites.local_data import load_task, local_copy, unloadable
from smart_train.evaluation.suites.results import (
    IN_ORDER,
    Part,
    TaskScores,
    per_query_file,
    per_query_result,
    read_scores,
    task_scores,
    write_predictions,
    write_result,
)
from smart_train.evaluation.suites.rows import check_judgements
from smart_train.evaluation.suites.shown_queries import kept_queries, write_queries
from smart_train.evaluation.suites.store import encoding_settings
from smart_train.retrieval.fingerprints import fingerprint_like
from smart_train.utils.atomic import remove, write_json
from smart_train.utils.cpu import every_core
from smart_train.utils.defaults import BATCH_SIZE
from smart_train.utils.differences import changes, flat, lines
from smart_train.utils.locks import LOCK_NAME, only_one

RUN_FILE = "benchmark.json"
_PLURALS = {"image": "images", "video": "videos"}
_PREPARED = ".prepared"  # rows of the task that runs, where they are of a local copy; gone when it ends


@dataclass(frozen=True)
class RunSettings:
    """How tasks are run.

    Args:
        output: folder of the results.
        data: folder of data sets that were downloaded, by OWNER/NAME.
        batch_size: items per forward. num_workers: processes that decode images; None leaves it to
            the model.
        predictions: also write the ranked documents of every query, in mteb's own layout.
        keep_embeddings: False deletes the embeddings of a task when its result is written.
    """

    output: Path
    data: Path | None = None
    batch_size: int = BATCH_SIZE
    num_workers: int | None = None
    predictions: bool = False
    keep_embeddings: bool = True


@dataclass
class BenchmarkRun:
    """The results of a benchmark run by task name, and what a reader has to know about them."""

    scores: dict[str, TaskScores] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    failures: list[tuple[Any, str]] = field(default_factory=list)

    @property
    def unmeasured(self) -> list[str]:
        """A sentence for each task without a result."""
        return [
            f"{task.metadata.name} was not measured, its data cannot be loaded: {why}" for task, why in self.failures
        ]

    def check(self, total: int, data: Path | None) -> None:
        """Raises DataError where a task's data could not be loaded; names the data sets and what to do."""
        if self.failures:
            raise DataError(unloadable(self.failures, total, data))


def run_settings(model: MtebModel) -> dict[str, Any]:
    """All that the results of a folder depend on."""
    return {
        **encoding_settings(model.model, model.weights),
        "scoring": model.model.scoring.to_dict(),
        "store": model.encoded.store,
        "candidates": model.candidates,
        "task_prompts": model.task_prompts,
        "name": model.name,
        "revision": model.revision,
    }


def run_tasks(
    model: MtebModel, suites: Sequence[Chosen], settings: RunSettings, say: Callable[[str], None] = print
) -> BenchmarkRun:
    """Every task of `suites`, once. A task whose data cannot be loaded is left for the end, see `BenchmarkRun.check`.

    Under several processes all must call this; the first one's result counts.

    Args:
        say: called with a line about every task, on the first process.

    Raises:
        RunError: `settings.output` holds results of another model or other settings.
        BusyError: another process writes there.
        DataError: a task's rows cannot be used. ModelError: the model does not read what a task holds.
    """
    load_mteb()
    tasks = {task.metadata.name: task for one in suites for task in one.tasks}
    for task in tasks.values():
        _check_readable(model, task)
    run = BenchmarkRun()
    output = settings.output
    model.weights = on_main(lambda: check_output(model, output))
    with only_one(output / LOCK_NAME, "benchmarking", by=on_main):
        on_main(lambda: write_json(output / RUN_FILE, run_settings(model)))
        on_main(lambda: remove(output / _PREPARED))  # of a call that was killed
        try:
            for at, task in enumerate(tasks.values(), 1):
                _run_or_skip(model, task, settings, run, f"[{at}/{len(tasks)}] {task.metadata.name}", say)
        finally:
            if is_main():
                remove(output / _PREPARED)
    return run


def check_output_folder(output: Path) -> None:
    """Raises RunError unless `output` holds results of a benchmark, or is empty or absent."""
    if (output / RUN_FILE).is_file() or not output.exists():
        return
    if not output.is_dir():
        raise RunError(f"--output {output}: is not a folder; name an empty or new one")
    # Embeddings are there before the first result is, and hidden files (a lock) are not a reason to refuse.
    strange = sorted(file.name for file in output.iterdir() if file.name[0] != "." and file.name != "embeddings")
    if strange:
        raise RunError(f"--output {output}: holds other files, such as {strange[0]}; name an empty or new folder")


def check_output(model: MtebModel, output: Path) -> str:
    """The model's fingerprint, of the kind by which `output` knows it.

    Raises:
        RunError: `output` holds results of another model, or made with other settings, or other files.
    """
    check_output_folder(output)
    path = output / RUN_FILE
    if not path.is_file():
        return model.weights
    try:
        begun = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(begun, dict):
            raise ValueError(f"holds a {type(begun).__name__}, not an object")
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read ({error}); name another --output") from error
    known = copy.copy(model)
    known.weights = fingerprint_like(model.model, begun.get("weights"))
    differing = changes(flat(begun), flat(run_settings(known)), {})
    if differing:
        raise RunError(
            f"--output {output}: holds results of another model or of other settings; name another folder\n"
            f"{listing(lines(differing))}"
        )
    return known.weights


def _check_readable(model: MtebModel, task: Any) -> None:
    reads = model.model.family.modalities
    needed = [_PLURALS.get(kind, kind) for kind in task.metadata.modalities if kind not in reads]
    if needed:
        raise ModelError(
            f"{task.metadata.name}: holds {' and '.join(needed)}, but the model reads only {', '.join(reads)}; choose "
            f"another task, or a model that reads {' and '.join(needed)}"
        )


def _run_or_skip(
    model: MtebModel, task: Any, settings: RunSettings, run: BenchmarkRun, place: str, say: Callable[[str], None]
) -> None:
    earlier = on_main(partial(read_scores, settings.output, model, task))
    if earlier is not None:
        run.scores[task.metadata.name] = earlier
        run.notes += on_main(lambda: kept_queries(settings.output, task.metadata.name)[1])
        _say(say, f"{place}: done before")
    elif not task.metadata.is_public and local_copy(task, settings.data) is None:
        run.notes.append(f"{task.metadata.name} is private: mteb's maintainers run it on request")
        _say(say, f"{place}: private, left out")
    else:
        _run_one(model, task, settings, run, place, say)
        on_main(lambda: remove(settings.output / _PREPARED))


def _run_one(
    model: MtebModel, task: Any, settings: RunSettings, run: BenchmarkRun, place: str, say: Callable[[str], None]
) -> None:
    """One task, on every process: loaded and encoded together, ranked by the first."""
    failed = refused = None
    try:
        load_task(task, settings.data, settings.output / _PREPARED)
    except DataError as error:
        failed = str(error)
    except WriteError as error:
        refused = error
    raise_on_all(refused)
    # Where one process cannot load it, the others would wait for it.
    failed = next((reason for reason in gather_objects(failed) if reason is not None), None)
    if failed is not None:
        run.failures.append((task, failed))
        _say(say, f"{place}: its data cannot be loaded")
        return
    try:
        parts = _parts(model, task)
        for queries, documents, _, _ in parts.values():
            for rows in (documents, queries):
                model.encode(rows, _encode_kwargs(settings), settings.num_workers)
        notes = [*getattr(task, "notes", ())]
        for (split, subset), part in parts.items():
            notes += check_judgements(f"{task.metadata.name} ({subset}, {split})", *part)
        run.notes += notes
        scores = on_main(every_core()(lambda: _evaluate(model, task, parts, settings, notes)))
        run.scores[task.metadata.name] = scores
        main = {score: scores.scores[score][scores.main_metric] for score in IN_ORDER}
        shown = ", ".join(f"{score} {value:.4f}" for score, value in main.items())
        counts = f"{scores.queries:,} queries, {scores.documents:,} documents"
        _say(say, f"{place}: {counts}; {scores.main_metric} {shown}")
        if not settings.keep_embeddings:
            on_main(lambda: model.encoded.discard([rows.key for part in parts.values() for rows in part[:2]]))
    finally:
        task.unload_data()
        model.forget()


def _parts(model: MtebModel, task: Any) -> dict[tuple[str, str], Part]:
    """(split, subset) -> queries, documents, judgements, and the documents to rank for each query, where the task says.

    Queries that nothing is judged for are left out here, as mteb does before it asks them: what is encoded is then what
    it asks.
    """
    parts: dict[tuple[str, str], Part] = {}
    for split in task.eval_splits:
        for subset in task.hf_subsets:
            data = task.dataset[subset][split]
            qrels = {query: grades for query, grades in data["relevant_docs"].items() if grades}
            keep = [at for at, identity in enumerate(data["queries"]["id"]) if identity in qrels]
            if len(keep) < len(data["queries"]):
                data["queries"] = data["queries"].select(keep)
            where = (task.metadata, subset, split)
            if not len(data["queries"]):
                raise DataError(f"{task.metadata.name} ({subset}, {split}): no query has a judgement")
            queries = model.rows(data["queries"], "query", *where)
            parts[split, subset] = (queries, model.rows(data["corpus"], "document", *where), qrels, data["top_ranked"])
    return parts


def _evaluate(
    model: MtebModel,
    task: Any,
    parts: dict[tuple[str, str], Part],
    settings: RunSettings,
    notes: Sequence[str],
) -> TaskScores:
    """mteb's evaluation by each score, and the values per query, all written; on the first process."""
    mteb = load_mteb()
    results = {}
    options: dict[str, Any] = {"cache": None, "co2_tracker": False, "show_progress_bar": False}
    for score in IN_ORDER:
        done = mteb.evaluate(model.by(score), task, encode_kwargs=_encode_kwargs(settings), **options)
        results[score] = done.task_results[0]
    per_query = []
    for (split, subset), (queries, documents, qrels, ranked) in parts.items():
        rankings = model.rankings(queries, documents, task._top_k, ranked)
        scoring = model.model.scoring.to_dict()
        result = per_query_result(task, split, subset, queries, documents, qrels, rankings, scoring)
        result.save(per_query_file(settings.output, task, split, subset))
        per_query.append(result)
    write_queries(settings.output, model.model, task, next(iter(parts.values())), per_query[0], notes)
    if settings.predictions:
        for score in IN_ORDER:
            write_predictions(settings.output, model.by(score), task, parts)
    for score, result in results.items():
        write_result(settings.output, model.by(score), result)
    return task_scores(task, results, per_query)


def _encode_kwargs(settings: RunSettings) -> dict[str, Any]:
    return {"batch_size": settings.batch_size}


def _say(say: Callable[[str], None], line: str) -> None:
    if is_main():
        say(line)
