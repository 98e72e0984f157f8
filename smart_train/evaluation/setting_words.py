"""Scoring settings in words, and by the tokens they score and how these are stored."""

from __future__ import annotations

from typing import Any

from smart_train.scoring import ScoringConfig

_CONTENTS = ("layer", "query_tokens", "document_tokens", "pooled_token")
_FORMS = ("width", "pool_factor", "stored_as")


def described(scoring: ScoringConfig, against: ScoringConfig | None = None) -> str:
    """A setting in words: its weights, and what else is not the default, or differs from `against`."""
    return ", ".join([f"pooled:late {weights_of(scoring)}", *_differences(scoring, against or ScoringConfig())])


def content_of(scoring: ScoringConfig) -> tuple[Any, ...]:
    """Which tokens are scored."""
    return tuple(getattr(scoring, name) for name in _CONTENTS)


def form_of(scoring: ScoringConfig) -> tuple[Any, ...]:
    """How they are stored."""
    return tuple(getattr(scoring, name) for name in _FORMS)


def weights_of(scoring: ScoringConfig) -> str:
    """The two weights, as POOLED:LATE."""
    return f"{scoring.pooled_weight:g}:{scoring.late_weight:g}"


def _differences(scoring: ScoringConfig, against: ScoringConfig) -> list[str]:
    """Every setting but the weights that is another than that of `against`, as `key value`."""
    values, other = scoring.to_dict(), against.to_dict()
    return [f"{name} {_worded(values[name])}" for name in (*_CONTENTS, *_FORMS) if values[name] != other[name]]


def short_differences(scoring: ScoringConfig, against: ScoringConfig) -> list[str]:
    """Every setting but the weights that is another than that of `against`, for a narrow column."""
    values = scoring.to_dict()
    words = {
        "layer": f"layer {scoring.layer}",
        "query_tokens": f"query: {scoring.query_tokens}",
        "document_tokens": f"document: {scoring.document_tokens}",
        "pooled_token": f"{scoring.pooled_token} pooled",
        "width": f"{_worded(scoring.width)} dims",
        "pool_factor": f"1/{scoring.pool_factor} tokens",
        "stored_as": scoring.stored_as,
    }
    return [text for name, text in words.items() if values[name] != getattr(against, name)]


def _worded(value: Any) -> str:
    return "all" if value is None else str(value)
