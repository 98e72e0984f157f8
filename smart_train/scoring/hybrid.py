"""The SMART score: pooled cosine and late interaction, and how much each of them counts.

    hybrid(q, d) = pooled_weight * <z_q, z_d>  +  late_weight * late(q, d)

(SMART, arXiv 2605.24938.) Both terms are fp32 whatever dtype the embeddings are in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from smart_train.errors import ScoreError, did_you_mean
from smart_train.scoring.checks import Checks
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.inputs import packed_set
from smart_train.scoring.maxsim import late_scores
from smart_train.types import ScoreParts
from smart_train.utils.terms import EXACT, NUMBER_FORMATS

TOKEN_FILTERS = ("content", "text", "visual", "all")
POOLED_TOKEN_CHOICES = ("keep", "drop")


@dataclass(frozen=True)
class ScoringConfig:
    """What is scored and how the two terms are weighed. Saved with a model as `smart_config.json`.

    Args:
        pooled_weight: weight of the pooled cosine; 0 leaves the term out.
        late_weight: weight of the late-interaction term; 0 leaves the term out. The paper weighs both 1.
        layer: hidden layer the token states come from; -1 is the last. The model checks the range.
        query_tokens: which of a query's tokens are kept: "content" (text and visual, no special tokens), "text",
            "visual" or "all" (everything but padding).
        document_tokens: the same for documents.
        pooled_token: whether the position that the pooled vector is read from is among the kept tokens ("keep") or not
            ("drop"). The paper drops it; the authors' published figures kept it.
        width: how many dimensions of each vector are kept when documents are indexed and queries are asked of the
            index; None keeps all. Training and the encode methods of a model do not depend on this or the next two.
        pool_factor: an index keeps at most ceil(T / pool_factor) tokens of a document of T (`Embeddings.pool_tokens`).
        stored_as: number format of the tokens in an index: "float32", "bfloat16", "float16" or "int8".

    Raises:
        ScoreError: a weight that is negative, not finite or not a number, both weights 0, a width or factor that is not
            a whole number of at least 1, or a name not listed above.
    """

    pooled_weight: float = 1.0
    late_weight: float = 1.0
    layer: int = -1
    query_tokens: str = "content"
    document_tokens: str = "content"
    pooled_token: str = "keep"
    width: int | None = None
    pool_factor: int = 1
    stored_as: str = "float32"

    def __post_init__(self) -> None:
        for name in ("pooled_weight", "late_weight"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
                raise ScoreError(f"scoring.{name} is {value!r}; it must be a finite number of at least 0")
            object.__setattr__(self, name, float(value))
        if self.pooled_weight == 0 and self.late_weight == 0:
            raise ScoreError("scoring.pooled_weight and scoring.late_weight are both 0; at least one term must count")
        if isinstance(self.layer, bool) or not isinstance(self.layer, int):
            raise ScoreError(f"scoring.layer is {self.layer!r}; it must be a whole number (-1 is the last layer)")
        for name in ("width", "pool_factor"):
            value = getattr(self, name)
            if name == "width" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ScoreError(f"scoring.{name} is {value!r}; it must be a whole number of at least 1")
        for name, allowed in (
            ("query_tokens", TOKEN_FILTERS),
            ("document_tokens", TOKEN_FILTERS),
            ("pooled_token", POOLED_TOKEN_CHOICES),
            ("stored_as", NUMBER_FORMATS),
        ):
            if getattr(self, name) not in allowed:
                raise ScoreError(f"scoring.{name} is {getattr(self, name)!r}; choose one of {', '.join(allowed)}")

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ScoringConfig:
        """The config of `values`; missing keys take their default.

        Raises:
            ScoreError: an unknown key (the nearest valid name is offered), or a value the constructor refuses.
        """
        names = [item.name for item in fields(cls)]
        for key in values:
            if key not in names:
                hint = did_you_mean(str(key), names) or f", known keys: {', '.join(names)}"
                raise ScoreError(f"scoring.{key}: unknown key{hint}")
        return cls(**values)


def score_parts(queries: Embeddings, documents: Embeddings, *, pooled: bool = True, late: bool = True) -> ScoreParts:
    """Both terms of the score, every query against every document. Differentiable.

    Args:
        queries: Q items; documents: N items. Widths and devices must agree; dtypes may differ (a stored set may be
            compressed), the narrower is widened.
        pooled: whether to compute the pooled cosine; late: whether to compute the late term.

    Returns: ScoreParts, fp32 [Q, N] each (fp64 for fp64 embeddings); a term not asked for is None.

    Raises:
        ScoreError: widths or devices that differ, or states that are NaN or infinite.
    """
    checks = Checks()
    parts = unchecked_score_parts(queries, documents, checks, pooled=pooled, late=late)
    checks.read()
    return parts


def unchecked_score_parts(
    queries: Embeddings,
    documents: Embeddings,
    checks: Checks,
    *,
    pooled: bool = True,
    late: bool = True,
    products: str = EXACT,
) -> ScoreParts:
    """`score_parts` whose caller reads `checks`, which get what would be raised of the numbers. `products`: of tokens,
    as `maxsim` takes them; pooled vectors are few."""
    return ScoreParts(
        _pooled(queries.pooled, documents.pooled, checks) if pooled else None,
        _late(queries, documents, checks, products) if late else None,
    )


def combine(parts: ScoreParts, scoring: ScoringConfig) -> Tensor:
    """The weighted sum of the terms whose weight is not 0, fp32 [Q, N].

    Raises:
        ScoreError: a term with a weight that `parts` does not hold.
    """
    total: Tensor | None = None
    for name, part, weight in (
        ("pooled", parts.pooled, scoring.pooled_weight),
        ("late", parts.late, scoring.late_weight),
    ):
        if weight == 0:
            continue
        if part is None:
            raise ScoreError(f"combine: scoring.{name}_weight is {weight} but the {name} scores were not computed")
        total = weight * part if total is None else total + weight * part
    assert total is not None  # ScoringConfig refuses two zero weights
    return total


def smart_scores(queries: Embeddings, documents: Embeddings, scoring: ScoringConfig) -> Tensor:
    """The SMART score of every query against every document, fp32 [Q, N]; terms of weight 0 are not computed."""
    parts = score_parts(queries, documents, pooled=scoring.pooled_weight > 0, late=scoring.late_weight > 0)
    return combine(parts, scoring)


def pooled_scores(queries: Tensor, documents: Tensor) -> Tensor:
    """Inner products of pooled vectors, [Q, D] x [N, D] -> fp32 [Q, N] (fp64 from fp64).

    Raises:
        ScoreError: vectors of width 0, which a model that is late only gives; widths or devices that differ; or a
            vector that is NaN or infinite (named by row).
    """
    checks = Checks()
    scores = _pooled(queries, documents, checks)
    checks.read()
    return scores


def _pooled(queries: Tensor, documents: Tensor, checks: Checks) -> Tensor:
    check_pooled(queries, documents)
    if queries.shape[1] != documents.shape[1]:
        raise ScoreError(
            f"pooled scores: queries are {queries.shape[1]} wide, documents {documents.shape[1]}; widths must be equal"
        )
    if queries.device != documents.device:
        raise ScoreError(f"pooled scores: queries are on {queries.device}, documents on {documents.device}")
    wide = torch.float64 if torch.float64 in (queries.dtype, documents.dtype) else torch.float32
    with torch.autocast(queries.device.type, enabled=False):
        scores = queries.to(wide) @ documents.to(wide).T

    def complain() -> None:
        for what, vectors in (("query", queries), ("document", documents)):
            bad = (~vectors.isfinite().all(dim=1)).nonzero().flatten().tolist()
            if bad:
                raise ScoreError(f"pooled scores: the pooled vector of {what} {bad[:20]} is NaN or infinite")
        if not scores.isfinite().all():
            raise ScoreError("pooled scores: finite vectors whose product overflows fp32")

    # One sum costs a fraction of `isfinite` over the scores; `complain` looks at them where it is not finite.
    checks.add(scores.detach().sum().isfinite(), complain)
    return scores


def check_pooled(*pooled: Tensor) -> None:
    """Raises ScoreError where one of these [N, D] is 0 wide, as a model that is late only gives it: every product would
    be 0, and rank nothing."""
    if any(vectors.shape[1] == 0 for vectors in pooled):
        raise ScoreError(
            "pooled scores: there are no pooled vectors, because the model is late only; score by tokens alone "
            "(scoring.pooled_weight 0)"
        )


def _late(queries: Embeddings, documents: Embeddings, checks: Checks, products: str) -> Tensor:
    left, right = (queries if queries.scales is None else queries.quantize("float32")).packed, documents.packed
    # Integers mean nothing without their scales, so they are multiplied as floats.
    wide = torch.promote_types(left.dtype, torch.float32 if documents.scales is not None else right.dtype)
    left, scales = left.to(wide), documents.scales
    if torch.is_grad_enabled() and (left.requires_grad or right.requires_grad) and right.dtype != wide:
        # The backward pass reads rows of the documents, which are few where there is one.
        right, scales = (right if scales is None else documents.quantize("float32").packed).to(wide), None
    tokens = packed_set(right, documents.offsets, "document", documents.numbers)
    tokens = tokens if scales is None else replace(tokens, scales=scales)
    return late_scores(left, queries.offsets, tokens, checks, products=products)
