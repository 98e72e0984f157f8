"""The results of a benchmark run as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from smart_train.evaluation.suites.adapter import MtebModel
from smart_train.evaluation.suites.catalogue import Chosen
from smart_train.evaluation.suites.run import BenchmarkRun
from smart_train.evaluation.suites.shown_queries import kept_queries
from smart_train.evaluation.suites.summary import differing, published_table, score_table, settings_lines
from smart_train.report import Facts, Paragraph, Report, Section, Table
from smart_train.utils.versions import versions


def benchmark_report(
    model: MtebModel, choices: Sequence[Chosen], run: BenchmarkRun, held: str | None, output: Path
) -> Report:
    """Every task's scores, the published figures, the settings that made them, and each task's worst and best queries.

    Args:
        held: see `published_records`.
        output: the folder of the results, which keeps the queries.
    """
    sections = [Section("Scores", [Table.of_console(score_table(choices, run))])]
    published = published_table(run, held)
    if published is not None:
        sections.append(Section("Published figures", [Table.of_console(published)]))
    library = ("versions", ", ".join(f"{name} {number}" for name, number in versions().items()))
    sections.append(Section("What made them", [Facts([*settings_lines(model), library])]))
    notes = [*differing(choices), *run.notes, *run.unmeasured]
    if notes:
        sections.append(Section("Notes", [Paragraph(note) for note in notes]))
    for task in run.scores:
        sections += kept_queries(output, task)[0]
    return Report(f"Benchmarks of {model.name}", sections, f"{', '.join(one.name for one in choices)}.")
