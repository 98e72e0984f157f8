"""What `tune` found, as a page."""

from __future__ import annotations

from smart_train.evaluation.metrics import metric_label
from smart_train.evaluation.setting_words import described
from smart_train.evaluation.tuning_result import TUNING_FILE, TuningResult
from smart_train.report import Facts, Paragraph, Picture, Report, Section, Table
from smart_train.utils.versions import versions

PLOT_ALT = "quality against bytes a document and milliseconds a query: every setting, the front, in force and best"


def tuning_report(result: TuningResult, name: str) -> Report:
    """The decision, what was measured, the settings worth a look, and the plot. `name`: what to call the model."""
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
    ]
    return Report(f"Scoring settings of {name}", sections, result.conclusion())
