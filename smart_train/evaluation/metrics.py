"""Retrieval metrics per query, counted by trec_eval (through pytrec_eval), and what a random ranking would score.

nDCG@k    sum over the first k places of grade / log2(place + 1), over the same sum of the ideal order (trec_eval's
          linear gain; for grades of 0 and 1 every definition agrees)
recall@k  share of the relevant documents among the first k
MRR@10    1 / place of the first relevant document, 0 beyond place 10
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import pytrec_eval

from smart_train.errors import DataError
from smart_train.utils.terms import HEADLINE

MRR_DEPTH = 10
HEADLINES = (HEADLINE, "recall@1", "mrr@10")  # where only a few are shown, the most informative ones first
IN_TABLES = (HEADLINE, "ndcg@10", "recall@1", "recall@10", "mrr@10")

Qrels = Mapping[str, Mapping[str, int]]


def check_ks(ks: Sequence[int]) -> tuple[int, ...]:
    """The cut-offs, rising and without repeats; DataError unless all are whole numbers of at least 1."""
    if not ks or any(isinstance(k, bool) or not isinstance(k, int) or k < 1 for k in ks):
        raise DataError(f"ks is {ks!r}: cut-offs must be whole numbers of at least 1")
    return tuple(sorted(set(ks)))


def metric_names(ks: Sequence[int]) -> list[str]:
    """Names in the order of tables: ndcg@k, recall@k, mrr@10."""
    ks = check_ks(ks)
    return [f"ndcg@{k}" for k in ks] + [f"recall@{k}" for k in ks] + [f"mrr@{MRR_DEPTH}"]


def metric_label(metric: str) -> str:
    """A metric's name as it is written for readers: nDCG@5."""
    name, _, cut = metric.partition("@")
    return f"{ {'ndcg': 'nDCG', 'mrr': 'MRR'}.get(name, name) }@{cut}"


def depth_for(ks: Sequence[int]) -> int:
    """How many places of a ranking the metrics look at."""
    return max(*check_ks(ks), MRR_DEPTH)


def score_rankings(rankings: Mapping[str, Sequence[str]], qrels: Qrels, ks: Sequence[int]) -> dict[str, list[float]]:
    """Every metric for every query.

    Args:
        rankings: query id -> document ids, best first; at least `depth_for(ks)` of them where the corpus has as many.
        qrels: query id -> {document id: grade}; grades are whole numbers, 0 means not relevant.
        ks: cut-offs.

    Returns:
        metric name -> one value per query, in the order of `rankings`.

    Raises:
        DataError: a query without judgements.
    """
    ks = check_ks(ks)
    unjudged = [query for query in rankings if not any(grade > 0 for grade in qrels.get(query, {}).values())]
    if unjudged:
        raise DataError(f"{len(unjudged)} queries have no relevant document, the first is {unjudged[0]!r}")
    order = list(rankings)
    numbered = [_number(rankings[query], qrels[query]) for query in order]
    graded = {str(i): grades for i, (_, grades) in enumerate(numbered)}
    cuts = ",".join(map(str, ks))
    runs = {str(i): _falling(ranking) for i, (ranking, _) in enumerate(numbered)}
    measures = {f"ndcg_cut.{cuts}", f"recall.{cuts}", "recip_rank"}
    reciprocal = by_query = pytrec_eval.RelevanceEvaluator(graded, measures).evaluate(runs)
    if any(len(ranking) > MRR_DEPTH for ranking, _ in numbered):
        # trec_eval's reciprocal rank has no cut-off, so the run is cut.
        first = {str(i): _falling(ranking[:MRR_DEPTH]) for i, (ranking, _) in enumerate(numbered)}
        reciprocal = pytrec_eval.RelevanceEvaluator(graded, {"recip_rank"}).evaluate(first)
    columns: dict[str, list[float]] = {}
    for k in ks:
        columns[f"ndcg@{k}"] = [by_query[str(i)][f"ndcg_cut_{k}"] for i in range(len(order))]
    for k in ks:
        columns[f"recall@{k}"] = [by_query[str(i)][f"recall_{k}"] for i in range(len(order))]
    columns[f"mrr@{MRR_DEPTH}"] = [reciprocal[str(i)]["recip_rank"] for i in range(len(order))]
    return columns


def chance(
    qrels: Qrels, documents: int, ks: Sequence[int], with_one_left_out: Collection[str] = ()
) -> dict[str, float]:
    """The exact expectation of every metric for a ranking drawn at random, averaged over the queries.

    Args:
        qrels: as in `score_rankings`; every query has a relevant document.
        documents: size of the corpus.
        with_one_left_out: queries in whose ranking one document of it is left out.
    """
    ks = check_ks(ks)
    totals = dict.fromkeys(metric_names(ks), 0.0)
    corpus = documents
    for query, grades in qrels.items():
        documents = corpus - (query in with_one_left_out)
        gains = sorted((grade for grade in grades.values() if grade > 0), reverse=True)
        mean_gain = sum(gains) / documents
        for k in ks:
            random_dcg = sum(mean_gain * _discount(place) for place in range(1, min(k, documents) + 1))
            ideal_dcg = sum(gain * _discount(place) for place, gain in enumerate(gains[:k], start=1))
            totals[f"ndcg@{k}"] += random_dcg / ideal_dcg
            totals[f"recall@{k}"] += min(k, documents) / documents
        totals[f"mrr@{MRR_DEPTH}"] += _random_reciprocal_rank(len(gains), documents)
    return {name: total / len(qrels) for name, total in totals.items()}


def _number(ranking: Sequence[str], grades: Mapping[str, int]) -> tuple[list[str], dict[str, int]]:
    """Ranking and grades of one query with plain numbers for ids: pytrec_eval crashes the interpreter on an id that is
    not valid UTF-8, which a file name can be."""
    numbers = {document: str(i) for i, document in enumerate(dict.fromkeys([*ranking, *grades]))}
    return [numbers[item] for item in ranking], {numbers[item]: int(grade) for item, grade in grades.items()}


def _falling(ranking: Sequence[str]) -> dict[str, float]:
    """trec_eval sorts by score itself and breaks ties by id; whole numbers that fall by one leave it no tie."""
    return {document: float(len(ranking) - place) for place, document in enumerate(ranking)}


def _discount(place: int) -> float:
    return 1.0 / math.log2(place + 1)


def _random_reciprocal_rank(relevant: int, documents: int) -> float:
    """Sum over places p <= 10 of 1/p times the probability that the first relevant document stands at p."""
    expected, none_before = 0.0, 1.0
    for place in range(1, min(MRR_DEPTH, documents) + 1):
        left = documents - place + 1
        expected += none_before * min(1.0, relevant / left) / place
        none_before *= max(0.0, 1.0 - relevant / left)
    return expected
