"""What `tune` found, as a page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from smart_train.evaluation.explained import explain_queries, or_reason, scored_by
from smart_train.evaluation.metrics import metric_label
from smart_train.evaluation.page import ChosenQuery, chosen_queries, query_sections
from smart_train.evaluation.sets import EvaluationSet
from smart_train.evaluation.setting_words import described, form_of
from smart_train.evaluation.tuning_result import TUNING_FILE, TuningResult
from smart_train.explain import Explanation
from smart_train.report import Facts, Paragraph, Picture, Report, Section, Table
from smart_train.scoring import ScoringConfig
from smart_train.utils.versions import versions

if TYPE_CHECKING:
    from smart_train.models import SmartModel

PLOT_ALT = "quality against bytes a document and milliseconds a query: every setting, the front, in force and best"


def tuning_report(result: TuningResult, name: str, queries: Sequence[Section] = ()) -> Report:
    """The decision, what was measured, the settings worth a look, and the plot.

    Args:
        name: what to call the model.
        queries: what `tuned_queries` gives.
    """
    facts = [
        ("model", name),
        ("in force", described(result.default.scoring)),
        ("chosen on", f"{result.queries} queries of {result.chosen_on}"),
        ("decided on", f"{result.comparison.queries} queries of {result.tested_on}"),
        ("documents", f"{result.documents:,}"),
        ("metric", f"{metric_label(result.metric)} of the hybrid score"),
        *([] if result.max_bytes is None else [("bound", f"{result.max_bytes:,} bytes a document")]),
        ("settings", f"{len(result.settings):,}, all in {TUNING_FILE}"),
        ("versions", ", ".join(f"{library} {number}" for library, number in versions().items())),
    ]
    columns = (
        "bytes: of a document in the index. ms: to score all documents for one query. chose, decide: the metric on the "
        "queries that chose, and on those that decide. smaller: no other setting has fewer bytes and is as good."
    )
    sections = [
        Section("What was measured", [Facts(facts)]),
        Section("Settings", [Table.of_console(result.table()), Paragraph(columns, note=True)]),
        Section("Quality and cost", [Picture.of_figure(result.figure(), PLOT_ALT)]),
        *queries,
    ]
    return Report(f"Scoring settings of {name}", sections, result.conclusion())


def tuned_queries(result: TuningResult, model: SmartModel, data: EvaluationSet) -> list[Section]:
    """Of the queries that decide, the worst and those that gained most by the best setting, each with the document
    that answers it under the heat of the settings in force and of the best one.

    Args:
        model: that `result` is of.
        data: the rows that decide, or all rows, where one half of them does.
    """
    if result.decided is None:
        return []
    in_force, best = result.decided
    differs = result.verdict != "same"
    worst, gained = chosen_queries(data, in_force, best if differs else None, metric=result.metric)
    settings = {"in force": result.default.scoring}
    if differs:
        settings["chosen" if result.changes else "the best of the others, not chosen"] = result.best.scoring
    shown = [*worst, *gained]
    explained = {name: or_reason(partial(_explained, model, scoring, shown)) for name, scoring in settings.items()}
    sections = query_sections(worst, gained, explained, gained=differs)
    names = [Paragraph(f"{name}: {described(scoring)}", note=True) for name, scoring in settings.items()]
    if any(form_of(scoring) != form_of(ScoringConfig()) for scoring in settings.values()):
        names.append(Paragraph("Heat is that of all tokens at full width, not of what the index keeps.", note=True))
    return [Section(section.title, [*names, *section.blocks]) for section in sections]


def _explained(model: SmartModel, scoring: ScoringConfig, queries: Sequence[ChosenQuery]) -> dict[str, Explanation]:
    with scored_by(model, scoring):
        return explain_queries(model, queries)
