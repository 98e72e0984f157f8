"""Some rows of a featurized batch, as if they had been featurized alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from smart_train.errors import ModelError

IMAGE_COUNTS = "image_counts"  # int64 [B]: how many images each row holds; the others follow each other image by image
PIXELS = "pixel_values"
GRIDS = "image_grid_thw"


def select_rows(features: dict[str, Tensor], rows: Sequence[int]) -> dict[str, Tensor]:
    """The features of `rows`, in that order, without the right padding and the images that only other rows needed.

    Args:
        features: of `Family.featurize`: row by row [B, ...], or position by position [B, T, ...]; `pixel_values`
            [all patches, ...] and `image_grid_thw` [all images, 3], where `image_counts` says whose they are.
        rows: at least one of 0 .. B - 1.

    Raises:
        ModelError: a feature that belongs neither to rows nor to images, or images that do not add up.
    """
    batch, width = features["attention_mask"].shape
    index = torch.tensor(rows, dtype=torch.int64)
    length = int(features["attention_mask"][index].sum(dim=1).max())
    chosen = {}
    for name, value in features.items():
        if name in (PIXELS, GRIDS):
            continue
        if len(value) != batch:
            raise ModelError(f"features: {name} {tuple(value.shape)} does not lie row by row in a batch of {batch}")
        value = value[index]
        by_position = value.ndim > 1 and value.shape[1] == width
        chosen[name] = value[:, :length].contiguous() if by_position else value
    return {**chosen, **_images(features, rows)}


def _images(features: dict[str, Tensor], rows: Sequence[int]) -> dict[str, Tensor]:
    """The pixels and grids of the images of `rows`; nothing when these rows hold none, as `featurize` has it."""
    if GRIDS not in features:
        return {}
    if IMAGE_COUNTS not in features:
        raise ModelError(f"features: {GRIDS} without {IMAGE_COUNTS}, so nothing says which row an image belongs to")
    counts, grids, pixels = features[IMAGE_COUNTS].tolist(), features[GRIDS], features[PIXELS]
    patches = grids.prod(dim=1)
    if sum(counts) != len(grids) or int(patches.sum()) != len(pixels):
        raise ModelError(
            f"features: {sum(counts)} images by {IMAGE_COUNTS}, {len(grids)} by {GRIDS}; {int(patches.sum())} patches "
            f"by {GRIDS}, {len(pixels)} by {PIXELS}; they must agree"
        )
    by_row = grids.split(counts)
    pixels_by_row = pixels.split([int(part.sum()) for part in patches.split(counts)])
    if not any(counts[row] for row in rows):
        return {}
    return {
        PIXELS: torch.cat([pixels_by_row[row] for row in rows]),
        GRIDS: torch.cat([by_row[row] for row in rows]),
    }
