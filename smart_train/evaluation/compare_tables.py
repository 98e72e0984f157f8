"""Evaluations beside each other as tables, on the console and on a page."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from smart_train.evaluation.compare_several import OWN, SideBySide
from smart_train.report import Block, Paragraph, Report, Section
from smart_train.report import Table as PageTable
from smart_train.utils.excerpts import beginning

SHOWN_TEXT = 90  # characters of a query or a document
_SHOWN_VALUE = 40  # and of a recipe's value
_ANSWERS = 2  # of a query


def settings_table(evaluations: SideBySide) -> Table | None:
    """What the runs' recipes say differently, a key a row; None where they say the same."""
    differing = evaluations.differing_settings()
    if not differing:
        return None
    names = runs_of(evaluations)
    table = Table("key", *names, box=None)
    for row in differing:
        table.add_row(row["key"], *(_shown(row[name]) for name in names))
    return table


def metrics_table(evaluations: SideBySide) -> Table:
    """Every score and metric of each, with a star where it differs from the first's."""
    table = Table("score", "metric", box=None)
    for name in ("chance", *evaluations.results):
        table.add_column(name, justify="right")
    if len(set(evaluations.deciding.values())) > 1:
        table.add_row(OWN, "is the score", "", *evaluations.deciding.values())
    for row in evaluations.metrics():
        cells = [_marked(row[name], row.get(f"{name} p")) for name in evaluations.results]
        table.add_row(row["score"], row["metric"], f"{row['chance']:.3f}", *cells)
    return table


def metrics_note(evaluations: SideBySide) -> str:
    """What the stars of `metrics_table` mean, and "own" where it is another score of each."""
    note = f"* p < 0.05 against {evaluations.first}, paired randomisation test, each row on its own"
    scores = evaluations.deciding
    if len(set(scores.values())) == 1:
        return note
    return f"{note}. {OWN}: the score that each ranks by, {', '.join(f'{scores[name]} of {name}' for name in scores)}"


def changed_queries(evaluations: SideBySide, name: str, count: int) -> dict[str, list[dict[str, str]]]:
    """The queries that `name` answers "better" and "worse" than the first, at most `count` of each: "query", "before",
    "after", and where results keep them "answer", "first there", "first here", all short enough for a line."""
    texts = {**evaluations.results[evaluations.first].document_texts, **evaluations.results[name].document_texts}

    def short(identity: str) -> str:
        return beginning(texts.get(identity, identity), SHOWN_TEXT)

    def first_of(row: dict[str, Any], key: str) -> str:
        identity = next(iter(row.get(key, ())), None)
        if identity is None:
            return "not kept"
        return short(identity) + (" (right)" if identity in row.get("relevant", ()) else "")

    changed: dict[str, list[dict[str, str]]] = {"better": [], "worse": []}
    for row in evaluations.queries(name, count):
        told = {
            "query": beginning(row.get("query", row["query_id"]), SHOWN_TEXT),
            "before": f"{row['before']:.3f}",
            "after": f"{row['after']:.3f}",
        }
        if "relevant" in row:
            told["answer"] = ", ".join(short(item) for item in row["relevant"][:_ANSWERS])
        told |= {"first there": first_of(row, "found_before"), "first here": first_of(row, "found_after")}
        changed["better" if row["difference"] > 0 else "worse"].append(told)
    return changed


def runs_of(evaluations: SideBySide) -> list[str]:
    """Those that have a recipe."""
    return [name for name, settings in evaluations.settings.items() if settings]


def side_by_side_report(evaluations: SideBySide, count: int) -> Report:
    """All of it as a page; `count` as in `changed_queries`."""
    settings = settings_table(evaluations)
    blocks: list[Block] = [Paragraph("No difference.")] if settings is None else [PageTable.of_console(settings)]
    sections = [Section("What the recipes say differently", blocks)] if len(runs_of(evaluations)) > 1 else []
    measured: list[Block] = [
        Paragraph(evaluations.results[evaluations.first].title),
        PageTable.of_console(metrics_table(evaluations)),
        Paragraph(metrics_note(evaluations), note=True),
    ]
    sections.append(Section("Metrics", measured))
    for name in evaluations.comparisons:
        for kind, rows in changed_queries(evaluations, name, count).items():
            if rows:
                columns = ("query", "answer", "first there", "first here", "before", "after")
                cells = [[row.get(column, "") for column in columns] for row in rows]
                note = f"there: {evaluations.first}. here: {name}. before, after: by {evaluations.decided_by(name)}."
                table = PageTable(columns, cells, left=4)
                title = f"Queries that {name} answers {kind} than {evaluations.first}"
                sections.append(Section(title, [table, Paragraph(note, note=True)]))
    return Report(f"{', '.join(evaluations.results)} compared", sections, ". ".join(evaluations.lines()) + ".")


def _marked(value: float, p_value: float | None) -> str:
    return f"{value:.3f}{'*' if p_value is not None and p_value < 0.05 else ' '}"


def _shown(value: Any) -> str:
    text = "-" if value is None else str(value)
    return text if len(text) <= _SHOWN_VALUE else f"...{text[3 - _SHOWN_VALUE :]}"
