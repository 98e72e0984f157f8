"""What one task's evaluation leaves on disk, and how it is read back.

    OUTPUT/results/MODEL/REVISION/TASK.json                 mteb's own result of the hybrid score
    OUTPUT/results/MODEL/REVISION/experiments/.../TASK.json  likewise of the pooled and the late score
    OUTPUT/per_query/TASK/SPLIT-SUBSET.json                 values per query, an `EvaluationResult` (see `compare`)
    OUTPUT/predictions/SCORE/TASK_predictions.json          where asked for: mteb's layout of ranked documents

mteb writes its results itself, but not whole-or-nothing; here they pass through `utils/atomic.py` in the same layout,
so that OUTPUT is a `mteb.ResultCache`. The hybrid score's result is written last: a task that has it is done.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from smart_train.errors import DataError
from smart_train.evaluation.compare import SAMPLES, sign_flip_p_values
from smart_train.evaluation.metrics import chance, score_rankings
from smart_train.evaluation.result import EvaluationResult
from smart_train.evaluation.suites.adapter import MtebModel
from smart_train.evaluation.suites.ranking import Kept
from smart_train.evaluation.suites.rows import Rows
from smart_train.utils.atomic import replace_whole, write_text
from smart_train.utils.terms import SCORES

PER_QUERY = "per_query"
IN_ORDER = tuple(score for score in SCORES if score != "hybrid") + ("hybrid",)
_KS = (1, 5, 10)

# Queries, documents, judgements, and the documents to rank for each query where the task says so.
Part = tuple[Rows, Rows, dict[str, dict[str, int]], Any]


@dataclass(frozen=True)
class TaskScores:
    """The result of one task.

    Attributes:
        scores: score -> metric in mteb's spelling -> mean over the task's splits and subsets, 0 to 1.
        queries, documents: how many were asked and searched; of several subsets, queries of all and documents of the
            largest.
        dataset, revision: where its data came from on the Hub.
        main_metric: the one that mteb ranks models by.
        p_values: metric -> p of the hybrid score against the pooled one, paired by query (see `compare`), of the
            metrics that there are values per query of. Empty for a task of several languages, whose queries are
            translations of each other: a test that takes them for independent finds differences too easily.
    """

    task: str
    main_metric: str
    scores: dict[str, dict[str, float]]
    queries: int
    documents: int
    dataset: str
    revision: str
    p_values: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))


def write_result(output: Path, model: MtebModel, result: Any) -> Path:
    """mteb's JSON of one task and score, and of the model, where a `mteb.ResultCache` of `output` looks for them."""
    from mteb.cache import ResultCache

    meta = model.mteb_model_meta
    path = ResultCache(output).get_task_result_path(result.task_name, meta)
    described = json.dumps(meta.to_dict(), indent=4, default=str) + "\n"
    if not (path.parent / "model_meta.json").is_file():
        write_text(path.parent / "model_meta.json", described)
    return replace_whole(path, result.to_disk)


def write_predictions(output: Path, model: MtebModel, task: Any, parts: Mapping[tuple[str, str], Part]) -> Path:
    """OUTPUT/predictions/SCORE/TASK_predictions.json: the ranked documents of every query with their scores, in the
    layout that mteb reads back to make a reranking task of a retrieval task (`convert_to_reranking`)."""
    named: dict[str, Any] = {"mteb_model_meta": {"model_name": model.name, "revision": model.revision}}
    for (split, subset), (queries, documents, _, ranked) in parts.items():
        named.setdefault(subset, {})[split] = model.found(queries, documents, task._top_k, ranked)
    return write_text(output / "predictions" / model.score / task.prediction_file_name, json.dumps(named))


def read_scores(output: Path, model: MtebModel, task: Any) -> TaskScores | None:
    """The result of `task` that an earlier call wrote; None where it is not whole, or made with another revision of
    the task's data or other subsets."""
    from mteb.cache import ResultCache
    from mteb.results import TaskResult

    results = {}
    for score in IN_ORDER:
        path = ResultCache(output).get_task_result_path(task.metadata.name, model.by(score).mteb_model_meta)
        if not path.is_file():
            return None
        try:
            results[score] = TaskResult.from_disk(path)
        except (ValueError, KeyError, OSError):
            return None  # made again, as if it were not there
        stale = results[score].dataset_revision != task.metadata.revision
        if stale or results[score].get_missing_evaluations(task):
            return None
    try:
        per_query = [EvaluationResult.load(path) for path in per_query_files(output, task)]
    except DataError:
        return None
    return task_scores(task, results, per_query)


def task_scores(task: Any, results: Mapping[str, Any], per_query: Sequence[EvaluationResult]) -> TaskScores:
    """mteb's results of one task by the three scores, and the values per query of each split and subset, as
    `TaskScores`."""
    scores = {}
    for score, result in results.items():
        values = [entry for entries in result.scores.values() for entry in entries]
        # Not the areas under abstention curves, which may be NaN, and of which no suite is made.
        names = [name for name in values[0] if "_at_" in name and not name.startswith("nauc")]
        scores[score] = {
            name: float(result.get_score(getter=lambda entry, name=name: entry[name]))
            for name in dict.fromkeys([*names, task.metadata.main_score])
        }
    return TaskScores(
        task.metadata.name,
        task.metadata.main_score,
        scores,
        sum(len(one.query_ids) for one in per_query),
        max(one.documents for one in per_query),
        task.metadata.dataset["path"],
        task.metadata.revision,
        _p_values(per_query),
    )


def _p_values(per_query: Sequence[EvaluationResult]) -> dict[str, float]:
    if len(per_query) > 1:
        return {}
    (values,) = (one.per_query for one in per_query)
    metrics = list(values["hybrid"])
    hybrid, pooled = (np.array([values[score][metric] for metric in metrics]).T for score in ("hybrid", "pooled"))
    p_values = sign_flip_p_values(hybrid - pooled, SAMPLES, np.random.default_rng(0))
    return {metric.replace("@", "_at_"): float(value) for metric, value in zip(metrics, p_values, strict=True)}


def per_query_files(output: Path, task: Any) -> list[Path]:
    """The files of values per query of `task`."""
    return [per_query_file(output, task, split, subset) for split in task.eval_splits for subset in task.hf_subsets]


def per_query_file(output: Path, task: Any, split: str, subset: str) -> Path:
    return output / PER_QUERY / task.metadata.name / f"{split}-{subset}.json"


def per_query_result(
    task: Any,
    split: str,
    subset: str,
    queries: Rows,
    documents: Rows,
    qrels: Mapping[str, Mapping[str, int]],
    rankings: Mapping[str, Kept],
    scoring: Mapping[str, Any],
) -> EvaluationResult:
    """The values per query of one subset, in mteb's order: equal scores by falling id, as trec_eval has it, and a
    document that is the query itself left out where the task says so (`ignore_identical_ids`: BEIR's rule).

    Queries without a relevant document, which mteb counts as 0, have no value here.
    """
    answered = [query for query in queries.ids if any(grade > 0 for grade in qrels.get(query, {}).values())]
    place = {query: at for at, query in enumerate(queries.ids)}
    graded = {query: {d: max(0, int(grade)) for d, grade in qrels[query].items()} for query in answered}
    ks = sorted({*_KS, *_cut(task.metadata.main_score)})
    orders = {
        score: {query: _in_mtebs_order(task, query, ranking[place[query]], documents.ids) for query in answered}
        for score, ranking in rankings.items()
    }
    left_out = {*answered} & {*documents.ids} if task.ignore_identical_ids else set()
    return EvaluationResult(
        query_ids=answered,
        per_query={score: score_rankings(ranked, graded, ks) for score, ranked in orders.items()},
        documents=len(documents),
        chance=chance(graded, len(documents), ks, left_out),
        scoring=dict(scoring),
        measured_on=f"{task.metadata.name} ({subset}, {split})",
        own=len(left_out),
    )


def _in_mtebs_order(task: Any, query: str, ranking: tuple[Any, Any], ids: Sequence[str]) -> list[str]:
    pairs = zip(ranking[0].tolist(), (ids[column] for column in ranking[1].tolist()), strict=True)
    ranked = [document for _, document in sorted(pairs, reverse=True)]
    if task.skip_first_result:
        ranked = ranked[1:]
    return [document for document in ranked if not (task.ignore_identical_ids and document == query)]


def _cut(metric: str) -> list[int]:
    """The cut-off of a metric in mteb's spelling, where it has one."""
    last = metric.rpartition("_")[2]
    return [int(last)] if last.isdecimal() else []
