"""Which settings a model should be scored with: chosen on some queries, tested on others.

One encoding serves all settings (`TuningStates`). They are measured in two rounds: first what is scored (layer, token
filters, pooled token, weights), then how documents are stored (width, token pooling, number format). All combinations
of both would take an hour where the two rounds take minutes. The second round is about the best tokens of the first if
those are better than the ones in force already on the queries that choose (p < 0.05), and else about those in force:
among a hundred choices one is always ahead by luck.

The best of many noisy figures is too high as an estimate. So the setting is chosen on one half of the queries (or on a
set of its own), and one paired test on the other half decides whether it replaces the one in force.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from smart_train.distributed import on_main
from smart_train.errors import DataError
from smart_train.evaluation.compare import compare
from smart_train.evaluation.result import EvaluationResult
from smart_train.evaluation.sets import EvaluationSet
from smart_train.evaluation.setting_words import content_of, form_of
from smart_train.evaluation.tuning_grid import TuningGrid, check_metric
from smart_train.evaluation.tuning_result import ALPHA, TunedSetting, TuningResult
from smart_train.evaluation.tuning_states import MEMORY_BYTES, Measurement, TuningStates
from smart_train.scoring import ScoringConfig
from smart_train.utils.cpu import every_core
from smart_train.utils.defaults import BATCH_SIZE
from smart_train.utils.terms import HEADLINE

if TYPE_CHECKING:
    from smart_train.models import SmartModel

# With n queries the paired test cannot give less than 2 / 2^n: from 6 on it can fall below 0.05.
LEAST_QUERIES = 6


def tune(
    model: SmartModel,
    data: EvaluationSet,
    *,
    test: EvaluationSet | None = None,
    grid: TuningGrid | None = None,
    metric: str = HEADLINE,
    max_bytes: int | None = None,
    seed: int = 0,
    batch_size: int = BATCH_SIZE,
    memory_bytes: int = MEMORY_BYTES,
    show_progress_bar: bool | None = None,
    across_ranks: bool = False,
) -> TuningResult:
    """Measures settings of `model` on `data`, and says which one to score with.

    Without `max_bytes`, the best setting that stores documents as the model does now replaces the model's own if it is
    better on the queries that had no part in the choice (p < 0.05). With `max_bytes` it is the best setting that fits,
    and replaces one that does not fit unless it is worse there (p < 0.05).

    Args:
        data: the queries to choose by; one half of them where `test` is None.
        test: other queries, with a corpus of their own, that decide; None is the other half of `data`.
        grid: what is tried; None is `TuningGrid()`.
        metric: of the hybrid score: "ndcg@K", "recall@K" or "mrr@10".
        max_bytes: the most bytes that a document may take in the index.
        seed: of the halves, and of the paired test.
        batch_size, show_progress_bar: as `SmartModel.encode_document`.
        memory_bytes: of document states kept in memory; the rest goes to temporary files.
        across_ranks: share the encoding with the other processes, all of which must call this. The main one measures,
            and all get its result.

    Raises:
        DataError: too few queries, an unknown metric, or nothing that fits into `max_bytes`.
        ModelError, ScoreError: a choice that the model does not have; see `TuningGrid.checked`. Or the model is late
            only.
    """
    check = partial(_checked, model, data, test, grid or TuningGrid(), metric, max_bytes, seed)
    choices, mine, others = on_main(check) if across_ranks else check()
    in_force, count = model.scoring, model.config.get_text_config().num_hidden_layers
    show = show_progress_bar
    how: dict[str, Any] = {
        "batch_size": batch_size,
        "memory_bytes": memory_bytes,
        "show_progress_bar": show,
        "across_ranks": across_ranks,
    }
    layers = tuple(dict.fromkeys((in_force.layer, *(choices.layers or ()))))
    with contextlib.ExitStack() as stack:
        states = stack.enter_context(TuningStates(model, data, layers, **how))
        unseen = None if test is None else stack.enter_context(TuningStates(model, test, layers, **how))

        sweep = _Sweep(states, metric, mine, count, show)
        measured = partial(_tuned, sweep, unseen, others, choices, in_force, max_bytes, seed)
        return on_main(every_core()(measured)) if across_ranks else measured()


def _checked(
    model: SmartModel,
    data: EvaluationSet,
    test: EvaluationSet | None,
    grid: TuningGrid,
    metric: str,
    max_bytes: int | None,
    seed: int,
) -> tuple[TuningGrid, list[int], list[int]]:
    """The choices that `model` has, and the queries to choose by and those that decide. Raises as `tune`."""
    model.family.check_pooled("tune", "measure single settings with smart-train evaluate MODEL scoring.KEY=VALUE")
    check_metric(metric)
    if max_bytes is not None and max_bytes < 1:
        raise DataError(f"tune: max_bytes {max_bytes}: must be at least 1")
    return grid.checked(model), *check_queries(data, test, seed)


def _tuned(
    sweep: _Sweep,
    unseen: TuningStates | None,
    others: Sequence[int],
    choices: TuningGrid,
    in_force: ScoringConfig,
    max_bytes: int | None,
    seed: int,
) -> TuningResult:
    """Both rounds, and the test. `unseen`: the set that decides; None: the queries at `others` of the one set do."""
    data, metric = sweep.states.data, sweep.metric
    default, best = _default_and_best(sweep, choices, in_force, max_bytes, seed)
    held_out = [default, best] if unseen is None else unseen.measure([in_force, best.scoring], metric)
    decided = data if unseen is None else unseen.data
    pair = _results(decided, held_out, others, metric)
    comparison = compare(*pair, confidence=1 - ALPHA, seed=seed)
    settings = [_setting(item, sweep.mine, others if unseen is None else None) for item in sweep.measured]
    place = next(i for i, item in enumerate(sweep.measured) if item is best)
    settings[place] = replace(settings[place], held_out=comparison.rows[0].after)
    settings[0] = replace(settings[0], held_out=comparison.rows[0].before)
    other_half = f"{data.name}, other half" if data.name else "the other half"
    return TuningResult(
        metric=metric,
        settings=settings,
        default=settings[0],
        best=settings[place],
        comparison=comparison,
        chosen_on=data.name,
        queries=len(sweep.mine),
        tested_on=other_half if unseen is None else unseen.data.name,
        documents=len(data.documents),
        max_bytes=max_bytes,
        seed=seed,
        encoding_seconds=sweep.states.seconds,
        decided=pair,
    )


def _default_and_best(
    sweep: _Sweep, choices: TuningGrid, in_force: ScoringConfig, max_bytes: int | None, seed: int
) -> tuple[Measurement, Measurement]:
    """Both rounds: the settings in force, and the best of all."""
    sweep.add([in_force, *choices.contents(in_force)])
    default, first = sweep.measured[0], sweep.best(sweep.measured, in_force)
    better = _beats(sweep.states.data, (default, first), sweep.mine, sweep.metric, seed)
    base = first.scoring if better else in_force
    sweep.add(choices.forms(base))
    return default, sweep.best(_eligible(sweep.measured, in_force if max_bytes is None else base, max_bytes), in_force)


class _Sweep:
    """Settings measured so far, each once."""

    def __init__(
        self, states: TuningStates, metric: str, mine: Sequence[int], layers: int, show_progress_bar: bool | None
    ) -> None:
        self.states, self.metric, self.mine, self.layers = states, metric, mine, layers
        self.show_progress_bar = show_progress_bar
        self.measured: list[Measurement] = []
        self._identities: set[tuple[object, ...]] = set()

    def add(self, scorings: Sequence[ScoringConfig]) -> None:
        """Measures those that rank otherwise than all before them."""
        new: dict[tuple[object, ...], ScoringConfig] = {}
        for item in scorings:
            new.setdefault(self.states.identity(item, self.layers), item)
        fresh = {key: item for key, item in new.items() if key not in self._identities}
        self._identities |= set(fresh)
        show = self.show_progress_bar
        self.measured += self.states.measure(list(fresh.values()), self.metric, show_progress_bar=show)

    def best(self, among: Sequence[Measurement], in_force: ScoringConfig) -> Measurement:
        """The highest mean on the queries to choose by; of equals the smallest, then the one most like `in_force`."""

        def rank(item: Measurement) -> tuple[float, ...]:
            mean = round(float(item.values[list(self.mine)].mean()), 9)
            return (-mean, item.bytes_per_document, *_distance(item.scoring, in_force))

        return min(among, key=rank)


def _distance(scoring: ScoringConfig, in_force: ScoringConfig) -> tuple[float, float]:
    """How many settings other than the weights differ, and how far apart the shares of the late term are."""
    mine, theirs = scoring.to_dict(), in_force.to_dict()
    changed = sum(mine[name] != theirs[name] for name in mine if not name.endswith("_weight"))
    share, other = (item.late_weight / (item.pooled_weight + item.late_weight) for item in (scoring, in_force))
    return float(changed), abs(share - other)


def _eligible(measured: Sequence[Measurement], base: ScoringConfig, max_bytes: int | None) -> list[Measurement]:
    """What may be chosen: without a bound, what stores documents as `base` does, because a coarser form that is ahead
    by luck would lose quality on other queries, and nobody asked for fewer bytes; with one, what fits, of the tokens
    of `base`."""
    if max_bytes is None:
        return [item for item in measured if form_of(item.scoring) == form_of(base)]
    fitting = [item for item in measured if item.bytes_per_document <= max_bytes]
    if not fitting:
        smallest = min(item.bytes_per_document for item in measured)
        raise DataError(
            f"tune: max_bytes {max_bytes}: no setting keeps a document within that; the smallest that was measured "
            f"takes {smallest:,.0f}. Raise the bound, or add smaller widths or larger pool factors"
        )
    return [item for item in fitting if content_of(item.scoring) == content_of(base)] or fitting


def _beats(
    data: EvaluationSet, pair: tuple[Measurement, Measurement], places: Sequence[int], metric: str, seed: int
) -> bool:
    """Whether the second setting is better than the first (p < 0.05) on the queries at `places`."""
    row = compare(*_results(data, pair, places, metric), confidence=1 - ALPHA, seed=seed).rows[0]
    return row.difference > 0 and row.p_value < ALPHA


def _setting(item: Measurement, mine: Sequence[int], others: Sequence[int] | None) -> TunedSetting:
    return TunedSetting(
        item.scoring,
        item.bytes_per_document,
        item.ms_per_query,
        float(item.values[list(mine)].mean()),
        None if others is None else float(item.values[list(others)].mean()),
    )


def _results(
    data: EvaluationSet, pair: Sequence[Measurement], places: Sequence[int], metric: str
) -> tuple[EvaluationResult, EvaluationResult]:
    """Two settings on the queries at `places` of `data`."""
    first, second = (
        EvaluationResult(
            [data.query_ids[i] for i in places],
            {"hybrid": {metric: item.values[list(places)].tolist()}},
            len(data.documents),
            {},
            item.scoring.to_dict(),
        )
        for item in pair
    )
    return first, second


def check_queries(data: EvaluationSet, test: EvaluationSet | None, seed: int) -> tuple[list[int], list[int]]:
    """The queries to choose by and those that decide, as places in their sets; see `tune`.

    Raises:
        DataError: too few on one side.
    """
    if test is not None:
        for name, queries in (("choose by", len(data.queries)), ("test on", len(test.queries))):
            if queries < LEAST_QUERIES:
                raise DataError(
                    f"tune: {queries} queries to {name} are too few; with fewer than {LEAST_QUERIES} no difference can "
                    f"reach p < {ALPHA:g}. It takes at least {LEAST_QUERIES}, and about 100 to see small differences"
                )
        return list(range(len(data.queries))), list(range(len(test.queries)))
    mine, others = halves(data.qrels, seed)
    if min(len(mine), len(others)) < LEAST_QUERIES:
        together = "" if abs(len(mine) - len(others)) < 2 else (
            f" (queries that share a relevant document stay together, which leaves {min(len(mine), len(others))} in "
            "the smaller half)"
        )  # fmt: skip
        raise DataError(
            f"tune: {len(data.queries)} queries are too few to choose on one half and test on the other{together}; "
            f"with fewer than {LEAST_QUERIES} in a half no difference can reach p < {ALPHA:g}. It takes at least "
            f"{2 * LEAST_QUERIES}, and about 200 to see small differences"
        )
    return mine, others


def halves(qrels: Mapping[str, Mapping[str, int]], seed: int) -> tuple[list[int], list[int]]:
    """Two halves of the queries at random, as rising places. Queries that share a relevant document are in the same
    half: near copies of a query on both sides would test little.

    Args:
        qrels: query -> {document: grade}, as in `EvaluationSet`.
        seed: the same seed gives the same halves.
    """
    owner: dict[str, int] = {}
    group = list(range(len(qrels)))

    def root(place: int) -> int:
        while group[place] != place:
            place = group[place]
        return place

    for place, grades in enumerate(qrels.values()):
        for document, grade in grades.items():
            if grade > 0:
                group[root(place)] = root(owner.setdefault(document, place))
    members: dict[int, list[int]] = {}
    for place in range(len(qrels)):
        members.setdefault(root(place), []).append(place)
    groups = list(members.values())
    sides: tuple[list[int], list[int]] = ([], [])
    # The largest first, or a late large group could not be balanced any more; equals in random order.
    order = np.random.default_rng(seed).permutation(len(groups)).tolist()
    for index in sorted(order, key=lambda i: -len(groups[i])):
        min(sides, key=len).extend(groups[index])
    return sorted(sides[0]), sorted(sides[1])
