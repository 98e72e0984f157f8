"""The vocabulary of the house. No model, no file format, no score lives here.

Shape legend, used in every docstring of the package:

    Q  queries              N  documents          B  batch (either)
    T  tokens of one item   D  pooled width       d  token width
    sum T  all tokens of a set, packed end to end; `offsets` [B + 1] says where each item starts
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from smart_train.errors import ScoreError


@dataclass(frozen=True)
class ModelInput:
    """One query or one document, before any model has seen it.

    `images` holds paths, URLs, encoded bytes or PIL images; decoding waits until `smart_train.media.load_image`, which
    the data loader's workers call.
    """

    text: str | None = None
    images: tuple[Any, ...] = ()
    video: Any | None = None
    instruction: str | None = None


@dataclass(frozen=True)
class Example:
    """A training or evaluation row: a query, its positive document, and any explicit negatives.

    `documents[0]` is the positive; `document_ids` runs parallel to it. `source` and `row` (0-based) are for messages.
    """

    query: ModelInput
    documents: tuple[ModelInput, ...]
    query_id: str
    document_ids: tuple[str, ...]
    source: str
    row: int

    @property
    def where(self) -> str:
        return f"{self.source}, row {self.row}"


class ScoreParts(NamedTuple):
    """The two terms of the SMART score, fp32 [Q, N] each; a term that was not asked for is None."""

    pooled: Tensor | None
    late: Tensor | None


@dataclass
class LossOutput:
    """A loss as named scalar parts (already weighted); the total is their sum, so logs always add up.

    `metrics` are detached scalars worth logging that are not part of the loss.
    """

    parts: dict[str, Tensor]
    metrics: dict[str, Tensor] = field(default_factory=dict)

    @property
    def total(self) -> Tensor:
        return sum(self.parts.values())  # type: ignore[return-value]


class Embeddings:
    """Pooled vectors and kept token states of a set of queries or documents.

    Args:
        pooled: [N, D] float, L2-normalised.
        tokens: kept token states, either packed [sum T, d] (with `offsets`) or a sequence of [T_i, d].
        offsets: int64 [N + 1], rising, first 0, last sum T; only with packed tokens.

    Tokens stay packed: a ragged set costs no more memory than its valid tokens, and nothing ever has to guess which
    rows are padding. `tokens` hands out views.
    """

    def __init__(self, pooled: Tensor, tokens: Tensor | Sequence[Tensor], offsets: Tensor | None = None) -> None:
        if offsets is None:
            if isinstance(tokens, Tensor):
                raise ScoreError("Embeddings: packed tokens need `offsets`; pass a list of [T_i, d] tensors otherwise")
            lengths = [int(item.shape[0]) for item in tokens]
            width = tokens[0].shape[1] if tokens else 0
            packed = torch.cat(list(tokens)) if tokens else pooled.new_zeros(0, width)
            offsets = torch.tensor([0, *lengths], dtype=torch.int64, device=packed.device).cumsum(0)
        else:
            if not isinstance(tokens, Tensor):
                raise ScoreError("Embeddings: `offsets` goes with packed tokens [sum T, d], not with a list")
            packed = tokens
        if pooled.ndim != 2 or packed.ndim != 2:
            raise ScoreError(
                f"Embeddings: pooled must be [N, D] and tokens [sum T, d]; got {tuple(pooled.shape)} and "
                f"{tuple(packed.shape)}"
            )
        if offsets.ndim != 1 or len(offsets) != len(pooled) + 1:
            raise ScoreError(f"Embeddings: {len(pooled)} pooled vectors but offsets of shape {tuple(offsets.shape)}")
        self.pooled = pooled
        self.packed = packed
        self.offsets = offsets

    @property
    def tokens(self) -> list[Tensor]:
        """Views [T_i, d] into the packed tokens, one per item."""
        return list(self.packed.split(self.lengths.tolist()))

    @property
    def lengths(self) -> Tensor:
        """int64 [N]: how many tokens each item keeps."""
        return self.offsets.diff()

    @property
    def device(self) -> torch.device:
        return self.packed.device

    def __len__(self) -> int:
        return len(self.pooled)

    def __getitem__(self, index: int | slice | Sequence[int] | Tensor) -> Embeddings:
        """The chosen items as Embeddings; an int gives a set of one."""
        if isinstance(index, int):
            index = [index]
        chosen = torch.arange(len(self), device=self.pooled.device)[index]
        tokens = self.tokens
        return Embeddings(self.pooled[chosen], [tokens[i] for i in chosen.tolist()]) if len(chosen) else Embeddings(
            self.pooled[:0], self.packed[:0], self.offsets[:1]
        )

    def __iter__(self) -> Iterator[Embeddings]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return (
            f"Embeddings(items={len(self)}, pooled_width={self.pooled.shape[1]}, tokens={self.packed.shape[0]}, "
            f"token_width={self.packed.shape[1]}, dtype={self.packed.dtype}, device={self.device})"
        )

    @classmethod
    def concatenate(cls, parts: Iterable[Embeddings]) -> Embeddings:
        """All items of `parts`, in order. Differentiable."""
        parts = list(parts)
        if not parts:
            raise ScoreError("Embeddings.concatenate: nothing to concatenate")
        lengths = torch.cat([part.lengths for part in parts])
        offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        return cls(torch.cat([part.pooled for part in parts]), torch.cat([part.packed for part in parts]), offsets)

    def to(self, *args: Any, **kwargs: Any) -> Embeddings:
        """Pooled vectors and tokens moved or cast as `Tensor.to` does; offsets follow the device only."""
        packed = self.packed.to(*args, **kwargs)
        return Embeddings(self.pooled.to(*args, **kwargs), packed, self.offsets.to(packed.device))
