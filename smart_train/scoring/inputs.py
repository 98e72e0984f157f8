"""The accepted layouts of token states, brought to one: rows [R, d] and, per item, where its span of rows lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from smart_train.errors import ScoreError

Tokens = Tensor | Sequence[Tensor] | tuple[Tensor, Tensor]
SCORED_DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
_CHECKED = 1 << 20  # numbers that are looked at at a time for one that is not finite


@dataclass(frozen=True)
class TokenSet:
    """Token states of a set of items.

    Args:
        values: [R, d] float. Rows outside every span, and holes, are padding: never read as states, whatever they hold.
        starts, lengths: per item, its first row and how many rows its span has. Spans rise and do not overlap.
        holes: bool [R], True where a row inside a span is padding; None when every span is solid.
        bounds: int64 [items + 1], the offsets of a packed set where a tensor holds them already: made anew, they would
            have to be sent to the device.
        scales: fp32 [R] with int8 values only: a state is its scale times its integers.
    """

    values: Tensor
    starts: tuple[int, ...]
    lengths: tuple[int, ...]
    holes: Tensor | None = None
    bounds: Tensor | None = None
    scales: Tensor | None = None

    def __len__(self) -> int:
        return len(self.starts)

    def packed(self) -> TokenSet:
        """The same items end to end without holes. Differentiable; no copy when they already are."""
        if self.holes is None and sum(self.lengths) == len(self.values):
            return self
        index = torch.arange(len(self.values), device=self.values.device)
        parts = [index[start : start + length] for start, length in zip(self.starts, self.lengths, strict=True)]
        lengths = self.lengths
        if self.holes is not None:
            parts = [part[~self.holes[part]] for part in parts]
            lengths = tuple(len(part) for part in parts)
        rows = torch.cat(parts) if parts else index[:0]
        scales = None if self.scales is None else self.scales[rows]
        return TokenSet(self.values[rows], tuple(_running_total(lengths)[:-1]), lengths, scales=scales)

    def without_empty(self) -> tuple[TokenSet, list[int]]:
        """The items that have tokens, and their places in this set."""
        places = [place for place, length in enumerate(self.lengths) if length]
        if len(places) == len(self):
            return self, places
        starts = tuple(self.starts[place] for place in places)
        lengths = tuple(self.lengths[place] for place in places)
        return replace(self, starts=starts, lengths=lengths, bounds=None), places

    def offsets(self) -> Tensor:
        """int64 [items + 1] of a packed set."""
        if self.bounds is not None:
            return self.bounds
        return torch.tensor(_running_total(self.lengths), dtype=torch.int64, device=self.values.device)


def token_set(tokens: Tokens, mask: Tensor | None, what: str) -> TokenSet | None:
    """`tokens` in the common layout, or None for an empty list, which has no width, dtype or device of its own.

    Args:
        tokens: padded [items, T, d]; or a list of [T_i, d]; or a tuple (values [sum T, d], offsets [items + 1]).
        mask: bool [items, T], True at tokens that count, anywhere; with padded tokens only.
        what: "query" or "document", for messages.

    Raises:
        ScoreError: something else than these, a shape, dtype, device or mask that does not fit, or offsets that do not
            add up.
    """
    if isinstance(tokens, Tensor):
        states = _from_padded(tokens, mask, what)
    elif mask is not None:
        raise ScoreError(f"maxsim: {what}_mask goes with padded {what} states [items, T, d] only")
    elif not isinstance(tokens, Sequence) or not all(isinstance(part, Tensor) for part in tokens):
        raise ScoreError(
            f"maxsim: {what} states are {_described(tokens)}; they must be a tensor [items, T, d], a list of tensors "
            "[T_i, d], or a pair of tensors (values, offsets)"
        )
    elif isinstance(tokens, tuple) and len(tokens) == 2 and tokens[1].ndim == 1:
        states = packed_set(*tokens, what)
    elif len(tokens) == 0:
        return None
    else:
        states = _from_list(tokens, what)
    if states.values.dtype not in SCORED_DTYPES:
        raise ScoreError(
            f"maxsim: {what} states are {states.values.dtype}; they must be one of {_names(SCORED_DTYPES)}"
        )
    return states


def check_pair(left: Tensor, right: Tensor, *, stored: bool = False) -> None:
    """Refuses query states `left` [.., d] and document states `right` that cannot be multiplied.

    Args:
        stored: `right` may be of a narrower dtype, and is widened as it is multiplied.

    Raises:
        ScoreError: widths, dtypes or devices that differ.
    """
    if left.shape[1] != right.shape[1]:
        raise ScoreError(f"maxsim: queries are {left.shape[1]} wide, documents {right.shape[1]}; widths must be equal")
    if left.dtype != right.dtype and not stored:
        raise ScoreError(f"maxsim: queries are {left.dtype}, documents {right.dtype}; cast one side to the other's")
    if left.device != right.device:
        raise ScoreError(f"maxsim: queries are on {left.device}, documents on {right.device}")


@torch.no_grad()
def check_finite(states: TokenSet, what: str) -> None:
    """Refuses states that are NaN or infinite; padding may be either.

    Raises:
        ScoreError: such states, named by item and token.
    """
    if not total(states.values, states.scales).isfinite():
        _name_bad_rows(states, what)


def total(values: Tensor, scales: Tensor | None = None) -> Tensor:
    """A number that is finite unless a state of [R, d] may be NaN or infinite. It costs a fraction of `isfinite`.

    Args:
        scales: of int8 states, which are finite where these are.
    """
    if scales is not None:
        return scales.sum()
    # In the states' own dtype: asked for a wider one, torch would first make a wide copy. Finite fp16 states of a large
    # set would overflow, so only a row of them is added up at a time.
    return values.sum(dim=1).float().sum() if values.dtype == torch.float16 else values.sum()


def accumulation_dtype(dtype: torch.dtype) -> torch.dtype:
    """What scores of such states are added up and returned in: fp64 for fp64, fp32 for everything else."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def checked_offsets(offsets: Tensor, rows: int, what: str, numbers: list[int] | None = None) -> list[int]:
    """`offsets` [items + 1] as numbers; waits for their device unless these are given.

    Raises:
        ScoreError: not whole numbers in one dimension, not starting at 0, falling, or not ending at `rows`.
    """
    if offsets.ndim != 1 or len(offsets) == 0 or offsets.is_floating_point() or offsets.dtype == torch.bool:
        raise ScoreError(
            f"maxsim: {what} offsets are {offsets.dtype} of shape {tuple(offsets.shape)}; they must be whole numbers "
            "[items + 1]"
        )
    numbers = offsets.tolist() if numbers is None else numbers
    if numbers[0] != 0 or numbers[-1] != rows or any(b < a for a, b in zip(numbers, numbers[1:], strict=False)):
        raise ScoreError(
            f"maxsim: {what} offsets {_shortened(numbers)} do not add up: they must start at 0, never fall, and end at "
            f"the number of rows, {rows}"
        )
    return numbers


def packed_set(values: Tensor, offsets: Tensor, what: str, numbers: list[int] | None = None) -> TokenSet:
    """Packed states [sum T, d] of items that begin at `offsets` [items + 1]; `numbers`: these, where they are known.

    Raises:
        ScoreError: a shape that does not fit, or offsets that do not add up.
    """
    if values.ndim != 2:
        raise ScoreError(f"maxsim: packed {what} states have shape {tuple(values.shape)}; they must be [sum T, d]")
    numbers = checked_offsets(offsets, len(values), what, numbers)
    lengths = tuple(b - a for a, b in zip(numbers, numbers[1:], strict=False))
    return TokenSet(values, tuple(numbers[:-1]), lengths, bounds=offsets)


def _from_padded(tokens: Tensor, mask: Tensor | None, what: str) -> TokenSet:
    if tokens.ndim != 3:
        raise ScoreError(f"maxsim: {what} states have shape {tuple(tokens.shape)}; padded states must be [items, T, d]")
    items, width = tokens.shape[0], tokens.shape[1]
    values = tokens.reshape(items * width, tokens.shape[2])
    starts = tuple(range(0, items * width, width)) if width else (0,) * items
    if mask is None:
        return TokenSet(values, starts, (width,) * items)
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        kind = mask.dtype if isinstance(mask, Tensor) else f"a {type(mask).__name__}"
        raise ScoreError(f"maxsim: {what}_mask is {kind}; it must be boolean, True at the tokens that count")
    if mask.shape != tokens.shape[:2]:
        raise ScoreError(
            f"maxsim: {what}_mask has shape {tuple(mask.shape)}; states {tuple(tokens.shape)} need "
            f"{tuple(tokens.shape[:2])}"
        )
    if mask.device != tokens.device:
        raise ScoreError(f"maxsim: {what}_mask is on {mask.device}, the states on {tokens.device}")
    if not mask.numel():
        return TokenSet(values, starts, (0,) * items)
    place = torch.arange(width, device=mask.device)
    first = torch.where(mask, place, width).amin(dim=1)
    stop = torch.where(mask, place + 1, 0).amax(dim=1)
    counts, first, stop = torch.stack([mask.sum(dim=1), first, stop]).tolist()
    lengths = tuple(b - a if count else 0 for count, a, b in zip(counts, first, stop, strict=True))
    starts = tuple(start + (a if length else 0) for start, a, length in zip(starts, first, lengths, strict=True))
    solid = all(count == length for count, length in zip(counts, lengths, strict=True))
    return TokenSet(values, starts, lengths, None if solid else ~mask.reshape(-1))


def _from_list(tokens: Sequence[Tensor], what: str) -> TokenSet:
    first = tokens[0]
    for place, item in enumerate(tokens):
        if item.ndim != 2:
            raise ScoreError(f"maxsim: {what} {place} has shape {tuple(item.shape)}; every item must be [T_i, d]")
        for name in ("dtype", "device"):
            if getattr(item, name) != getattr(first, name):
                raise ScoreError(
                    f"maxsim: {what} {place} has {name} {getattr(item, name)}, {what} 0 has {getattr(first, name)}"
                )
        if item.shape[1] != first.shape[1]:
            raise ScoreError(f"maxsim: {what} {place} is {item.shape[1]} wide, {what} 0 is {first.shape[1]}")
    lengths = tuple(len(item) for item in tokens)
    return TokenSet(torch.cat(list(tokens)), tuple(_running_total(lengths)[:-1]), lengths)


def _name_bad_rows(side: TokenSet, what: str) -> None:
    # Some rows at a time: `isfinite` makes copies of what it looks at.
    rows = max(_CHECKED // max(side.values.shape[1], 1), 1)
    bad = torch.cat([~part.isfinite().all(dim=1) for part in side.values.split(rows)])
    if side.scales is not None:
        bad |= ~side.scales.isfinite()
    if side.holes is not None:
        bad &= ~side.holes
    before = torch.cat([bad.new_zeros(1, dtype=torch.int64), bad.cumsum(0)])  # bad rows before each row
    starts = torch.tensor(side.starts, dtype=torch.int64, device=bad.device)
    lengths = torch.tensor(side.lengths, dtype=torch.int64, device=bad.device)
    items = (before[starts + lengths] > before[starts]).nonzero().flatten().tolist()
    if items:
        named = [
            f"{what} {item} (token {int(bad[side.starts[item] : side.starts[item] + side.lengths[item]].nonzero()[0])})"
            for item in items[:5]
        ]
        more = f" and {len(items) - 5} more" if len(items) > 5 else ""
        raise ScoreError(f"maxsim: token states that are NaN or infinite: {', '.join(named)}{more}")


def _described(tokens: object) -> str:
    if not isinstance(tokens, Sequence) or isinstance(tokens, str):
        return f"a {type(tokens).__name__}"
    other = next(type(part).__name__ for part in tokens if not isinstance(part, Tensor))
    return f"a {type(tokens).__name__} that holds a {other}"


def _running_total(lengths: Sequence[int]) -> list[int]:
    totals = [0]
    for length in lengths:
        totals.append(totals[-1] + length)
    return totals


def _shortened(numbers: list[int]) -> str:
    return str(numbers) if len(numbers) <= 8 else f"[{', '.join(map(str, numbers[:4]))}, ..., {numbers[-1]}]"


def _names(dtypes: Sequence[torch.dtype]) -> str:
    return ", ".join(str(dtype).removeprefix("torch.") for dtype in dtypes)
