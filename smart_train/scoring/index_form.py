"""The form in which an index keeps documents, and that of queries to it: `width`, `pool_factor` and `stored_as` of
`ScoringConfig`."""

from __future__ import annotations

from smart_train.errors import ScoreError
from smart_train.scoring.embeddings import Embeddings
from smart_train.scoring.hybrid import ScoringConfig


def documents_for_index(documents: Embeddings, scoring: ScoringConfig) -> Embeddings:
    """Documents as an index under `scoring` keeps them: fewer tokens, then fewer dimensions, then fewer bits. The same
    object where `scoring` leaves them as they are.

    Tokens are pooled at their full width: what is alike is decided by all that the model says of them.

    Raises:
        ScoreError: a width beyond the embeddings' own.
    """
    pooled = documents.pool_tokens(scoring.pool_factor, show_progress_bar=False)
    return _cut(pooled, scoring).quantize(scoring.stored_as)


def queries_for_index(queries: Embeddings, scoring: ScoringConfig) -> Embeddings:
    """Queries as wide as those documents. They keep all their tokens and bits: there are few of them."""
    return _cut(queries, scoring)


def _cut(embeddings: Embeddings, scoring: ScoringConfig) -> Embeddings:
    if scoring.width is None:
        return embeddings
    if scoring.width > embeddings.widest:
        raise ScoreError(
            f"scoring.width {scoring.width}: the model's vectors are {embeddings.widest} wide; choose a width of at "
            "most that, or null for all of it"
        )
    return embeddings.truncate(scoring.width)
