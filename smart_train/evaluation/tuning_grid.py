"""Which settings `tune` tries: lists of choices, checked against a model, and the scoring configurations they make."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from smart_train.errors import DataError, ModelError, ScoreError, did_you_mean
from smart_train.evaluation.metrics import MRR_DEPTH, metric_names
from smart_train.scoring import ScoringConfig

if TYPE_CHECKING:
    from smart_train.models import SmartModel

Weights = tuple[float, float]  # pooled, late

# Only the ratio changes a ranking. Steps of two, because nDCG moves little within one.
WEIGHTS: tuple[Weights, ...] = (
    (1, 0), (8, 1), (4, 1), (2, 1), (1, 1), (1, 2), (1, 4), (1, 8), (1, 16), (1, 32), (0, 1),
)  # fmt: skip
POOL_FACTORS = (1, 2, 4)
FORMATS = ("float32", "bfloat16", "int8")
# Fields of `TuningGrid` -> of `ScoringConfig`, where the name is another.
_KEYS = {"layers": "layer", "widths": "width", "pool_factors": "pool_factor"}
_METRIC = re.compile(r"(?:ndcg|recall)@([1-9]\d*)")


@dataclass(frozen=True)
class TuningGrid:
    """Choices of each setting. The first five say what is scored and are crossed with each other; the last three say
    how documents are stored and are crossed for the best of the first.

    Args:
        weights: (pooled weight, late weight).
        layers: numbered as `scoring.layer`. None: the model's own, the last two, and the middle one.
        query_tokens, document_tokens: token filters. None: the model's own, "content" and "all"; of documents also
            "visual" where the model reads images.
        pooled_token: None is both, "keep" and "drop".
        widths: dimensions kept of each vector; None among them is all. None: all of them, a half and a quarter.
        pool_factors: of `Embeddings.pool_tokens`. stored_as: number formats of `Embeddings.quantize`.

    Raises:
        DataError: an empty list. ScoreError: a value that no scoring configuration can have.
    """

    weights: tuple[Weights, ...] = WEIGHTS
    layers: tuple[int, ...] | None = None
    query_tokens: tuple[str, ...] | None = None
    document_tokens: tuple[str, ...] | None = None
    pooled_token: tuple[str, ...] | None = None
    widths: tuple[int | None, ...] | None = None
    pool_factors: tuple[int, ...] = POOL_FACTORS
    stored_as: tuple[str, ...] = FORMATS

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if value is not None and not value:
                raise DataError(f"tune: {item.name}: is empty; name at least one choice, or leave it out")
            for choice in value or ():
                _check_choice(item.name, choice)

    def checked(self, model: SmartModel) -> TuningGrid:
        """The grid with every choice that was left open filled in for `model`.

        Raises:
            ModelError: a layer that the model does not have, a layer where a token projection reads its own, a filter
                for images that it does not read, or a width beyond its own.
        """
        in_force, images = model.scoring, "image" in model.family.modalities
        tokens = model.hidden_size if model.projection is None else model.projection.dim
        widest = min(model.hidden_size, tokens)
        filters = _once((in_force.query_tokens, "content", "all"))
        documents = _once((in_force.document_tokens, "content", *(("visual",) if images else ()), "all"))
        filled = replace(
            self,
            layers=_layers(self.layers, model),
            query_tokens=self.query_tokens or filters,
            document_tokens=self.document_tokens or documents,
            pooled_token=self.pooled_token or ("keep", "drop"),
            widths=_once(
                # What changes nothing is written as such; of a narrow projection it also cuts the pooled vector.
                None if width == model.hidden_size == tokens else width
                for width in self.widths or (None, max(widest // 2, 1), max(widest // 4, 1))
            ),
        )
        for side in ("query_tokens", "document_tokens"):
            if "visual" in (getattr(filled, side) or ()) and not images:
                raise ModelError(f"tune: {side} 'visual': {model.family.name} reads no images; leave it out")
        for width in filled.widths or ():
            if isinstance(width, int) and width > widest:
                raise ModelError(f"tune: widths {width}: the model's vectors are {widest} wide; choose at most that")
        return filled

    def contents(self, own: ScoringConfig) -> list[ScoringConfig]:
        """What is scored: every choice of layer, filters, pooled token and weights, stored as `own` stores."""
        assert self.layers and self.query_tokens and self.document_tokens and self.pooled_token, "`checked` fills them"
        kinds = product(self.layers, self.query_tokens, self.document_tokens, self.pooled_token)
        return self._weighed(
            [
                replace(own, layer=layer, query_tokens=queries, document_tokens=documents, pooled_token=pooled)
                for layer, queries, documents, pooled in kinds
            ]
        )

    def forms(self, base: ScoringConfig) -> list[ScoringConfig]:
        """How documents are stored: every choice of width, pooling and number format, scored as `base` scores and under
        all weights, because a coarser form may want others."""
        assert self.widths, "`checked` fills them"
        kinds = product(self.pool_factors, self.widths, self.stored_as)
        return self._weighed(
            [replace(base, pool_factor=factor, width=width, stored_as=form) for factor, width, form in kinds]
        )

    def _weighed(self, bases: Sequence[ScoringConfig]) -> list[ScoringConfig]:
        return [
            replace(base, pooled_weight=pooled, late_weight=late) for base in bases for pooled, late in self.weights
        ]


def _check_choice(name: str, choice: Any) -> None:
    """Raises ScoreError where no scoring configuration can have `choice` of the field `name`; names the field, which is
    what the user wrote, and not the key that it would become."""
    if name == "weights":
        values = dict(zip(("pooled_weight", "late_weight"), choice, strict=True))
        shown = ":".join(f"{weight:g}" if isinstance(weight, float) else repr(weight) for weight in choice)
    else:
        values, shown = {_KEYS.get(name, name): choice}, repr(choice)
    try:
        ScoringConfig(**values)
    except ScoreError as error:
        raise ScoreError(f"tune: {name} {shown}: {str(error).partition('; ')[2]}") from error


def read_weights(texts: Iterable[str]) -> tuple[Weights, ...]:
    """`POOLED:LATE` -> weights. Raises DataError for anything else; whether they can be weights, `TuningGrid` says."""
    weights = []
    for text in texts:
        pooled, colon, late = text.partition(":")
        try:
            weights.append((float(pooled), float(late)))
        except ValueError:
            colon = ""
        if not colon:
            raise DataError(f"weights {text!r}: must read POOLED:LATE, such as 1:4")
    return tuple(weights)


def check_metric(metric: str) -> int:
    """The cut-off of `metric`: "ndcg@K", "recall@K" for any K, or "mrr@10". Raises DataError for another name."""
    match = _METRIC.fullmatch(metric)
    if match:
        return int(match[1])
    names = metric_names((1, 5, 10))
    if metric == names[-1]:
        return MRR_DEPTH
    hint = did_you_mean(metric, names) or "."
    raise DataError(f"metric {metric!r}: unknown{hint} Choose ndcg@K, recall@K or {names[-1]}")


def _layers(requested: Sequence[int] | None, model: SmartModel) -> tuple[int, ...]:
    in_force, count = model.scoring.layer, model.config.get_text_config().num_hidden_layers
    if model.head is not None:
        if requested not in (None, (in_force,)):
            kind = "a token projection" if model.projection is not None else f"a head of its own ({model.family.name})"
            raise ModelError(
                f"tune: layers {', '.join(map(str, requested or ()))}: the model has {kind}, which reads "
                f"the layers it was trained on ({', '.join(map(str, model.token_layers))}); leave the layers out"
            )
        return (in_force,)
    for layer in requested or ():
        if not -count - 1 <= layer <= count:
            nearest = count if layer > 0 else -count - 1
            raise ModelError(
                f"tune: layers {layer}: the model has hidden states {-count - 1} .. {count}, nearest: {nearest}"
            )
    layers = requested or (in_force, -1, count - 1, count // 2)
    # The same state under two numbers would be encoded and measured twice.
    return tuple({layer % (count + 1): layer for layer in reversed(layers)}.values())[::-1]


def _once(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))
