"""The queries of a task that fared worst and best, as parts of the report, and what was noted of the task.

A task's rows and the model are at hand only while the task runs. So the parts are made then, and kept as HTML in
OUTPUT/queries/TASK.json: a call that finds the task done shows them without either.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from markupsafe import Markup

from smart_train.evaluation.explained import explain_queries, or_reason
from smart_train.evaluation.page import ChosenQuery, query_sections, worst_and_best
from smart_train.evaluation.result import EvaluationResult
from smart_train.evaluation.suites.results import Part
from smart_train.models import SmartModel
from smart_train.report import Section
from smart_train.utils.atomic import write_json

QUERIES = "queries"
_COUNT = 2  # of each kind, of a task: a suite has ten tasks
_CAPTION = "the document that answers it"


@dataclass(frozen=True)
class _Kept:
    """HTML that `write_queries` made, and escaped."""

    content: str

    def html(self) -> Markup:
        return Markup(self.content)


def write_queries(
    output: Path, model: Any, task: Any, part: Part, result: EvaluationResult, notes: Sequence[str] = ()
) -> Path:
    """Keeps the worst and the best queries of one part of `task`, by its main metric.

    Args:
        model: that ranked; heat is shown of a `SmartModel`.
        result: the values per query of `part`.
        notes: what a reader has to know about the task.
    """
    worst, best = _chosen(task, part, result)
    if isinstance(model, SmartModel):
        explained = or_reason(partial(explain_queries, model, [*worst, *best]))
    else:
        explained = f"no heat can be shown ({type(model).__name__} is not a SmartModel)"
    sections = [
        {"title": f"{result.measured_on}: {section.title.lower()}", "html": "".join(b.html() for b in section.blocks)}
        for section in query_sections(worst, best, {_CAPTION: explained}, gained=False)
    ]
    return write_json(_file(output, task.metadata.name), {"notes": list(notes), "sections": sections})


def kept_queries(output: Path, task: str) -> tuple[list[Section], list[str]]:
    """The sections and notes that `write_queries` kept of the task of this name; none where they are not there, or not
    whole."""
    try:
        kept = json.loads(_file(output, task).read_text(encoding="utf-8"))
        sections = [Section(str(section["title"]), [_Kept(str(section["html"]))]) for section in kept["sections"]]
        return sections, [str(note) for note in kept["notes"]]
    except (OSError, ValueError, TypeError, KeyError):
        return [], []  # as of a task that an earlier version ran


def _file(output: Path, task: str) -> Path:
    return output / QUERIES / f"{task}.json"


def _chosen(task: Any, part: Part, result: EvaluationResult) -> tuple[list[ChosenQuery], list[ChosenQuery]]:
    """Queries without a relevant document in the corpus, which mteb counts as 0, have nothing to show."""
    queries, documents, qrels, _ = part
    query_places = {identity: place for place, identity in enumerate(queries.ids)}
    document_places = {identity: place for place, identity in enumerate(documents.ids)}
    columns = result.per_query["hybrid"]
    main = task.metadata.main_score.replace("_at_", "@")
    metric = main if main in columns else "ndcg@10"
    answers = {query: _answer(qrels[query], document_places) for query in result.query_ids}
    values = {
        query: value
        for query, value in zip(result.query_ids, columns[metric], strict=True)
        if answers[query] is not None
    }

    def chosen(query: str) -> ChosenQuery:
        (asked,) = queries.inputs([query_places[query]])
        (answer,) = documents.inputs([document_places[str(answers[query])]])
        return ChosenQuery(query, asked, answer, None, values[query], metric=metric)

    worst, best = worst_and_best(values, count=_COUNT)
    return [chosen(query) for query in worst], [chosen(query) for query in best]


def _answer(grades: Mapping[str, int], places: Mapping[str, int]) -> str | None:
    """The document of the highest grade that the corpus has."""
    held = [document for document, grade in grades.items() if grade > 0 and document in places]
    return max(held, key=lambda document: grades[document], default=None)
