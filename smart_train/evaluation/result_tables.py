"""An evaluation as a table for people and as files for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from smart_train.errors import DataError
from smart_train.evaluation.compare import Comparison, compare, p_text
from smart_train.evaluation.result import EvaluationResult
from smart_train.evaluation.selection import Selection
from smart_train.utils.atomic import write_json

EVALUATION_FILE = "evaluation.json"
PER_QUERY_FILE = "per_query.json"


def evaluation_report(
    before: EvaluationResult | None,
    after: EvaluationResult | None,
    comparison: Comparison | None = None,
    *,
    selection: Selection | None = None,
) -> dict[str, Any]:
    """What `evaluation.json` holds.

    "before" and "after" (score -> metric -> mean), each only where it was evaluated; "comparison" where both were;
    "selection" where the weights after training were chosen among several (`selection`); "measured_on" (name of the
    rows), "queries", "documents", "chance" (metric -> expectation of a random ranking) and "scoring" (of the last
    evaluation).
    """
    last = after or before
    if last is None:
        raise DataError("evaluation report: neither a result before nor one after training was given")
    report: dict[str, Any] = {}
    if before is not None:
        report["before"] = before.metrics
    if after is not None:
        report["after"] = after.metrics
    if before is not None and after is not None:
        report["comparison"] = (comparison or compare(before, after)).to_dict()
    if after is not None and selection is not None:
        report["selection"] = selection.to_dict()
    return report | {
        "measured_on": last.measured_on,
        "queries": len(last.query_ids),
        "documents": last.documents,
        "chance": last.chance,
        "scoring": last.scoring,
    }


def save_report(
    run: str | Path,
    before: EvaluationResult | None,
    after: EvaluationResult | None,
    comparison: Comparison | None = None,
    *,
    selection: Selection | None = None,
) -> Path:
    """Writes RUN/evaluation.json and RUN/per_query.json, each whole or not at all; returns the first's path.

    per_query.json: {"query_ids": [...], "query_texts": [...], "relevant": [{document id: grade}, ...],
    "document_texts": {document id: beginning}, "before": {score: {metric: [one value per query]}}, "found_before":
    {score: [[ids, best first], one per query]}, and the last two for "after"}.
    """
    run = Path(run)
    report = evaluation_report(before, after, comparison, selection=selection)
    one = before or after
    assert one is not None, "evaluation_report refuses two results that are both None"
    ids = one.query_ids
    texts: dict[str, str] = {}
    values: dict[str, Any] = {"query_ids": ids, "query_texts": one.query_texts, "relevant": one.relevant}
    for name, result in (("before", before), ("after", after)):
        if result is not None:
            values[name] = _in_order(result, ids)
            values[f"found_{name}"] = _found_in_order(result, ids)
            texts |= result.document_texts
    values["document_texts"] = texts
    write_json(run / PER_QUERY_FILE, values)
    return write_json(run / EVALUATION_FILE, report)


def report_table(
    before: EvaluationResult | None, after: EvaluationResult | None, comparison: Comparison | None = None
) -> Table:
    """One table: a row per score and metric; before, after, difference, its interval and its p value, and chance.

    One result alone shows its values beside chance. Rows are the metrics that both results have. Fits 80 columns.
    """
    last = after or before
    if last is None:
        raise DataError("evaluation report: neither a result before nor one after training was given")
    both = before is not None and after is not None
    if before is not None and after is not None and comparison is None:
        comparison = compare(before, after)
    table = Table(
        caption=_caption(comparison) if comparison is not None and both else None,
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        caption_justify="left",
    )
    for name in ("score", "metric"):
        table.add_column(name, no_wrap=True)
    if comparison is not None and both:
        headings = ["chance", "before", "after", "change", f"{comparison.confidence:.0%} interval", "p"]
    else:
        headings = ["chance", "value"]
    for name in headings:
        table.add_column(name, justify="right", no_wrap=True)
    results = [result.metrics for result in (before, after) if result is not None]
    for score, columns in last.metrics.items():
        shared = [metric for metric in columns if all(metric in means.get(score, {}) for means in results)]
        for i, metric in enumerate(shared):
            cells = [score if i == 0 else "", metric, f"{last.chance[metric]:.3f}"]
            cells += [f"{means[score][metric]:.3f}" for means in results]
            if comparison is not None and both:
                cells += _difference_cells(comparison, score, metric)
            table.add_row(*cells, end_section=i == len(shared) - 1)
    return table


def print_report(
    before: EvaluationResult | None,
    after: EvaluationResult | None = None,
    comparison: Comparison | None = None,
    *,
    console: Console | None = None,
) -> None:
    """Prints what was measured and `report_table`: one result's values, or of two also the paired comparison (made when
    not given).

    Args:
        before, after: results of the same evaluation set; either may be None.
        console: where to print; standard output when None.
    """
    console, last = console or Console(), after or before
    table = report_table(before, after, comparison)
    assert last is not None, "report_table refuses two results that are both None"
    # Not in the table, which is narrower than some paths; and not as markup, because a path may hold brackets.
    console.print(last.title, markup=False, highlight=False, soft_wrap=True)
    console.print(table)


def _difference_cells(comparison: Comparison, score: str, metric: str) -> list[str]:
    row = comparison.row(score, metric)
    significant = row.p_value < 1 - comparison.confidence
    style = ("green" if row.difference > 0 else "red") if significant else "dim"
    return [
        f"[{style}]{row.difference:+.3f}{'*' if significant else ' '}[/]",
        f"[{style}]{row.low:+.3f}..{row.high:+.3f}[/]",
        f"[{style}]{p_text(row.p_value)}[/]",
    ]


def _caption(comparison: Comparison) -> str:
    return (
        f"* p < {1 - comparison.confidence:.2g}, paired randomisation test over {comparison.queries} queries, "
        "each row on its own"
    )


def _in_order(result: EvaluationResult, ids: list[str]) -> dict[str, dict[str, list[float]]]:
    """The values per query in the order of `ids`, which may not be the result's own."""
    place = {query: i for i, query in enumerate(result.query_ids)}
    return {
        score: {metric: [values[place[query]] for query in ids] for metric, values in columns.items()}
        for score, columns in result.per_query.items()
    }


def _found_in_order(result: EvaluationResult, ids: list[str]) -> dict[str, list[list[str]]]:
    """The documents found per query, likewise."""
    place = {query: i for i, query in enumerate(result.query_ids)}
    return {score: [documents[place[query]] for query in ids] for score, documents in result.found.items()}
