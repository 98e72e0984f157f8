"""Some rows of a featurized batch, as if they had been featurized alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from smart_train.errors import ModelError

IMAGE_COUNTS = "image_counts"  # int64 [B]: how many images each row holds; the others follow each other image by image
VIDEO_COUNTS = "video_counts"  # the same of videos
IMAGE_TILES = "image_tiles"  # int64 [images, 1]: into how many images of one size each is cut, itself among them
TILE_ROWS = "tile_rows"  # int64 [images]: how many rows these are in; 0 where it was not cut


class VisualFields(NamedTuple):
    """Names of the features that images (or videos) have of their own, and how these are divided among the inputs.

    Attributes:
        kind: "image" or "video"; the feature `image_counts` or `video_counts` says how many each row holds.
        pixels: what the vision tower reads, image after image: patches, or whole images.
        grids: int64 [all images, ...], each row's product how many rows of `pixels` the image has; None: one each.
        per_item: further features with one row for each image.
    """

    kind: Literal["image", "video"]
    pixels: str
    grids: str | None = None
    per_item: tuple[str, ...] = ()

    @property
    def counts(self) -> str:
        return IMAGE_COUNTS if self.kind == "image" else VIDEO_COUNTS

    @property
    def by_item(self) -> tuple[str, ...]:
        """The features with one row for each image: `grids`, where there are any, and `per_item`."""
        return self.per_item if self.grids is None else (self.grids, *self.per_item)


def select_rows(features: dict[str, Tensor], rows: Sequence[int], visuals: Sequence[VisualFields]) -> dict[str, Tensor]:
    """The features of `rows`, in that order, without the right padding, images and videos that only other rows needed.

    Args:
        features: of `Family.featurize`: row by row [B, ...], position by position [B, T, ...], or named in `visuals`.
        rows: at least one of 0 .. B - 1.
        visuals: `Family.visual_fields`.

    Raises:
        ModelError: a feature that belongs neither to rows nor to images or videos, or some that do not add up.
    """
    batch, width = features["attention_mask"].shape
    index = torch.tensor(rows, dtype=torch.int64)
    length = int(features["attention_mask"][index].sum(dim=1).max())
    of_rows = {}
    for name, value in features.items():
        if name in _names(visuals):
            continue
        if len(value) != batch:
            raise ModelError(f"features: {name} {tuple(value.shape)} is not divided by rows in a batch of {batch}")
        value = value[index]
        by_position = value.ndim > 1 and value.shape[1] == width
        of_rows[name] = value[:, :length].contiguous() if by_position else value
    for visual in visuals:
        of_rows |= _items(features, rows, visual)
    return of_rows


def append_rows(
    features: dict[str, Tensor], more: dict[str, Tensor], visuals: Sequence[VisualFields]
) -> dict[str, Tensor]:
    """Both batches as one: the rows of `features`, then those of `more`, padded to the longer of the two widths.

    Padding is 0 everywhere; the attention mask, 0 there too, keeps it from mattering.

    Raises:
        ModelError: a feature, other than those of images and videos, that only one of them has.
    """
    widths = [part["attention_mask"].shape[1] for part in (features, more)]
    divided = _names(visuals)
    single = sorted((features.keys() ^ more.keys()) - divided)
    if single:
        raise ModelError(f"features: {single[0]} is in only one of the two batches to be joined")
    joined = {}
    for name in {**features, **more}:
        parts = [part[name] for part in (features, more) if name in part]
        if name not in divided:
            parts = [
                F.pad(part, (0, 0) * (part.ndim - 2) + (0, max(widths) - width))
                if part.ndim > 1 and part.shape[1] == width
                else part
                for part, width in zip(parts, widths, strict=True)
            ]
        joined[name] = torch.cat(parts)
    return joined


def _names(visuals: Sequence[VisualFields]) -> set[str]:
    """The features that are divided by images or videos instead of rows."""
    return {name for visual in visuals for name in (visual.pixels, *visual.by_item)}


def _items(features: dict[str, Tensor], rows: Sequence[int], visual: VisualFields) -> dict[str, Tensor]:
    """Pixels, grids and times of what `rows` hold; nothing when these rows hold none, as `featurize` has it."""
    if visual.pixels not in features:
        return {}
    sized = visual.grids or visual.pixels  # the feature that says how many there are
    if visual.counts not in features:
        raise ModelError(f"features: {sized} without {visual.counts}, so the row of each {visual.kind} is unknown")
    counts, pixels = features[visual.counts].tolist(), features[visual.pixels]
    sizes = pixels.new_ones(len(pixels), dtype=torch.int64) if visual.grids is None else features[sized].prod(dim=1)
    if sum(counts) != len(sizes) or int(sizes.sum()) != len(pixels):
        raise ModelError(
            f"features: {sum(counts)} {visual.kind}s by {visual.counts}, {len(sizes)} by {sized}; "
            f"{int(sizes.sum())} rows of pixels by {sized}, {len(pixels)} by {visual.pixels}; they must agree"
        )
    if not any(counts[row] for row in rows):
        return {}
    parts = {visual.pixels: pixels.split([int(part.sum()) for part in sizes.split(counts)])}
    for name in visual.by_item:
        if name in features:
            parts[name] = features[name].split(counts)
    return {name: torch.cat([by_row[row] for row in rows]) for name, by_row in parts.items()}
