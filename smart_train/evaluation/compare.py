"""Whether a difference between two evaluations of the same queries is more than luck.

Every query is its own control: only the differences after - before count.

p value   paired randomisation test (Fisher; for retrieval: Smucker, Allan and Carterette, CIKM 2007): if training
          did nothing, each query's difference could as well have the other sign. p is the share of sign patterns
          whose mean is at least as far from 0 as the observed one: of all patterns where there are few, otherwise of
          a sample, (1 + hits) / (1 + samples).
interval  every difference that this test would not reject (Hartigan, JASA 1969), so that 0 lies in it where p says that
          nothing was told apart, and nowhere else. A percentile bootstrap was rejected: with few queries it is too
          narrow, and left 0 out where p was 0.13.

least difference   the true mean difference that a test at this confidence finds with probability `power`, by the normal
          approximation: (z of confidence + z of power) times the standard error of the mean difference.

The same tests compare two scores of one model (`compare_scores`), paired by query likewise.

Each row is tested on its own. Among the 21 rows of the default table about one falls below 0.05 by chance alone: decide
beforehand which row is the result (the project's is hybrid nDCG@5).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from statistics import NormalDist
from typing import Any

import numpy as np

from smart_train.errors import DataError
from smart_train.evaluation.result import EvaluationResult

# Two scores of one model, whose difference `compare_scores` tests: the second minus the first.
SCORE_PAIRS = (("pooled", "late"), ("pooled", "hybrid"), ("late", "hybrid"))

SAMPLES = 10_000  # sign patterns of a test, and bootstrap samples of a mean
# Bounds the resampling matrices: patterns drawn at once times queries.
_CHUNK_CELLS = 4_000_000


@dataclass(frozen=True)
class Difference:
    """One metric of one score, before and after.

    Args:
        score, metric: for example "hybrid", "ndcg@5".
        before, after: means over the queries; difference: after - before.
        low, high: confidence interval of the difference.
        p_value: two-sided.
        better, worse: queries whose value rose, fell; the rest are unchanged.
    """

    score: str
    metric: str
    before: float
    after: float
    difference: float
    low: float
    high: float
    p_value: float
    better: int
    worse: int

    def outcome(self, confidence: float = 0.95) -> str:
        """ "better", "worse" or "not told apart", by the p value at this confidence."""
        if self.p_value >= 1 - confidence:
            return "not told apart"
        return "better" if self.difference > 0 else "worse"

    def figures(self, confidence: float = 0.95, names: tuple[str, str] = ("before", "after")) -> str:
        """The values and what the test says of them: `before 0.738, after 0.801 (+0.063, 95% interval +0.041 to
        +0.085, p <0.001)`."""
        return (
            f"{names[0]} {self.before:.3f}, {names[1]} {self.after:.3f} ({self.difference:+.3f}, {confidence:.0%} "
            f"interval {self.low:+.3f} to {self.high:+.3f}, p {p_text(self.p_value)})"
        )


@dataclass(frozen=True)
class Comparison:
    """All metrics of two evaluations, paired by query."""

    rows: list[Difference]
    queries: int
    samples: int
    confidence: float
    seed: int

    def row(self, score: str, metric: str) -> Difference:
        """The row of one score and metric; DataError lists what there is."""
        for item in self.rows:
            if (item.score, item.metric) == (score, metric):
                return item
        names = ", ".join(f"{item.score} {item.metric}" for item in self.rows)
        raise DataError(f"comparison: no row {score} {metric}; there are {names}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Comparison:
        """The comparison that `to_dict` wrote; DataError when a field is missing."""
        missing = [item.name for item in fields(cls) if item.name not in values]
        if missing:
            raise DataError(f"comparison: {', '.join(missing)} missing; this is not a saved comparison")
        rows = [Difference(**row) for row in values["rows"]]
        return cls(**{**{item.name: values[item.name] for item in fields(cls)}, "rows": rows})


def compare(
    before: EvaluationResult,
    after: EvaluationResult,
    *,
    samples: int = SAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Compares two results query by query, for every metric of every score that both have.

    Args:
        samples: sign patterns drawn; more make p and the interval steadier.
        confidence: of the interval, between 0 and 1.
        seed: the same seed gives the same numbers.

    Raises:
        DataError: other queries or another corpus size in `after` (the values would not be pairs), nothing in common,
            or a setting out of range.
    """
    _check_settings(samples, confidence)
    _check_pairs(before, after)
    names = [
        (score, metric)
        for score, columns in before.per_query.items()
        for metric in columns
        if metric in after.per_query.get(score, {})
    ]
    if not names:
        raise DataError("compare: the two results have no metric in common")
    place = {query: i for i, query in enumerate(after.query_ids)}
    order = [place[query] for query in before.query_ids]
    first = np.array([before.per_query[score][metric] for score, metric in names]).T
    second = np.array([after.per_query[score][metric] for score, metric in names]).T[order]
    return _paired(names, first, second, samples, confidence, seed)


def compare_scores(
    result: EvaluationResult, *, samples: int = SAMPLES, confidence: float = 0.95, seed: int = 0
) -> Comparison:
    """Compares the scores of one result with each other, query by query, for every metric: is hybrid better than
    pooled, or is it luck?

    Rows are called "late - pooled", "hybrid - pooled" and "hybrid - late": `after` is the first of the two, `before`
    the second.

    Args: as `compare`.

    Raises:
        DataError: the result has one score only, or a setting is out of range.
    """
    _check_settings(samples, confidence)
    values = result.per_query
    pairs = [
        (first, second, metric)
        for first, second in SCORE_PAIRS
        if first in values and second in values
        for metric in values[first]
        if metric in values[second]
    ]
    if not pairs:
        raise DataError(f"compare: the result has no two scores to compare, but {', '.join(values) or 'none'}")
    names = [(f"{second} - {first}", metric) for first, second, metric in pairs]
    before = np.array([values[first][metric] for first, _, metric in pairs]).T
    after = np.array([values[second][metric] for _, second, metric in pairs]).T
    return _paired(names, before, after, samples, confidence, seed)


def least_difference(
    differences: Sequence[float] | np.ndarray, *, confidence: float = 0.95, power: float = 0.8
) -> float | None:
    """The least true mean difference that so many queries can show, were they to differ as much as these do.

    Args:
        differences: after - before, one value per query.
        confidence: of the test.
        power: how often it finds such a difference.

    Returns:
        In the unit of the differences. None where it is not known, because fewer queries differ than `fewest_queries`:
        their p value is never small enough, and their spread says little about that of others.
    """
    values = np.asarray(differences, dtype=float)
    if np.count_nonzero(values) < fewest_queries(confidence):
        return None
    normal = NormalDist()
    reach = normal.inv_cdf((1 + confidence) / 2) + normal.inv_cdf(power)
    return reach * float(values.std(ddof=1)) / math.sqrt(len(values))


def fewest_queries(confidence: float = 0.95) -> int:
    """How many queries must differ before the test can tell anything apart: of 2^n sign patterns at least two are as
    far from 0 as the observed one, so p is at least 2 / 2^n."""
    return math.floor(1 + math.log2(1 / (1 - confidence))) + 1


def p_text(p_value: float) -> str:
    """A p value for readers: `<0.001` or three decimals."""
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _paired(
    names: Sequence[tuple[str, str]],
    first: np.ndarray,
    second: np.ndarray,
    samples: int,
    confidence: float,
    seed: int,
) -> Comparison:
    """The comparison of the columns of `first` and `second` [Q, M], which are called `names`."""
    differences = second - first
    generator = np.random.default_rng(seed)
    p_values, low, high = sign_flip_test(differences, samples, confidence, generator)
    rows = [
        Difference(
            score=score,
            metric=metric,
            before=float(first[:, i].mean()),
            after=float(second[:, i].mean()),
            difference=float(differences[:, i].mean()),
            low=float(low[i]),
            high=float(high[i]),
            p_value=float(p_values[i]),
            better=int((differences[:, i] > 0).sum()),
            worse=int((differences[:, i] < 0).sum()),
        )
        for i, (score, metric) in enumerate(names)
    ]
    return Comparison(rows, len(first), samples, confidence, seed)


def sign_flip_p_values(differences: np.ndarray, samples: int, generator: np.random.Generator) -> np.ndarray:
    """The p values of `sign_flip_test`."""
    return sign_flip_test(differences, samples, 0.95, generator)[0]


def sign_flip_test(
    differences: np.ndarray, samples: int, confidence: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two-sided p value and interval of the mean of every column of differences [Q, M], by flipping signs of whole
    queries; each [M].

    All 2^Q patterns are tried where that is at most `samples`. All columns see the same patterns: one draw serves every
    metric, and their dependence is kept.

    A pattern divides the queries in two halves. Its mean is as far from d as the observed one where d lies between the
    means of the halves, so each bound of the interval is a quantile of these. Where too few queries are there to reject
    any difference, it reaches from -1 to 1, as far as differences of metrics can.
    """
    count = len(differences)
    # Sums that differ by rounding alone are equal: a pattern must not miss the observed sum by its last bit.
    observed = np.abs(differences.sum(axis=0)) * (1 - 1e-9) - 1e-12
    exact = count < 63 and 2**count <= samples
    hits = np.zeros(differences.shape[1]) if exact else np.ones(differences.shape[1])
    whole = np.full((1, differences.shape[1]), np.inf)  # the observed pattern, whose other half is empty
    lower, upper = ([], []) if exact else ([-whole], [whole])
    for flips in _patterns(count, samples, exact, generator):
        flipped, sums = flips.sum(axis=1)[:, None], flips.astype(float) @ differences
        hits += (np.abs(differences.sum(axis=0) - 2 * sums) >= observed).sum(axis=0)
        empty = (flipped == 0) | (flipped == count)
        first = sums / np.maximum(flipped, 1)
        second = (differences.sum(axis=0) - sums) / np.maximum(count - flipped, 1)
        lower.append(np.where(empty, -np.inf, np.minimum(first, second)))
        upper.append(np.where(empty, np.inf, np.maximum(first, second)))
    total = 2**count if exact else 1 + samples
    place = min(math.ceil((1 - confidence) * total - 1e-9), total) - 1  # so many patterns may reach past a bound
    low = np.sort(np.concatenate(lower), axis=0)[place] - 1e-12
    high = np.sort(np.concatenate(upper), axis=0)[total - 1 - place] + 1e-12
    return hits / total, np.maximum(low, -1), np.minimum(high, 1)


def _patterns(count: int, samples: int, exact: bool, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """Which queries are flipped: 0 or 1 [chunk, count], until all patterns or `samples` of them were given."""
    total = 2**count if exact else samples
    chunk = max(1, _CHUNK_CELLS // count)
    for start in range(0, total, chunk):
        size = min(chunk, total - start)
        if exact:
            yield (np.arange(start, start + size)[:, None] >> np.arange(count)) & 1
        else:
            yield generator.integers(0, 2, size=(size, count), dtype=np.int8)


def bootstrap_interval(
    differences: np.ndarray, samples: int, confidence: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval of the mean of every column of differences [Q, M], queries drawn with replacement."""
    count = len(differences)
    chunk = max(1, _CHUNK_CELLS // count)
    means = []
    for start in range(0, samples, chunk):
        size = min(chunk, samples - start)
        # How often each query was drawn: one product then serves all columns.
        drawn = generator.multinomial(count, np.full(count, 1 / count), size=size)
        means.append(drawn @ differences / count)
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail], axis=0)
    return low, high


def _check_settings(samples: int, confidence: float) -> None:
    if samples < 1 or not 0 < confidence < 1:
        raise DataError(f"compare: samples={samples} must be at least 1 and confidence={confidence} between 0 and 1")


def _check_pairs(before: EvaluationResult, after: EvaluationResult) -> None:
    if set(before.query_ids) != set(after.query_ids):
        alone = sorted(set(before.query_ids) ^ set(after.query_ids))
        raise DataError(
            f"compare: the two results have different queries; {len(alone)} are in only one of them, such as "
            f"{alone[0]!r}"
        )
    for name, what in (("query_texts", "other texts"), ("relevant", "other relevant documents")):
        first, second = (dict(zip(item.query_ids, getattr(item, name), strict=False)) for item in (before, after))
        other = [query for query, value in first.items() if second.get(query, value) != value]
        if other:
            raise DataError(
                f"compare: {len(other)} queries have {what} under the same id in the two results, such as "
                f"{other[0]!r}; they were measured on different rows"
            )
    if before.documents != after.documents:
        raise DataError(
            f"compare: the corpus had {before.documents} documents before and {after.documents} after; it must be the "
            "same"
        )
