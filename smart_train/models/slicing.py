"""Some rows of a featurized batch, as if they had been featurized alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from smart_train.errors import ModelError

IMAGE_COUNTS = "image_counts"  # int64 [B]: how many images each row holds; the others follow each other image by image
VIDEO_COUNTS = "video_counts"  # the same of videos


class _Visual(NamedTuple):
    """Feature names of one kind of visual input. `per_item` hold one value for each image or video."""

    kind: str
    counts: str
    grids: str
    pixels: str
    per_item: tuple[str, ...] = ()


_VISUALS = (
    _Visual("images", IMAGE_COUNTS, "image_grid_thw", "pixel_values"),
    _Visual("videos", VIDEO_COUNTS, "video_grid_thw", "pixel_values_videos", ("second_per_grid_ts",)),
)
_BY_ITEM = {name for visual in _VISUALS for name in (visual.grids, visual.pixels, *visual.per_item)}


def select_rows(features: dict[str, Tensor], rows: Sequence[int]) -> dict[str, Tensor]:
    """The features of `rows`, in that order, without the right padding, images and videos that only other rows needed.

    Args:
        features: of `Family.featurize`: row by row [B, ...], or position by position [B, T, ...]; `pixel_values`
            [all patches, ...] and `image_grid_thw` [all images, 3], where `image_counts` says whose they are; the same
            for videos.
        rows: at least one of 0 .. B - 1.

    Raises:
        ModelError: a feature that belongs neither to rows nor to images or videos, or some that do not add up.
    """
    batch, width = features["attention_mask"].shape
    index = torch.tensor(rows, dtype=torch.int64)
    length = int(features["attention_mask"][index].sum(dim=1).max())
    chosen = {}
    for name, value in features.items():
        if name in _BY_ITEM:
            continue
        if len(value) != batch:
            raise ModelError(f"features: {name} {tuple(value.shape)} is not divided by rows in a batch of {batch}")
        value = value[index]
        by_position = value.ndim > 1 and value.shape[1] == width
        chosen[name] = value[:, :length].contiguous() if by_position else value
    for visual in _VISUALS:
        chosen |= _items(features, rows, visual)
    return chosen


def holds(features: dict[str, Tensor]) -> set[str]:
    """Which kinds of visual input are among `features`: "image", "video"."""
    return {visual.kind.removesuffix("s") for visual in _VISUALS if visual.pixels in features}


def append_rows(features: dict[str, Tensor], more: dict[str, Tensor]) -> dict[str, Tensor]:
    """Both batches as one: the rows of `features`, then those of `more`, padded to the longer of the two widths.

    Padding is 0 everywhere; the attention mask, 0 there too, keeps it from mattering.

    Raises:
        ModelError: a feature, other than those of images and videos, that only one of them has.
    """
    widths = [part["attention_mask"].shape[1] for part in (features, more)]
    single = sorted((features.keys() ^ more.keys()) - _BY_ITEM)
    if single:
        raise ModelError(f"features: {single[0]} is in only one of the two batches to be joined")
    joined = {}
    for name in {**features, **more}:
        parts = [part[name] for part in (features, more) if name in part]
        if name not in _BY_ITEM:
            parts = [
                F.pad(part, (0, max(widths) - width)) if part.ndim == 2 and part.shape[1] == width else part
                for part, width in zip(parts, widths, strict=True)
            ]
        joined[name] = torch.cat(parts)
    return joined


def _items(features: dict[str, Tensor], rows: Sequence[int], visual: _Visual) -> dict[str, Tensor]:
    """Pixels, grids and times of what `rows` hold; nothing when these rows hold none, as `featurize` has it."""
    if visual.grids not in features:
        return {}
    if visual.counts not in features:
        raise ModelError(
            f"features: {visual.grids} without {visual.counts}, so the row of each of the {visual.kind} is unknown"
        )
    counts, grids, pixels = features[visual.counts].tolist(), features[visual.grids], features[visual.pixels]
    patches = grids.prod(dim=1)
    if sum(counts) != len(grids) or int(patches.sum()) != len(pixels):
        raise ModelError(
            f"features: {sum(counts)} {visual.kind} by {visual.counts}, {len(grids)} by {visual.grids}; "
            f"{int(patches.sum())} patches by {visual.grids}, {len(pixels)} by {visual.pixels}; they must agree"
        )
    if not any(counts[row] for row in rows):
        return {}
    parts = {visual.pixels: pixels.split([int(part.sum()) for part in patches.split(counts)])}
    for name in (visual.grids, *visual.per_item):
        if name in features:
            parts[name] = features[name].split(counts)
    return {name: torch.cat([by_row[row] for row in rows]) for name, by_row in parts.items()}
