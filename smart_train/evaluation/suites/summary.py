"""The results of a benchmark run as tables: by task, by suite, against published figures, and what made them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from smart_train.evaluation.metrics import metric_label
from smart_train.evaluation.suites.adapter import MtebModel
from smart_train.evaluation.suites.catalogue import Chosen, choose
from smart_train.evaluation.suites.published import FIGURES, SOURCE, published_metric
from smart_train.evaluation.suites.results import TaskScores
from smart_train.evaluation.suites.run import BenchmarkRun, run_settings
from smart_train.types import ModelInput
from smart_train.utils.atomic import write_json
from smart_train.utils.terms import SCORES

SUMMARY_FILE = "summary.json"
_SIGNIFICANT = 0.05


def task_records(choices: Sequence[Chosen], run: BenchmarkRun) -> list[dict[str, Any]]:
    """A record for each task of each suite that has a result: the suite's metric by each score, 0 to 1, and the p
    value of hybrid against pooled; and after those of a suite of several tasks, their mean, with "task" None and how
    many of how many tasks it is of."""
    records: list[dict[str, Any]] = []
    for one in choices:
        done = [task.metadata.name for task in one.tasks if task.metadata.name in run.scores]
        rows = [_record(one, run.scores[name]) for name in done]
        records += rows
        if len(one.tasks) > 1 and rows:
            metrics = {row["metric"] for row in rows}
            records.append(
                {
                    "suite": one.name,
                    "task": None,
                    "metric": metrics.pop() if len(metrics) == 1 else None,
                    "tasks": len(rows),
                    "of": len(one.tasks),
                    **{score: sum(row[score] for row in rows) / len(rows) for score in SCORES},
                }
            )
    return records


def published_records(run: BenchmarkRun, model: str | None) -> list[dict[str, Any]]:
    """What is published of the models of `published.MODELS` (of `model` alone, where it is one of them), on every suite
    of which all tasks have a result here: figures in per cent, and for `model` what was measured here and the
    distance."""
    records = []
    for suite, models in FIGURES.items():
        names = [task.metadata.name for task in choose([suite])[0].tasks]
        if not all(name in run.scores for name in names):
            continue
        metric = published_metric(suite)
        for other, figures in models.items():
            if model not in (None, other):
                continue
            for score in ("pooled", "hybrid"):
                published = getattr(figures, score)
                here = 100 * sum(run.scores[name].scores[score][metric] for name in names) / len(names)
                record = {"suite": suite, "model": other, "score": score, "metric": metric}
                measured = {"here": here, "distance": here - published} if model else {}
                records.append({**record, "published": published, **measured})
    return records


def settings_lines(model: MtebModel) -> list[tuple[str, str]]:
    """The prompt, pixel and token settings that made the results: label, value."""
    family, scoring = model.model.family, model.model.scoring
    prompts = family.prompts
    own = {side: family.instruction(ModelInput(), side) for side in ("query", "document")}
    asked = [f"{side}: {'none' if text is None else repr(text)}" for side, text in own.items()]
    if model.task_prompts:
        asked.append("where mteb has an instruction for a task, that one")
    least = prompts.min_pixels or family.default_min_pixels
    most = prompts.max_pixels or family.default_max_pixels
    bounds = [f"{word} {value:,}" for word, value in (("at least", least), ("at most", most)) if value is not None]
    pixels = f"{', '.join(bounds) or 'as the processor of its folder says'} an image" if family.pixel_bounds else "any"
    stages = "every document" if model.candidates is None else f"the {model.candidates} best by the pooled score"
    rows = [
        ("model", f"{model.name}, revision {model.revision}, family {family.name}"),
        ("instructions", "; ".join(asked)),
        ("tokens", f"query {scoring.query_tokens}, document {scoring.document_tokens}, pooled token "
                   f"{scoring.pooled_token}, layer {scoring.layer}; at most {family.max_length} a prompt"),
        ("score", f"hybrid = {scoring.pooled_weight:g} x pooled + {scoring.late_weight:g} x late; tokens of {stages}, "
                  f"stored as {model.encoded.store}"),
    ]  # fmt: skip
    if "image" in family.modalities:
        rows.insert(2, ("pixels", pixels))
    return rows


def score_table(choices: Sequence[Chosen], run: BenchmarkRun) -> Table:
    """`task_records` in per cent, a row each. Fits 80 columns."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("task", overflow="fold")
    table.add_column("metric", no_wrap=True)
    for name in (*SCORES, "gain"):
        table.add_column(name, justify="right", no_wrap=True)
    for record in task_records(choices, run):
        task = record["task"] or f"{record['suite']}: mean of {record['tasks']} of {record['of']} tasks"
        values = [f"{100 * record[score]:.2f}" for score in SCORES]
        star = "*" if (record.get("p_value") or 1.0) < _SIGNIFICANT else " "
        gained = f"{100 * (record['hybrid'] - record['pooled']):+.2f}{star}"
        table.add_row(task, _label(record["metric"]), *values, gained, end_section=record["task"] is None)
    table.caption = f"in per cent; gain: hybrid - pooled, * where p < {_SIGNIFICANT} (paired by query)"
    table.caption_justify = "left"
    return table


def published_table(run: BenchmarkRun, model: str | None) -> Table | None:
    """`published_records`, a row each; None where there are none."""
    records = published_records(run, model)
    if not records:
        return None
    metrics = ", ".join(dict.fromkeys(_label(record["metric"]) for record in records))
    title = f"published: {SOURCE}, {metrics} in per cent"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("suite", "model", "score"):
        table.add_column(name, no_wrap=True)
    for name in ("published", "here", "distance") if model else ("published",):
        table.add_column(name, justify="right", no_wrap=True)
    for record in records:
        measured = [f"{record['here']:.2f}", f"{record['distance']:+.2f}"] if model else []
        head = (record["suite"], record["model"], record["score"])
        table.add_row(*head, f"{record['published']:.2f}", *measured)
    return table


def differing(choices: Sequence[Chosen]) -> list[str]:
    """A line for each suite whose mean is not that of the published one."""
    return [f"{one.name}: {one.differs}" for one in choices if one.differs]


def write_summary(
    output: Path, model: MtebModel, choices: Sequence[Chosen], run: BenchmarkRun, held: str | None
) -> Path:
    """OUTPUT/summary.json: the records of all tables, the settings, and notes. `held`: see `published_records`."""
    return write_json(
        output / SUMMARY_FILE,
        {
            "settings": run_settings(model),
            "described": dict(settings_lines(model)),
            "scores": task_records(choices, run),
            "published": published_records(run, held),
            "tasks": [scores.to_dict() for scores in run.scores.values()],
            "differing": {one.name: one.differs for one in choices if one.differs},
            "notes": [*run.notes, *run.unmeasured],
        },
    )


def _record(one: Chosen, scores: TaskScores) -> dict[str, Any]:
    metric = one.metrics[scores.task]
    return {
        "suite": one.name,
        "task": scores.task,
        "metric": metric,
        "queries": scores.queries,
        "documents": scores.documents,
        **{score: scores.scores[score][metric] for score in SCORES},
        "p_value": scores.p_values.get(metric),
    }


def _label(metric: str | None) -> str:
    """ndcg_at_5 -> nDCG@5."""
    return "" if metric is None else metric_label(metric.replace("_at_", "@"))
