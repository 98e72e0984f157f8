"""An evaluation as sections of a report: what came out, and the queries that fared worst and best, with their pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from smart_train.evaluation.compare import Comparison, compare
from smart_train.evaluation.metrics import metric_label
from smart_train.evaluation.result import EvaluationResult
from smart_train.evaluation.sets import EvaluationSet
from smart_train.explain import Explanation
from smart_train.explain.report_block import StillMap
from smart_train.report import Block, Gallery, Paragraph, Section, Table
from smart_train.types import ModelInput
from smart_train.utils.terms import HEADLINE

_QUERIES = 3  # of each kind
_TEXT = 300  # characters


@dataclass(frozen=True)
class ChosenQuery:
    """A query to look at.

    Args:
        query_id: whose it is.
        query, document: it, and the document that answers it best.
        before, after: its metric, None where it was not evaluated.
        score: of which score that metric is.
        metric: its name.
    """

    query_id: str
    query: ModelInput
    document: ModelInput
    before: float | None
    after: float | None
    score: str = "hybrid"
    metric: str = HEADLINE

    @property
    def heading(self) -> str:
        """The query's words, and how it fared."""
        text = self.query.text or "(a query without text)"
        text = text[:_TEXT] + ("..." if len(text) > _TEXT else "")
        values = [f"{value:.3f}" for value in (self.before, self.after) if value is not None]
        return f"{text} ({self.score} {metric_label(self.metric)} {' -> '.join(values)})"

    @property
    def shows_video(self) -> bool:
        return self.query.video is not None or self.document.video is not None


def result_section(
    before: EvaluationResult | None, after: EvaluationResult | None, comparison: Comparison | None = None
) -> Section:
    """The table of metrics: one result's values, or of two also the paired comparison (made when not given)."""
    last = after or before
    assert last is not None, "there is something to report"
    if before is not None and after is not None:
        table = _compared(comparison or compare(before, after), last)
    else:
        rows = [
            (score, metric_label(metric), f"{last.chance[metric]:.3f}", f"{value:.3f}")
            for score, columns in last.metrics.items()
            for metric, value in columns.items()
        ]
        table = Table(("score", "metric", "chance", "value"), rows, left=2, marked=_headlines(last))
    return Section("Result", [Paragraph(last.title), table])


def headline(
    before: EvaluationResult | None, after: EvaluationResult | None, comparison: Comparison | None = None
) -> str:
    """The result in one sentence; arguments as `result_section`."""
    last = after or before
    assert last is not None, "there is something to report"
    score = last.own_score
    label, value = f"{score} {metric_label(HEADLINE)}", last.metrics[score][HEADLINE]
    queries = f"{len(last.query_ids)} queries"
    if before is None or after is None:
        return f"{label} {value:.3f} over {queries} (chance {last.chance[HEADLINE]:.3f})."
    comparison = comparison or compare(before, after)
    row = comparison.row(score, HEADLINE)
    return (
        f"{label} {row.before:.3f} -> {row.after:.3f} over {queries} (change {row.difference:+.3f}, "
        f"{comparison.confidence:.0%} interval {row.low:+.3f} to {row.high:+.3f}, {_p(row.p_value)})."
    )


def worst_and_best(
    values: Mapping[str, float], first: Mapping[str, float] | None = None, count: int = _QUERIES
) -> tuple[list[str], list[str]]:
    """The ids of the queries with the lowest value, and of those that gained most (without `first`: with the highest
    value); equals in their order. None is in both.

    Args:
        values, first: query id -> metric, now and before.
        count: how many of each at most.
    """
    gain = {query: value - (first or {}).get(query, 0.0) for query, value in values.items()}
    worst = sorted(values, key=lambda query: (values[query], gain[query]))[:count]
    rest = [query for query in values if query not in worst and (gain[query] > 0 or not first)]
    return worst, sorted(rest, key=lambda query: (-gain[query], -values[query]))[:count]


def chosen_queries(
    data: EvaluationSet,
    before: EvaluationResult | None,
    after: EvaluationResult | None,
    count: int = _QUERIES,
    metric: str = HEADLINE,
) -> tuple[list[ChosenQuery], list[ChosenQuery]]:
    """`worst_and_best` by the score that ranks, each with its document.

    Args:
        data: rows that hold all that both results were measured on.
        count: how many of each at most.
        metric: that the results have values of.
    """
    last = after or before
    assert last is not None, "there is something to report"
    score = last.own_score
    values = dict(zip(last.query_ids, last.per_query[score][metric], strict=True))
    first = dict(zip(before.query_ids, before.per_query[score][metric], strict=True)) if before and after else {}
    worst, best = worst_and_best(values, first, count)
    queries = dict(zip(data.query_ids, data.queries, strict=True))
    documents = dict(zip(data.document_ids, data.documents, strict=True))

    def chosen_query(query: str) -> ChosenQuery:
        grades = data.qrels[query]
        answer = documents[max(grades, key=lambda document: grades[document])]
        before_value = first.get(query) if after else values[query]
        after_value = values[query] if after else None
        return ChosenQuery(query, queries[query], answer, before_value, after_value, score, metric)

    return [chosen_query(query) for query in worst], [chosen_query(query) for query in best]


def query_sections(
    worst: Sequence[ChosenQuery],
    best: Sequence[ChosenQuery],
    explained: Mapping[str, Mapping[str, Explanation] | str],
    *,
    gained: bool,
) -> list[Section]:
    """Both kinds of queries, each with the document that answers it under the heat of each model.

    Args:
        explained: name of a model, as "before" -> query id -> explanation; or why there is none.
        gained: whether `best` are those that gained most.
    """
    titles = ("Worst queries", "Queries that gained most" if gained else "Best queries")
    sections = []
    for title, queries in zip(titles, (worst, best), strict=True):
        if not queries:
            continue
        blocks: list[Block] = [Paragraph("Below each query: the document that answers it. " + _READING, note=True)]
        blocks += [
            Paragraph(f"{name}: {explanations}", note=True)
            for name, explanations in explained.items()
            if isinstance(explanations, str)
        ]
        for query in queries:
            maps: list[Block] = [
                StillMap(explanations[query.query_id], name)
                for name, explanations in explained.items()
                if not isinstance(explanations, str) and query.query_id in explanations
            ]
            if query.shows_video:
                maps = [Paragraph("A video; no heat can be shown of it.", note=True)]
            blocks.append(Gallery(maps, query.heading))
        sections.append(Section(title, blocks))
    return sections


_READING = (
    "The darker a place, the more of the late score comes from it; a frame is where a token of the query matches best."
)


def _compared(comparison: Comparison, last: EvaluationResult) -> Table:
    rows = [
        (
            row.score,
            metric_label(row.metric),
            f"{last.chance[row.metric]:.3f}",
            f"{row.before:.3f}",
            f"{row.after:.3f}",
            f"{row.difference:+.3f}",
            f"{row.low:+.3f} to {row.high:+.3f}",
            _p(row.p_value),
            f"{row.better} / {row.worse}",
        )
        for row in comparison.rows
    ]
    marked = frozenset(place for place, row in enumerate(comparison.rows) if row.metric == HEADLINE)
    return Table(
        (
            "score",
            "metric",
            "chance",
            "before",
            "after",
            "change",
            f"{comparison.confidence:.0%} interval",
            "p",
            "+ / -",
        ),
        rows,
        caption=(
            f"p: paired randomisation test over {comparison.queries} queries, each row on its own. + / -: how many "
            "queries rose and fell."
        ),
        left=2,
        marked=marked,
    )


def _headlines(result: EvaluationResult) -> frozenset[int]:
    metrics = [metric for columns in result.metrics.values() for metric in columns]
    return frozenset(place for place, metric in enumerate(metrics) if metric == HEADLINE)


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"
