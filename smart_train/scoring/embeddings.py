"""`Embeddings`: the pooled vectors and kept token states of a set, cut, moved, saved and made smaller."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from smart_train.errors import DataError, ScoreError
from smart_train.scoring.number_formats import recoded
from smart_train.scoring.token_clusters import clustered
from smart_train.utils.terms import NUMBER_FORMATS

EMBEDDINGS_FORMAT = "smart_train.embeddings.1"  # in the header of every file that `Embeddings.save` writes
PROGRESS_FROM = 200  # items, from which clustering takes long enough to want a progress bar


class Embeddings:
    """Pooled vectors and kept token states of a set of queries or documents.

    Args:
        pooled: [N, D] float, L2-normalised; [N, 0] of a model that is late only, which has no pooled vector.
        tokens: kept token states, either packed [sum T, d] (with `offsets`) or a sequence of [T_i, d].
        offsets: int64 [N + 1], rising, first 0, last sum T; only with packed tokens.
        scales: fp32 [sum T], with int8 tokens only (see `quantize`): a state is its scale times its integers.
        numbers: the offsets as numbers, where they are known in main memory.

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
        numbers: list[int] | None = None,
    ) -> None:
        if offsets is None:
            if isinstance(tokens, Tensor):
                raise ScoreError("Embeddings: packed tokens need `offsets`; pass a list of [T_i, d] tensors otherwise")
            lengths = [int(item.shape[0]) for item in tokens]
            width = tokens[0].shape[1] if tokens else 0
            packed = torch.cat(list(tokens)) if tokens else pooled.new_zeros(0, width)
            numbers = list(accumulate(lengths, initial=0))
            offsets = torch.tensor(numbers, dtype=torch.int64, device=packed.device)
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
        self._numbers = numbers

    @property
    def numbers(self) -> list[int]:
        """The offsets in main memory; read from the device, and so waited for, once at most."""
        if self._numbers is None:
            self._numbers = self.offsets.tolist()
        return self._numbers

    @property
    def tokens(self) -> list[Tensor]:
        """Views [T_i, d] into the packed tokens, one per item."""
        return list(self.packed.split(self.lengths.tolist()))

    @property
    def lengths(self) -> Tensor:
        """int64 [N]: how many tokens each item keeps."""
        return self.offsets.diff()

    @property
    def late_only(self) -> bool:
        """Whether there are no pooled vectors, only tokens."""
        return self.pooled.shape[1] == 0

    @property
    def widest(self) -> int:
        """How many dimensions every vector has: the pooled width, where there is one, or the token width."""
        return self.packed.shape[1] if self.late_only else min(self.pooled.shape[1], self.packed.shape[1])

    @property
    def device(self) -> torch.device:
        return self.packed.device

    def __len__(self) -> int:
        return len(self.pooled)

    def __getitem__(self, index: int | slice | Sequence[int] | Tensor) -> Embeddings:
        """The chosen items as Embeddings of their own, which keep none of this one's memory; an int gives a set of
        one."""
        places = torch.atleast_1d(torch.arange(len(self), device=self.offsets.device)[index])
        starts, stops = self.offsets[places], self.offsets[places + 1]
        offsets = torch.cat([starts.new_zeros(1), (stops - starts).cumsum(0)])
        spans = torch.stack([starts, stops], dim=1).tolist()
        return Embeddings(
            self.pooled[places],
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
        pooled, offsets = self.pooled.to(*args, **kwargs), self.offsets.to(packed.device)
        return Embeddings(pooled, packed, offsets, scales=scales, numbers=self._numbers)

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
        """Writes a safetensors file, under a temporary name first, so that `path` is never half a file. Its header
        holds a digest of every tensor."""
        from smart_train.utils.tensors import save_tensors

        return save_tensors(path, self.parts(), {"format": EMBEDDINGS_FORMAT})

    @classmethod
    def load(cls, path: str | Path, device: str | torch.device = "cpu") -> Embeddings:
        """What `save` wrote, on `device`.

        Raises:
            DataError: no such file, not a file of embeddings, cut off, damaged, or offsets that do not add up.
        """
        from smart_train.utils.tensors import load_tensors

        if not Path(path).is_file():
            raise DataError(f"{path}: no such file; Embeddings.save writes one")
        tensors, header = load_tensors(path)
        if header.get("format") != EMBEDDINGS_FORMAT:
            raise DataError(
                f"{path}: format is {header.get('format')!r}, not the {EMBEDDINGS_FORMAT!r} of Embeddings.save"
            )
        try:
            return cls.from_parts({name: tensor.to(device) for name, tensor in tensors.items()})
        except ScoreError as error:
            raise DataError(f"{path}: its tensors do not fit together: {error}") from error

    def truncate(self, dim: int) -> Embeddings:
        """The first `dim` dimensions of pooled vectors and tokens, L2-normalised again; without a graph.

        A model keeps its quality under this only if it was trained for it (Matryoshka representation learning,
        arXiv 2205.13147).

        Raises:
            ScoreError: `dim` below 1, or above the pooled or the token width.
        """
        if not 1 <= dim <= self.widest:
            raise ScoreError(
                f"truncate: dim is {dim}; it must lie between 1 and {self.widest} (pooled vectors are "
                f"{self.pooled.shape[1]} wide, tokens {self.packed.shape[1]})"
            )
        plain = self.quantize("float32")
        pooled = _cut(plain.pooled, dim).to(self.pooled.dtype)
        return Embeddings(pooled, _cut(plain.packed, dim), plain.offsets).stored_as(self.packed.dtype)

    def pool_tokens(self, factor: int, show_progress_bar: bool | None = None) -> Embeddings:
        """Each item's T tokens as at most ceil(T / factor) L2-normalised cluster means, in order of first appearance;
        without a graph. Similar neighbours, such as the patches of an empty margin, become one token.

        Args:
            factor: at least 1; 1 changes nothing.
            show_progress_bar: None shows one for `PROGRESS_FROM` items or more.

        Raises:
            ScoreError: `factor` is not a whole number of at least 1, or states are NaN or infinite.
        """
        from tqdm.auto import tqdm

        if isinstance(factor, bool) or not isinstance(factor, int) or factor < 1:
            raise ScoreError(f"pool_tokens: factor is {factor!r}; it must be a whole number of at least 1")
        if factor == 1 or not len(self):
            return self
        plain = self.quantize("float32")
        if not plain.packed.isfinite().all():
            bad = [place for place, item in enumerate(plain.tokens) if not item.isfinite().all()]
            raise ScoreError(f"pool_tokens: items {bad[:5]} have token states that are NaN or infinite")
        show = len(self) >= PROGRESS_FROM if show_progress_bar is None else show_progress_bar
        items = [clustered(item, factor) for item in tqdm(plain.tokens, desc="Pooling tokens", disable=not show)]
        return Embeddings(plain.pooled, items).stored_as(self.packed.dtype)

    def quantize(self, dtype: str) -> Embeddings:
        """Tokens stored as "float32", "bfloat16", "float16" or "int8"; pooled vectors stay as they are; without a
        graph. "float32" undoes int8 up to half a step.

        Raises:
            ScoreError: another `dtype`, or states that are NaN or infinite when integers are asked for.
        """
        packed, scales = recoded(self.packed, self.scales, dtype)
        if packed is self.packed:
            return self
        return Embeddings(self.pooled, packed, self.offsets, scales=scales)

    def stored_as(self, dtype: torch.dtype) -> Embeddings:
        """`quantize` by the dtype that another set's tokens have; float32 for a dtype that it does not know."""
        name = str(dtype).removeprefix("torch.")
        return self.quantize(name if name in NUMBER_FORMATS else "float32")


@torch.no_grad()
def _cut(states: Tensor, dim: int) -> Tensor:
    """The first `dim` dimensions of states [R, d], L2-normalised again, fp32."""
    return F.normalize(states[:, :dim].float(), dim=1)


def _spans(rows: Tensor, spans: list[list[int]]) -> Tensor:
    """rows[start:stop] of every span, end to end. Differentiable."""
    return torch.cat([rows[start:stop] for start, stop in spans]) if spans else rows[:0].clone()
