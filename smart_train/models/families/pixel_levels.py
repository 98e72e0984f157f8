"""What a family's processor makes of each of 256 levels of a colour: models/pixels.py sends levels, not its numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from smart_train.models.pixels import LEVELS

# fp32 [images, C, 256] and [videos, C, 256]: the number of each level; one row an image, as other features
PIXEL_LEVELS, VIDEO_LEVELS = "pixel_levels", "video_pixel_levels"


def image_levels(processor: Any) -> Tensor:
    """fp32 [C, 256]: what an image processor of Qwen's line makes of each level, by its own arithmetic."""
    side = processor.patch_size * processor.merge_size
    flat = [Image.new("RGB", (side, side), (level, level, level)) for level in range(LEVELS)]
    return _by_level(processor(images=flat, do_resize=False, return_tensors="pt")["pixel_values"])


def video_levels(processor: Any) -> Tensor:
    """fp32 [C, 256]: as `image_levels`, of a video processor. Its arithmetic is another library's."""
    side, frames = processor.patch_size * processor.merge_size, processor.temporal_patch_size
    flat = [np.full((frames, side, side, 3), level, dtype=np.uint8) for level in range(LEVELS)]
    given = processor(videos=flat, do_resize=False, do_sample_frames=False, return_tensors="pt")
    return _by_level(given["pixel_values_videos"])


def every_level() -> Image.Image:
    """16 x 16 pixels, of all levels in their order."""
    levels = np.arange(LEVELS, dtype=np.uint8).reshape(16, 16)
    return Image.fromarray(np.stack([levels] * 3, axis=-1))


def _by_level(pixels: Tensor) -> Tensor:
    """[C, 256] of the rows of pixels of as many flat pictures."""
    by_level = pixels.reshape(LEVELS, -1, 3, pixels.shape[1] // 3)
    return by_level[:, 0, :, 0].T.contiguous().float()
