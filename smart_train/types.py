"""The vocabulary of the house. No model, no file format, no score lives here.

Shape legend, used in every docstring of the package:

    Q  queries              N  documents          B  batch (either)
    T  tokens of one item   D  pooled width       d  token width
    sum T  all tokens of a set, packed end to end; `offsets` [B + 1] says where each item starts
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from smart_train.errors import DataError, ScoreError
from smart_train.utils.atomic import replace_whole

EMBEDDINGS_FORMAT = "smart_train.embeddings.1"  # in the header of every file that `Embeddings.save` writes


@dataclass(frozen=True)
class ModelInput:
    """One query or one document, before any model has seen it.

    `images` holds paths, URLs, encoded bytes or PIL images; `video` a path, a URL or a list of frames.
    Decoding waits until `inputs.images.load_image` and `inputs.video.load_video`, which the data loader's workers call.
    """

    text: str | None = None
    images: tuple[Any, ...] = ()
    video: Any | None = None
    instruction: str | None = None


@dataclass(frozen=True)
class Example:
    """A training or evaluation row: a query, its positive document, and any explicit negatives.

    `documents[0]` is the positive; `document_ids` runs parallel to it. `source` and `row` (0-based) are for messages.

    `scores` are a teacher's, for distillation: parallel to `documents` (the positive's first), None for a document that
    the teacher did not score; empty where the row has none at all. `task` names the kind of row it is. `grade` says how
    relevant the positive is, for evaluation by graded judgements.
    """

    query: ModelInput
    documents: tuple[ModelInput, ...]
    query_id: str
    document_ids: tuple[str, ...]
    source: str
    row: int
    scores: tuple[float | None, ...] = ()
    task: str | None = None
    grade: int = 1

    @property
    def where(self) -> str:
        return f"{self.source}, row {self.row}"


class ScoreParts(NamedTuple):
    """The two terms of the SMART score, fp32 [Q, N] each; a term that was not asked for is None."""

    pooled: Tensor | None
    late: Tensor | None


class LossOutput(NamedTuple):
    """A loss as named scalar parts (already weighted); the total is their sum, so logs always add up.

    `metrics` are detached scalars worth logging that are not part of the loss. A tuple, because engines that shard a
    model look for tensors in what its modules return, and know plain containers only.
    """

    parts: dict[str, Tensor]
    metrics: dict[str, Tensor]

    @property
    def total(self) -> Tensor:
        return sum(self.parts.values())  # type: ignore[return-value]


class Embeddings:
    """Pooled vectors and kept token states of a set of queries or documents.

    Args:
        pooled: [N, D] float, L2-normalised.
        tokens: kept token states, either packed [sum T, d] (with `offsets`) or a sequence of [T_i, d].
        offsets: int64 [N + 1], rising, first 0, last sum T; only with packed tokens.
        scales: fp32 [sum T], with int8 tokens only (see `quantize`): a state is its scale times its integers.

    Tokens stay packed: a ragged set costs no more memory than its valid tokens, and nothing ever has to guess which
    rows are padding. `tokens` hands out views.
    """

    def __init__(
        self,
        pooled: Tensor,
        tokens: Tensor | Sequence[Tensor],
        offsets: Tensor | None = None,
        *,
        scales: Tensor | None = None,
    ) -> None:
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
        if (packed.dtype == torch.int8) != (scales is not None) or (scales is not None and len(scales) != len(packed)):
            raise ScoreError(
                f"Embeddings: {packed.dtype} tokens [{len(packed)}, d] with "
                f"{'no scales' if scales is None else f'{len(scales)} scales'}; int8 tokens need one each, others none"
            )
        self.pooled = pooled
        self.packed = packed
        self.offsets = offsets
        self.scales = scales

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
        """The chosen items as Embeddings of their own, which keep none of this one's memory; an int gives a set of
        one."""
        if isinstance(index, int):
            index = [index]
        chosen = torch.arange(len(self), device=self.offsets.device)[index]
        starts, stops = self.offsets[chosen], self.offsets[chosen + 1]
        offsets = torch.cat([starts.new_zeros(1), (stops - starts).cumsum(0)])
        spans = torch.stack([starts, stops], dim=1).tolist()
        return Embeddings(
            self.pooled[chosen],
            _spans(self.packed, spans),
            offsets,
            scales=None if self.scales is None else _spans(self.scales, spans),
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
        """All items of `parts`, in order; a single part itself. Differentiable."""
        parts = list(parts)
        if len(parts) == 1:
            return parts[0]
        if not parts:
            raise ScoreError("Embeddings.concatenate: nothing to concatenate")
        lengths = torch.cat([part.lengths for part in parts])
        offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        scales = [part.scales for part in parts if part.scales is not None]
        if len(scales) not in (0, len(parts)):
            raise ScoreError("Embeddings.concatenate: some parts hold int8 tokens, others do not; quantize them alike")
        return cls(
            torch.cat([part.pooled for part in parts]),
            torch.cat([part.packed for part in parts]),
            offsets,
            scales=torch.cat(scales) if scales else None,
        )

    def to(self, *args: Any, **kwargs: Any) -> Embeddings:
        """Pooled vectors and tokens moved or cast as `Tensor.to` does; offsets follow the device only.

        Raises:
            ScoreError: int8 tokens cannot be cast by themselves; `quantize` does it.
        """
        packed = self.packed.to(*args, **kwargs)
        scales = None
        if self.scales is not None:
            if packed.dtype != torch.int8:
                raise ScoreError(f"Embeddings.to: int8 tokens cannot be cast to {packed.dtype}; use quantize")
            scales = self.scales.to(packed.device)
        return Embeddings(self.pooled.to(*args, **kwargs), packed, self.offsets.to(packed.device), scales=scales)

    def parts(self) -> dict[str, Tensor]:
        """Every tensor by name, for a file or another process: `from_parts` makes the same Embeddings of them."""
        parts = {"pooled": self.pooled, "packed": self.packed, "offsets": self.offsets}
        return parts if self.scales is None else {**parts, "scales": self.scales}

    @classmethod
    def from_parts(cls, parts: Mapping[str, Tensor]) -> Embeddings:
        """The Embeddings whose `parts` these are.

        Raises:
            ScoreError: one is missing, or they do not fit together.
        """
        missing = [name for name in ("pooled", "packed", "offsets") if name not in parts]
        if missing:
            raise ScoreError(f"Embeddings: lacks {', '.join(missing)}")
        offsets = parts["offsets"]
        if not len(offsets) or offsets[0] != 0 or offsets[-1] != len(parts["packed"]) or (offsets.diff() < 0).any():
            raise ScoreError("Embeddings: offsets must start at 0, never fall, and end at the number of token rows")
        return cls(parts["pooled"], parts["packed"], offsets, scales=parts.get("scales"))

    def save(self, path: str | Path) -> Path:
        """Writes a safetensors file, under a temporary name first, so that `path` is never half a file."""
        from safetensors.torch import save_file

        # Clones: safetensors refuses tensors that share storage, as views of one encoding do.
        tensors = {name: tensor.detach().clone().contiguous() for name, tensor in self.parts().items()}
        metadata = {"format": EMBEDDINGS_FORMAT}
        return replace_whole(path, lambda temporary: save_file(tensors, temporary, metadata=metadata))

    @classmethod
    def load(cls, path: str | Path, device: str | torch.device = "cpu") -> Embeddings:
        """What `save` wrote, on `device`.

        Raises:
            DataError: no such file, not a file of embeddings, cut off, or offsets that do not add up.
        """
        from safetensors import SafetensorError, safe_open

        if not Path(path).is_file():
            raise DataError(f"{path}: no such file; Embeddings.save writes one")
        try:
            with safe_open(path, framework="pt", device=str(device)) as file:
                written = (file.metadata() or {}).get("format")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        except SafetensorError as error:
            raise DataError(f"{path}: not a whole safetensors file ({error})") from error
        if written != EMBEDDINGS_FORMAT:
            raise DataError(f"{path}: format is {written!r}, not the {EMBEDDINGS_FORMAT!r} of Embeddings.save")
        try:
            return cls.from_parts(tensors)
        except ScoreError as error:
            raise DataError(f"{path}: its tensors do not fit together: {error}") from error

    def truncate(self, dim: int) -> Embeddings:
        """The first `dim` dimensions, L2-normalised again; see `smart_train.scoring.compress.truncate`."""
        from smart_train.scoring.compress import truncate

        return truncate(self, dim)

    def pool_tokens(self, factor: int, show_progress_bar: bool | None = None) -> Embeddings:
        """About 1 / `factor` of the tokens, by clustering; see `smart_train.scoring.compress.pool_tokens`."""
        from smart_train.scoring.compress import pool_tokens

        return pool_tokens(self, factor, show_progress_bar)

    def quantize(self, dtype: str) -> Embeddings:
        """Tokens as "int8", "float16", "bfloat16" or "float32"; see `smart_train.scoring.compress.quantize`."""
        from smart_train.scoring.compress import quantize

        return quantize(self, dtype)


def _spans(rows: Tensor, spans: list[list[int]]) -> Tensor:
    """rows[start:stop] of every span, end to end. Differentiable."""
    return torch.cat([rows[start:stop] for start, stop in spans]) if spans else rows[:0].clone()
